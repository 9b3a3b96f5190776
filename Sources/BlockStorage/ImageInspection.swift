import Glibc
import LinuxSystem

/// What can be said of an image without opening it for use: for the server, which looks before a VM is started.
package enum ImageInspection {
    /// The file behind a name: two names with one identity are one image.
    package struct Identity: Equatable, Sendable {
        var device: UInt64
        var inode: UInt64
    }

    /// Nil where there is no such file.
    package static func identity(of path: String) -> Identity? {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        // A block device is the same one under every node that names it.
        if status.st_mode & S_IFMT == S_IFBLK { return Identity(device: .max, inode: UInt64(status.st_rdev)) }
        return Identity(device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
    }

    /// Looks whether the image is there, is a disk and what it is said to be. Takes no lock, so that it may be in use.
    ///
    /// - Throws: `BlockStorageError` that says what is wrong with it.
    package static func check(_ disk: DiskSource) throws(BlockStorageError) {
        var status = stat()
        guard stat(disk.path, &status) == 0 else {
            throw BlockStorageError("\(disk.path) can't be opened: \(Errno.last)")
        }
        let kind = status.st_mode & S_IFMT
        guard kind == S_IFREG || kind == S_IFBLK else {
            throw BlockStorageError("\(disk.path) is neither a regular file nor a block device")
        }
        let mode = disk.isReadOnly ? R_OK : R_OK | W_OK
        guard access(disk.path, mode) == 0 else {
            throw BlockStorageError(
                "\(disk.path) can't be \(disk.isReadOnly ? "read" : "read and written"): \(Errno.last)")
        }
        guard kind == S_IFBLK || status.st_size >= 512 else {
            throw BlockStorageError("\(disk.path) has \(status.st_size) bytes, too few for a disk")
        }
        if disk.format == .qcow2 { try Qcow2Header.check(disk) }
    }
}
