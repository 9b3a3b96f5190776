import CLinux
import Glibc
import LinuxSystem

/// A test's complaint about what came over the wire.
package struct TestHTTPError: Error, CustomStringConvertible {
    package let description: String
    package init(_ description: String) { self.description = description }
}

/// A blocking stream socket to `http://HOST:PORT` (numeric) or `unix:PATH`, with a buffer for what was read ahead.
final class ByteStream: @unchecked Sendable {
    // Unchecked: a test uses a connection for one thing at a time.
    private let descriptor: FileDescriptor
    private var buffer: [UInt8] = []
    private var position = 0

    init(to address: String, timeout: Double) throws {
        if address.hasPrefix("unix:") {
            var target = sockaddr_un()
            target.sun_family = sa_family_t(AF_UNIX)
            let path = Array(address.utf8.dropFirst(5))
            guard path.count < MemoryLayout.size(ofValue: target.sun_path) else {
                throw TestHTTPError("\(address): too long")
            }
            withUnsafeMutableBytes(of: &target.sun_path) { $0.copyBytes(from: path) }
            descriptor = try Self.connected(AF_UNIX, &target, address)
        } else {
            let parts = address.dropFirst("http://".utf8.count).split(separator: ":")
            var target = sockaddr_in()
            target.sin_family = sa_family_t(AF_INET)
            guard parts.count == 2, let port = UInt16(parts[1]),
                inet_pton(AF_INET, String(parts[0]), &target.sin_addr) == 1
            else { throw TestHTTPError("\(address): expected http://IPV4:PORT or unix:PATH") }
            target.sin_port = port.bigEndian
            descriptor = try Self.connected(AF_INET, &target, address)
        }
        var limit = timeval(tv_sec: Int(timeout), tv_usec: Int(timeout.truncatingRemainder(dividingBy: 1) * 1e6))
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(descriptor.raw, SOL_SOCKET, option, &limit, socklen_t(MemoryLayout<timeval>.size))
        }
    }

    private static func connected<Address>(
        _ family: Int32, _ target: inout Address, _ name: String
    ) throws -> FileDescriptor {
        let raw = socket(family, Int32(SOCK_STREAM.rawValue) | O_CLOEXEC, 0)
        guard raw >= 0 else { throw Errno.last }
        let descriptor = FileDescriptor(owning: raw)
        let result = withUnsafePointer(to: &target) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(raw, $0, socklen_t(MemoryLayout<Address>.size))
            }
        }
        guard result == 0 else { throw TestHTTPError("\(name): \(Errno.last)") }
        return descriptor
    }

    func write(_ bytes: [UInt8]) throws {
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes { all in
                Glibc.send(descriptor.raw, all.baseAddress.map { $0 + done }, all.count - done, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw TestHTTPError("cannot send: \(Errno.last)") }
            done += count
        }
    }

    /// No more will be sent; the other side sees the end.
    func finishWriting() { shutdown(descriptor.raw, Int32(SHUT_WR)) }

    /// The connection's end, at once and with a reset where data waits.
    func abort() { shutdown(descriptor.raw, Int32(SHUT_RDWR)) }

    /// The next byte; nil at the end.
    func next() throws -> UInt8? {
        guard try fill() else { return nil }
        defer { position += 1 }
        return buffer[position]
    }

    /// Makes sure that something is in the buffer; false at the end.
    private func fill() throws -> Bool {
        if position == buffer.count {
            buffer = [UInt8](repeating: 0, count: 65536)
            let count = recv(descriptor.raw, &buffer, buffer.count, 0)
            let error = Errno.last
            buffer.removeLast(buffer.count - max(count, 0))
            position = 0
            if count == 0 || (count < 0 && error.code == ECONNRESET) { return false }
            guard count > 0 else { throw TestHTTPError("nothing received: \(error)") }
        }
        return true
    }

    func read(_ count: Int) throws -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count)
        while bytes.count < count {
            guard try fill() else { throw TestHTTPError("the connection ended after \(bytes.count) bytes") }
            let piece = buffer[position...].prefix(count - bytes.count)
            bytes += piece
            position += piece.count
        }
        return bytes
    }

    func readToEnd() throws -> [UInt8] {
        var bytes: [UInt8] = []
        while let byte = try next() { bytes.append(byte) }
        return bytes
    }

    /// A line without its end; nil at the connection's end.
    func line() throws -> String? {
        var bytes: [UInt8] = []
        while let byte = try next() {
            if byte == 0x0A {
                if bytes.last == 0x0D { bytes.removeLast() }
                return String(decoding: bytes, as: UTF8.self)
            }
            bytes.append(byte)
        }
        return bytes.isEmpty ? nil : String(decoding: bytes, as: UTF8.self)
    }
}
