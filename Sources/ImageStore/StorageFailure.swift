import BlockStorage
import Glibc
import LinuxSystem

/// A file of the store could not be made or changed; what there was is as before.
package struct StorageFailure: Error, Sendable, Equatable, CustomStringConvertible {
    package enum Kind: Sendable, Equatable {
        /// The bytes are not what was said or can't be used as a disk.
        case invalid
        /// What was named is no file that can be read.
        case unreadable
        /// The file system has no room left.
        case full
        /// The file system can't do it (reflinks).
        case unsupported
        /// The host lacks a program.
        case missingTool
        /// The server is ending, or the client has gone.
        case cancelled
        case failed
    }

    package var kind: Kind
    package var description: String

    package init(_ kind: Kind, _ description: String) {
        self.kind = kind
        self.description = description
    }

    /// - Parameter what: what was being done: "the image can't be written".
    init(_ error: Errno, _ what: String) {
        let kind: Kind = [ENOSPC, EDQUOT, EFBIG].contains(error.code) ? .full : .failed
        self.init(kind, "\(what): \(error)")
    }
}
