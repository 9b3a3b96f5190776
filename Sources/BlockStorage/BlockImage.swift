import Glibc
import LinuxSystem

/// A disk image that is open for as long as this object lives, with the lock that keeps others from it.
package protocol BlockImage: AnyObject, Sendable {
    /// Bytes as last looked at.
    var byteCount: UInt64 { get }
    var geometry: BlockGeometry { get }
    var isReadOnly: Bool { get }
    /// Looks at the size again, which may have changed under us.
    ///
    /// - Returns: bytes.
    func refreshSize() throws(BlockStorageError) -> UInt64
    /// What carries out up to `depth` operations at a time, for one thread.
    func makeEngine(depth: Int) throws(BlockStorageError) -> any BlockEngine
}

/// In which pieces an image is read and written.
package struct BlockGeometry: Equatable, Sendable {
    /// Offsets and counts are multiples of it; 512 or a larger power of two.
    package var logicalBlockSize = 512
    /// What the storage handles at once; a power of two, at least `logicalBlockSize`.
    package var physicalBlockSize = 4096
    /// Addresses of buffers are multiples of it.
    package var memoryAlignment = 1
    /// Lengths of each buffer are multiples of it.
    package var lengthAlignment = 1

    package init() {}
}

/// Carries out operations on an image. For one thread.
package protocol BlockEngine: AnyObject {
    /// A descriptor that is readable while there may be something to reap; nil where `submit` does it all.
    var descriptor: Int32? { get }
    /// How operations are carried out, for a line of the log.
    var name: String { get }
    /// Begins an operation. It has to be inside the image, its tokens below the engine's depth and different among
    /// those under way.
    func submit(_ operation: BlockOperation)
    /// Makes sure that what was submitted is under way.
    func kick()
    /// What has ended since the last call.
    func reap() -> [BlockCompletion]
}

/// One thing to do with an image.
package struct BlockOperation {
    package enum Kind: Equatable {
        case read
        /// `isDurable`: ended means that it is on the disk.
        case write(isDurable: Bool)
        /// What ended before is on the disk.
        case flush
        /// The bytes are not needed any more.
        case discard
        /// The bytes become zero; their space may be given back where `mayUnmap`. `isDurable`: ended means that they
        /// are zero on the disk.
        case writeZeroes(mayUnmap: Bool, isDurable: Bool)
    }

    package var token: Int
    package var kind: Kind
    package var offset: UInt64
    package var count: UInt64
    /// The buffers of a read or a write, `count` bytes in all. Both the list and the buffers are the engine's until the
    /// operation ends; it may change the list.
    package var vectors: UnsafeMutableBufferPointer<iovec>

    package init(
        token: Int, kind: Kind, offset: UInt64 = 0, count: UInt64 = 0,
        vectors: UnsafeMutableBufferPointer<iovec> = .init(start: nil, count: 0)
    ) {
        self.token = token
        self.kind = kind
        self.offset = offset
        self.count = count
        self.vectors = vectors
    }

    /// Takes `done` bytes from the front, after a transfer that was shorter than asked.
    mutating func advance(by done: UInt64) {
        offset += done
        count -= min(done, count)
        var left = done
        var first = 0
        while first < vectors.count, left >= UInt64(vectors[first].iov_len) {
            left -= UInt64(vectors[first].iov_len)
            first += 1
        }
        vectors = UnsafeMutableBufferPointer(rebasing: vectors[first...])
        guard left > 0, !vectors.isEmpty, let base = vectors[0].iov_base else { return }
        // Sound: fewer bytes than this buffer has.
        vectors[0].iov_base = base + Int(left)
        vectors[0].iov_len -= Int(left)
    }
}

/// The end of an operation.
package struct BlockCompletion: Equatable {
    package var token: Int
    /// Why it failed; nil for success.
    package var error: Errno?

    package init(token: Int, error: Errno?) {
        self.token = token
        self.error = error
    }
}

/// An image can't be used, in one sentence for its user.
package struct BlockStorageError: Error, Equatable, Sendable, CustomStringConvertible {
    package var description: String
    package init(_ description: String) { self.description = description }
}
