import CLinux
import Glibc
import LinuxSystem

/// A hold on an eventfd of the program: the object stays when the program closes its descriptor.
final class EventHandle: Sendable {
    private let descriptor: FileDescriptor
    /// The kernel's own number of the eventfd, by which two descriptors are known as the same.
    let identity: UInt64

    /// - Throws: EBADF where `fd` is not open, EINVAL where it is no eventfd.
    init(_ fd: Int32) throws(Errno) {
        guard fd >= 0 else { throw Errno(EBADF) }
        let copy = FileDescriptor(owning: try retryingInterrupts { hv_fcntl_int(fd, F_DUPFD_CLOEXEC, 0) })
        guard Self.target(of: copy.raw) == "anon_inode:[eventfd]" else { throw Errno(EINVAL) }
        identity = Self.identity(of: copy.raw)
        descriptor = copy
    }

    /// The descriptor's number, valid as long as this object lives.
    var raw: Int32 { descriptor.raw }

    /// Adds one.
    func signal() {
        var one: UInt64 = 1
        // Where the counter is at its limit, the reader is due anyway. A program's eventfd may be one that blocks.
        var ready = pollfd(fd: descriptor.raw, events: Int16(POLLOUT), revents: 0)
        guard poll(&ready, 1, 0) > 0, ready.revents & Int16(POLLOUT) != 0 else { return }
        _ = write(descriptor.raw, &one, 8)
    }

    /// Takes the counter, where it is not zero.
    ///
    /// - Returns: whether it was not.
    func take() -> Bool {
        var ready = pollfd(fd: descriptor.raw, events: Int16(POLLIN), revents: 0)
        guard poll(&ready, 1, 0) > 0, ready.revents & Int16(POLLIN) != 0 else { return false }
        var count: UInt64 = 0
        // Somebody else may have been faster with one that blocks; nobody but the program and we read it.
        return Glibc.read(descriptor.raw, &count, 8) == 8
    }

    private static func target(of fd: Int32) -> String? {
        var bytes = [CChar](repeating: 0, count: 64)
        let count = readlink("/proc/self/fd/\(fd)", &bytes, bytes.count)
        guard count > 0, count < bytes.count else { return nil }
        return String(decoding: bytes[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// `eventfd-id` of its `/proc/self/fdinfo`. Kernels before 5.2 lack it: there each descriptor is another eventfd.
    private static func identity(of fd: Int32) -> UInt64 {
        let own = UInt64(1) << 63 | UInt64(UInt32(bitPattern: fd))
        guard let file = try? FileDescriptor(opening: "/proc/self/fdinfo/\(fd)", O_RDONLY),
            let bytes = try? file.read(count: 1024)
        else { return own }
        for line in bytes.split(separator: UInt8(ascii: "\n")) {
            let words = String(decoding: line, as: UTF8.self).split(whereSeparator: { $0 == " " || $0 == "\t" })
            if words.count == 2, words[0] == "eventfd-id:", let id = UInt64(words[1]) { return id }
        }
        return own
    }
}
