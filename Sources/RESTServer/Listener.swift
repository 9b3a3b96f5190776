import CLinux
import DeviceSources
import Glibc
import LinuxSystem

/// A server that could not start, and why.
package struct RESTServerError: Error, Sendable, CustomStringConvertible {
    package let description: String
}

/// A socket that listens, and the file it stands for where it is a Unix socket of our own.
final class Listener: Sendable {
    /// As `RESTServer.addresses` shows it: the port is the real one.
    let address: String
    private let descriptor: FileDescriptor
    private let file: SocketFile?

    /// The file of a Unix socket as `bind` made it, so that no other server's file is ever removed.
    private struct SocketFile {
        var path: String
        var device: dev_t
        var inode: ino_t
    }

    var raw: Int32 { descriptor.raw }

    /// Opens a socket on `wanted` and listens.
    init(_ wanted: ListenAddress) throws {
        switch wanted {
        case .ipv4(let host, let port): descriptor = try Self.openIPv4(host, port)
        case .ipv6(let host, let port): descriptor = try Self.openIPv6(host, port)
        case .unix(let path):
            descriptor = try Self.openUnix(path)
            address = wanted.description
            var status = stat()
            file =
                stat(path, &status) == 0
                ? SocketFile(path: path, device: status.st_dev, inode: status.st_ino) : nil
            return
        }
        address = Self.localAddress(descriptor.raw) ?? wanted.description
        file = nil
    }

    /// Takes over a socket that already listens. Its file, if any, belongs to the one who passed it.
    init(inherited raw: Int32, name: String) throws {
        var isListening: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        guard getsockopt(raw, SOL_SOCKET, SO_ACCEPTCONN, &isListening, &length) == 0, isListening != 0 else {
            throw RESTServerError(
                description: "descriptor \(raw) ('\(name)') passed by LISTEN_FDS is not a listening stream socket")
        }
        descriptor = FileDescriptor(owning: raw)
        _ = hv_fcntl_int(raw, F_SETFD, FD_CLOEXEC)
        _ = hv_fcntl_int(raw, F_SETFL, hv_fcntl_int(raw, F_GETFL, 0) | O_NONBLOCK)
        address = Self.localAddress(raw) ?? "fd:\(raw)"
        file = nil
    }

    deinit {
        guard let file else { return }
        var status = stat()
        if stat(file.path, &status) == 0, status.st_dev == file.device, status.st_ino == file.inode {
            unlink(file.path)
        }
    }

    private static func open(_ family: Int32, _ wanted: String) throws -> FileDescriptor {
        let kind = Int32(SOCK_STREAM.rawValue) | O_CLOEXEC | O_NONBLOCK
        let raw = socket(family, kind, 0)
        guard raw >= 0 else { throw RESTServerError(description: "\(wanted): no socket: \(Errno.last)") }
        return FileDescriptor(owning: raw)
    }

    private static func openIPv4(_ host: String, _ port: UInt16) throws -> FileDescriptor {
        let wanted = ListenAddress.ipv4(host, port: port).description
        let socket = try open(AF_INET, wanted)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        guard inet_pton(AF_INET, host, &address.sin_addr) == 1 else {
            throw RESTServerError(description: "\(wanted): '\(host)' is not an IPv4 address")
        }
        try bindAndListen(socket.raw, &address, wanted)
        return socket
    }

    private static func openIPv6(_ host: String, _ port: UInt16) throws -> FileDescriptor {
        let wanted = ListenAddress.ipv6(host, port: port).description
        let socket = try open(AF_INET6, wanted)
        var one: Int32 = 1
        // Without it, [::] would also take the IPv4 port that another --listen asks for.
        setsockopt(socket.raw, Int32(IPPROTO_IPV6), IPV6_V6ONLY, &one, socklen_t(MemoryLayout<Int32>.size))
        var address = sockaddr_in6()
        address.sin6_family = sa_family_t(AF_INET6)
        address.sin6_port = port.bigEndian
        guard inet_pton(AF_INET6, host, &address.sin6_addr) == 1 else {
            throw RESTServerError(description: "\(wanted): '\(host)' is not an IPv6 address")
        }
        try bindAndListen(socket.raw, &address, wanted)
        return socket
    }

    /// Mode 0660. A socket file on which nobody answers is replaced; any other file is left and refused.
    private static func openUnix(_ path: String) throws -> FileDescriptor {
        let wanted = "unix:\(path)"
        guard var address = unixAddress(path) else {
            throw RESTServerError(description: "\(wanted): the path is too long for a Unix socket")
        }
        try removeStale(path, &address)
        let socket = try open(AF_UNIX, wanted)
        // The kernel gives the file the socket's own mode, so it is never open to more than these.
        fchmod(socket.raw, 0o660)
        try bindAndListen(socket.raw, &address, wanted)
        // The process's umask may have taken the group's bits away.
        chmod(path, 0o660)
        return socket
    }

    private static func removeStale(_ path: String, _ address: inout sockaddr_un) throws {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFSOCK else {
            throw RESTServerError(description: "unix:\(path): a file that is not a socket stands there")
        }
        let probe = try open(AF_UNIX, "unix:\(path)")
        let number = probe.raw
        let result = withRawAddress(&address) { connect(number, $0, $1) }
        let code = errno
        guard result != 0, code == ECONNREFUSED else {
            throw RESTServerError(
                description: "unix:\(path): another server "
                    + (result == 0 || code == EAGAIN ? "answers there" : "may be there: \(Errno(code))"))
        }
        unlink(path)
    }

    static func unixAddress(_ path: String) -> sockaddr_un? {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        guard bytes.count <= ListenAddress.maximumUnixPath else { return nil }
        // The rest of sun_path is zero from the initializer, so the text ends with a NUL.
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        return address
    }

    private static func bindAndListen<Address>(_ socket: Int32, _ address: inout Address, _ wanted: String) throws {
        var one: Int32 = 1
        setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<Int32>.size))
        guard withRawAddress(&address, { bind(socket, $0, $1) }) == 0 else {
            throw RESTServerError(description: "\(wanted): cannot listen there: \(Errno.last)")
        }
        guard listen(socket, SOMAXCONN) == 0 else {
            throw RESTServerError(description: "\(wanted): cannot listen: \(Errno.last)")
        }
    }

    /// Every `sockaddr_…` begins as `sockaddr` does, and the kernel is given its true size.
    private static func withRawAddress<Address, Result>(
        _ address: inout Address, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
    ) -> Result {
        withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<Address>.size))
            }
        }
    }

    /// The address a socket is bound to, as a client types it.
    private static func localAddress(_ socket: Int32) -> String? {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        // sockaddr_storage is large and aligned enough for each family's own type; the family says which it holds.
        return withUnsafeMutablePointer(to: &storage) { pointer in
            let raw = UnsafeMutableRawPointer(pointer)
            let generic = raw.assumingMemoryBound(to: sockaddr.self)
            guard getsockname(socket, generic, &length) == 0 else { return nil }
            var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
            func name() -> String {
                String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            }
            switch Int32(generic.pointee.sa_family) {
            case AF_INET:
                var address = raw.assumingMemoryBound(to: sockaddr_in.self).pointee
                inet_ntop(AF_INET, &address.sin_addr, &text, socklen_t(text.count))
                return "http://\(name()):\(UInt16(bigEndian: address.sin_port))"
            case AF_INET6:
                var address = raw.assumingMemoryBound(to: sockaddr_in6.self).pointee
                inet_ntop(AF_INET6, &address.sin6_addr, &text, socklen_t(text.count))
                return "http://[\(name())]:\(UInt16(bigEndian: address.sin6_port))"
            case AF_UNIX:
                let start = MemoryLayout<sockaddr_un>.offset(of: \.sun_path) ?? 2
                let bytes = UnsafeRawBufferPointer(start: raw, count: min(Int(length), MemoryLayout<sockaddr_un>.size))
                return "unix:" + String(decoding: bytes.dropFirst(start).prefix { $0 != 0 }, as: UTF8.self)
            default: return nil
            }
        }
    }
}
