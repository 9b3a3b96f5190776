import Glibc
import LinuxSystem

/// One directory of the store: complete files, each named by a row of the state store, and unfinished ones, whose names
/// begin with a dot. A file gets its name when it is whole and on the disk, and its row after that; so a crash leaves no
/// row without a file, and files without a row can be removed.
package struct StoreDirectory: Sendable, Equatable {
    package let path: String

    package init(_ path: String) { self.path = path }

    package func path(of file: String) -> String { "\(path)/\(file)" }

    /// A name for a file that is being made.
    package func temporaryPath() -> String {
        var generator = SystemRandomNumberGenerator()
        return "\(path)/.new-\(String(generator.next(), radix: 16))"
    }

    /// Gives a whole file its name; durable when this returns.
    package func adopt(_ temporary: String, as name: String) throws(StorageFailure) {
        do throws(Errno) {
            if chmod(temporary, 0o600) != 0 { throw Errno.last }
            let file = try FileDescriptor(opening: temporary, O_RDONLY | O_NOFOLLOW)
            try retryingInterrupts { fsync(file.raw) }
            if rename(temporary, path(of: name)) != 0 { throw Errno.last }
            try sync()
        } catch {
            unlink(temporary)
            throw StorageFailure(error, "\(path(of: name)) can't be made")
        }
    }

    /// Removes a file; one that is not there is no error.
    package func remove(_ name: String) throws(Errno) { try WholeFile.remove(path(of: name)) }

    private func sync() throws(Errno) {
        let folder = try FileDescriptor(opening: path, O_RDONLY | O_DIRECTORY)
        try retryingInterrupts { fsync(folder.raw) }
    }

    /// Removes every file but `known`: what a crash left.
    ///
    /// - Returns: the names of those that were removed.
    package func removeAllBut(_ known: Set<String>) throws(Errno) -> [String] {
        try DirectoryNames.list(path).filter { !known.contains($0) && unlink(self.path(of: $0)) == 0 }
    }

    /// Bytes that a file takes on the disk; nil where there is none.
    package func bytesOnDisk(_ name: String) -> UInt64? {
        var status = stat()
        guard stat(path(of: name), &status) == 0 else { return nil }
        // st_blocks counts in 512 bytes whatever the file system's blocks are.
        return UInt64(clamping: status.st_blocks) * 512
    }

    /// Bytes of the file system that images and volumes leave free when they are made: the state store is on it too.
    package static let reserve: UInt64 = 64 << 20

    /// Bytes that may still be written here; nil where the file system does not tell.
    package func bytesAvailable() -> UInt64? {
        var status = statvfs()
        guard statvfs(path, &status) == 0 else { return nil }
        let free = UInt64(status.f_bavail) * UInt64(status.f_frsize)
        return free - min(free, Self.reserve)
    }

    /// - Throws: `.full` where the file system has no more room than is left free.
    func checkRoom() throws(StorageFailure) {
        guard bytesAvailable() == 0 else { return }
        throw StorageFailure(.full, "the file system of \(path) is full: \(Self.reserve >> 20) MiB of it are left free")
    }
}
