import CLinux
import Glibc

/// Small files read and written as a whole. A file has one writer at a time.
package enum WholeFile {
    /// Reads a regular file of at most `limit` bytes.
    ///
    /// - Throws: `EFBIG` for a larger file, `EINVAL` for anything but a regular file.
    package static func read(_ path: String, limit: Int) throws(Errno) -> [UInt8] {
        let file = try FileDescriptor(opening: path, O_RDONLY | O_NONBLOCK)
        var status = stat()
        if fstat(file.raw, &status) != 0 { throw Errno.last }
        guard status.st_mode & S_IFMT == S_IFREG else { throw Errno(EINVAL) }
        let bytes = try file.read(count: limit + 1, at: 0)
        guard bytes.count <= limit else { throw Errno(EFBIG) }
        return bytes
    }

    /// Puts `bytes` at `directory/name` so that a reader, also one after a crash, finds the old file or the new one,
    /// never a part.
    ///
    /// - Parameter durable: whether the new file must be on the disk when this returns.
    package static func replace(
        directory: String, name: String, with bytes: [UInt8], mode: mode_t = 0o600, durable: Bool
    ) throws(Errno) {
        let folder = try FileDescriptor(opening: directory, O_RDONLY | O_DIRECTORY)
        let temporary = "\(directory)/.\(name).new"
        try write(bytes, to: temporary, mode: mode, durable: durable)
        if rename(temporary, "\(directory)/\(name)") != 0 { throw Errno.last }
        if durable, fsync(folder.raw) != 0 { throw Errno.last }
    }

    private static func write(_ bytes: [UInt8], to path: String, mode: mode_t, durable: Bool) throws(Errno) {
        let file = try FileDescriptor(opening: path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, mode: mode)
        try file.writeAll(bytes)
        if durable, fsync(file.raw) != 0 { throw Errno.last }
    }

    /// Removes a file; one that is not there is no error.
    package static func remove(_ path: String) throws(Errno) {
        if unlink(path) != 0, errno != ENOENT { throw Errno.last }
    }
}

/// An exclusive lock on a file that lasts as long as any process holds the open file, and ends with the last of them.
package struct FileLock: ~Copyable, Sendable {
    package let file: FileDescriptor

    /// Takes the lock on `path`, which is made where it is missing.
    ///
    /// - Throws: `EWOULDBLOCK` where somebody holds it.
    package init(_ path: String) throws(Errno) {
        let opened = try FileDescriptor(opening: path, O_RDWR | O_CREAT | O_NOFOLLOW)
        let number = opened.raw
        try retryingInterrupts { flock(number, LOCK_EX | LOCK_NB) }
        file = opened
    }
}
