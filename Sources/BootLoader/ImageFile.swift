import Glibc
import GuestMemory
import LinuxSystem

/// An open kernel or initrd. Opening never blocks and never touches a device: only regular files get that far.
final class ImageFile {
    /// Larger files are no kernels and no initrds: their place is a disk.
    static let sizeLimit: UInt64 = 2 << 30

    let path: String
    /// Bytes, 1 or more, when it was opened.
    let size: UInt64
    /// `kernel` or `initrd`, for errors.
    let field: String
    private let descriptor: FileDescriptor
    private let opened: Stamp

    /// What changes when somebody writes to a file.
    private struct Stamp: Equatable {
        var size: Int
        var seconds: Int
        var nanoseconds: Int
        init(_ status: stat) {
            size = Int(status.st_size)
            seconds = Int(status.st_mtim.tv_sec)
            nanoseconds = Int(status.st_mtim.tv_nsec)
        }
    }

    init(_ path: String, field: String) throws(BootError) {
        func fault(_ reason: String) -> BootError { BootError(field, reason) }
        guard !path.utf8.contains(0) else { throw fault("the path contains a NUL byte; no file's path does") }
        guard path.utf8.first == UInt8(ascii: "/") else {
            throw fault(path.isEmpty ? "the path is empty" : "\"\(path)\" is not an absolute path: begin it with /")
        }
        // Look before opening: opening some devices has an effect (a watchdog starts), and a FIFO would wait for its
        // writer. Between the two calls the path may come to mean another file, hence O_NONBLOCK and the second look.
        var status = stat()
        if stat(path, &status) != 0 { throw fault("can't find \(path): \(Errno.last)") }
        try Self.checkRegular(status, path, field)
        do {
            descriptor = try FileDescriptor(opening: path, O_RDONLY | O_NONBLOCK | O_NOCTTY)
        } catch {
            throw fault("can't open \(path): \(error)")
        }
        if fstat(descriptor.raw, &status) != 0 { throw fault("can't examine \(path): \(Errno.last)") }
        try Self.checkRegular(status, path, field)
        guard status.st_size > 0 else { throw fault("\(path) is empty") }
        let size = UInt64(status.st_size)
        guard size <= Self.sizeLimit else {
            throw fault("\(path) is oversized: \(size) bytes, at most \(Self.sizeLimit) (2 GiB) are read")
        }
        self.path = path
        self.size = size
        self.field = field
        opened = Stamp(status)
    }

    private static func checkRegular(_ status: stat, _ path: String, _ field: String) throws(BootError) {
        let kind: String
        switch status.st_mode & S_IFMT {
        case S_IFREG: return
        case S_IFDIR: kind = "directory"
        case S_IFIFO: kind = "FIFO"
        case S_IFSOCK: kind = "socket"
        case S_IFCHR: kind = "character device"
        case S_IFBLK: kind = "block device"
        default: kind = "special file"
        }
        throw BootError(field, "\(path) is a \(kind); a regular file is needed")
    }

    /// Up to `count` bytes at `offset`; fewer where the file ends.
    func read(_ offset: UInt64, _ count: Int) throws(BootError) -> [UInt8] {
        guard offset < size else { return [] }
        do {
            return try descriptor.read(count: Int(min(UInt64(count), size - offset)), at: Int64(offset))
        } catch {
            throw BootError(field, "can't read \(path): \(error)")
        }
    }

    /// Puts `count` bytes from `offset` into guest memory.
    func load(_ offset: UInt64, _ count: UInt64, into memory: GuestMemory, at gpa: UInt64) throws(BootError) {
        do {
            try memory.readFile(descriptor, offset: offset, gpa: gpa, count: Int(count))
        } catch {
            throw BootError(field, "can't load \(path): \(error)")
        }
    }

    /// Throws where the file was written to since it was opened: what was loaded is then neither the old nor the new.
    func checkUnchanged() throws(BootError) {
        var status = stat()
        guard fstat(descriptor.raw, &status) == 0, Stamp(status) == opened else {
            throw BootError(field, "\(path) was written to while it was loaded; try again when that is done")
        }
    }
}
