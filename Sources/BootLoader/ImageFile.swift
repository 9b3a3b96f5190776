import Glibc
import LinuxSystem

/// An image file of the host, opened for reading and known to be a regular file of a sane size.
struct ImageFile: ~Copyable {
    /// Larger images are refused before anything is read.
    static let maximumSize: UInt64 = 2 << 30

    let descriptor: FileDescriptor
    let size: UInt64
    /// The part of the boot source that named it, for messages.
    let field: String
    let path: String

    /// - Throws: `BootError` for a path that is not absolute, does not open, is not a regular file, is empty, or is
    ///   larger than 2 GiB.
    static func open(_ path: String, field: String) throws(BootError) -> ImageFile {
        guard path.hasPrefix("/"), !path.utf8.contains(0) else {
            throw BootError(field, "\"\(path)\" is not an absolute path")
        }
        let opened: FileDescriptor
        do {
            // O_NONBLOCK: a FIFO in the image's place must not hold us.
            opened = try FileDescriptor(opening: path, O_RDONLY | O_NONBLOCK | O_NOCTTY)
        } catch {
            throw BootError(field, "\(path) cannot be opened: \(error)")
        }
        let file = ImageFile(opened, path: path, field: field)
        guard file.isRegular else { throw BootError(field, "\(path) is not a regular file") }
        guard file.size > 0 else { throw BootError(field, "\(path) is empty") }
        guard file.size <= Self.maximumSize else {
            throw BootError(field, "\(path) is oversized: \(file.size) bytes; an image has \(Self.maximumSize) at most")
        }
        return file
    }

    private let isRegular: Bool

    private init(_ descriptor: consuming FileDescriptor, path: String, field: String) {
        var status = stat()
        isRegular = fstat(descriptor.raw, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
        size = UInt64(max(status.st_size, 0))
        self.descriptor = descriptor
        self.path = path
        self.field = field
    }

    /// `count` bytes at `offset`.
    ///
    /// - Throws: `BootError` that calls the file truncated where it ends before.
    borrowing func bytes(_ what: String, at offset: UInt64, _ count: Int) throws(BootError) -> ByteView {
        guard offset <= size, UInt64(count) <= size - offset else {
            throw BootError(
                field, "\(path) is truncated: \(what) needs \(count) bytes at \(offset), the file has \(size)")
        }
        let bytes: [UInt8]
        do {
            bytes = try descriptor.read(count: count, at: Int64(offset))
        } catch {
            throw BootError(field, "\(path) cannot be read: \(error)")
        }
        guard bytes.count == count else { throw BootError(field, "\(path) became shorter while it was read") }
        return ByteView(bytes: bytes)
    }
}

/// Bytes of a file with little-endian numbers in them; what lies outside reads as zero, and callers size it first.
struct ByteView {
    let bytes: [UInt8]

    func number<T: FixedWidthInteger & UnsignedInteger>(_: T.Type, _ offset: Int) -> T {
        var value: T = 0
        for index in 0..<(T.bitWidth / 8) where offset + index < bytes.count {
            value |= T(bytes[offset + index]) << T(index * 8)
        }
        return value
    }
}
