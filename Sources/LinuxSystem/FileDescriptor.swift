import CLinux
import Glibc

/// An owned file descriptor: closed when its owner goes away.
package struct FileDescriptor: ~Copyable, Sendable {
    /// The number, for calls that borrow it. It is valid for as long as this value lives.
    package let raw: Int32

    /// Takes ownership of an open descriptor.
    package init(owning raw: Int32) { self.raw = raw }

    /// Opens `path`, always with `O_CLOEXEC`.
    package init(opening path: String, _ flags: Int32, mode: mode_t = 0o600) throws(Errno) {
        raw = try retryingInterrupts { hv_open(path, flags | O_CLOEXEC, mode) }
    }

    deinit { close(raw) }

    /// Gives the descriptor up: the caller closes it.
    package consuming func release() -> Int32 {
        let number = raw
        discard self
        return number
    }

    /// A second descriptor of the same open file.
    package borrowing func duplicate() throws(Errno) -> FileDescriptor {
        let number = raw
        return FileDescriptor(owning: try retryingInterrupts { hv_fcntl_int(number, F_DUPFD_CLOEXEC, 0) })
    }

    /// Calls an ioctl that takes a number (or nothing).
    @discardableResult
    package borrowing func ioctl(_ request: UInt, _ value: UInt = 0) throws(Errno) -> Int32 {
        let number = raw
        return try retryingInterrupts { hv_ioctl_int(number, request, value) }
    }

    /// Calls an ioctl that takes a pointer to `value`, which the kernel may change.
    @discardableResult
    package borrowing func ioctl<T>(_ request: UInt, _ value: inout T) throws(Errno) -> Int32 {
        let number = raw
        let result = withUnsafeMutablePointer(to: &value) { hv_ioctl_pointer(number, request, $0) }
        if result < 0 { throw Errno.last }
        return result
    }

    /// Writes all of `bytes`, however many calls that takes.
    package borrowing func writeAll(_ bytes: UnsafeRawBufferPointer) throws(Errno) {
        guard let base = bytes.baseAddress else { return }
        let number = raw
        var done = 0
        while done < bytes.count {
            done += try retryingInterrupts { write(number, base + done, bytes.count - done) }
        }
    }

    /// Writes all of `bytes`, however many calls that takes.
    package borrowing func writeAll(_ bytes: [UInt8]) throws(Errno) {
        let number = raw
        var done = 0
        while done < bytes.count {
            done += try retryingInterrupts {
                bytes.withUnsafeBytes { write(number, $0.baseAddress.map { $0 + done }, bytes.count - done) }
            }
        }
    }

    /// Writes all of `bytes` at `offset`, however many calls that takes.
    package borrowing func writeAll(_ bytes: UnsafeRawBufferPointer, at offset: Int64) throws(Errno) {
        guard let base = bytes.baseAddress else { return }
        let number = raw
        var done = 0
        while done < bytes.count {
            done += try retryingInterrupts {
                pwrite(number, base + done, bytes.count - done, off_t(offset) + off_t(done))
            }
        }
    }

    /// Reads up to `count` bytes at `offset` (the current position where nil); fewer at the end of the file.
    package borrowing func read(count: Int, at offset: Int64? = nil) throws(Errno) -> [UInt8] {
        let number = raw
        var failure: Errno?
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            while filled < count {
                let position = filled
                let target = buffer.baseAddress.map { $0 + position }
                let got =
                    if let offset {
                        pread(number, target, count - position, off_t(offset) + off_t(position))
                    } else {
                        Glibc.read(number, target, count - position)
                    }
                if got < 0 {
                    if errno == EINTR { continue }
                    failure = Errno.last
                    return
                }
                if got == 0 { return }
                filled += got
            }
        }
        if let failure { throw failure }
        return bytes
    }

    /// Makes the file so many bytes long: cut off, or a hole at its end.
    package borrowing func setSize(_ count: UInt64) throws(Errno) {
        let number = raw
        try retryingInterrupts { ftruncate(number, off_t(clamping: count)) }
    }

    /// The file's size in bytes.
    package borrowing func size() throws(Errno) -> UInt64 {
        var status = stat()
        if fstat(raw, &status) != 0 { throw Errno.last }
        return UInt64(max(status.st_size, 0))
    }
}
