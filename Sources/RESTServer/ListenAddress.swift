import Glibc

/// Where the server listens: `http://HOST:PORT` or `unix:PATH`.
package enum ListenAddress: Sendable, Equatable, CustomStringConvertible {
    /// A numeric IPv4 address. Port 0: the kernel chooses.
    case ipv4(String, port: UInt16)
    /// A numeric IPv6 address, without brackets.
    case ipv6(String, port: UInt16)
    /// An absolute path.
    case unix(String)

    /// Why a text is no address to listen on.
    package struct ParseError: Error, Sendable, Equatable, CustomStringConvertible {
        package let description: String
    }

    /// Bytes of a Unix socket's path that the kernel takes: `sun_path` without its final NUL.
    static let maximumUnixPath = 107

    /// Reads an address as `--listen` takes it.
    package init(_ text: String) throws(ParseError) {
        if text.hasPrefix("unix:") {
            self = .unix(try Self.unixPath(String(text.dropFirst(5)), of: text))
        } else if text.hasPrefix("http://") {
            self = try Self.network(String(text.dropFirst(7)), of: text)
        } else if text.hasPrefix("https://") {
            throw ParseError(
                description: "listen address '\(text)': TLS is not offered here; use http://HOST:PORT behind a proxy")
        } else {
            throw ParseError(description: "listen address '\(text)': expected http://HOST:PORT or unix:PATH")
        }
    }

    private static func unixPath(_ path: String, of text: String) throws(ParseError) -> String {
        guard path.hasPrefix("/") else {
            throw ParseError(description: "listen address '\(text)': the socket's path must begin with /")
        }
        guard path.utf8.count <= maximumUnixPath else {
            throw ParseError(
                description: "listen address '\(text)': the path has \(path.utf8.count) bytes, "
                    + "a Unix socket's path has at most \(maximumUnixPath)")
        }
        return path
    }

    private static func network(_ rest: String, of text: String) throws(ParseError) -> ListenAddress {
        var authority = rest
        if authority.hasSuffix("/") { authority.removeLast() }
        guard !authority.contains("/") else {
            throw ParseError(description: "listen address '\(text)': no path may follow the port")
        }
        guard let colon = authority.lastIndex(of: ":"), !authority.hasSuffix("]") else {
            throw ParseError(description: "listen address '\(text)': the port is missing, as in http://127.0.0.1:7480")
        }
        let digits = authority[authority.index(after: colon)...]
        guard !digits.isEmpty, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let port = UInt16(digits) else {
            throw ParseError(description: "listen address '\(text)': the port '\(digits)' is not within 0...65535")
        }
        let host = String(authority[..<colon])
        if host.hasPrefix("["), host.hasSuffix("]") {
            let address = String(host.dropFirst().dropLast())
            var parsed = in6_addr()
            guard inet_pton(AF_INET6, address, &parsed) == 1 else {
                throw ParseError(description: "listen address '\(text)': '\(address)' is not an IPv6 address")
            }
            return .ipv6(address, port: port)
        }
        if host.contains(":") {
            throw ParseError(description: "listen address '\(text)': an IPv6 address stands in brackets, as in [::1]")
        }
        if host == "localhost" { return .ipv4("127.0.0.1", port: port) }
        var parsed = in_addr()
        guard inet_pton(AF_INET, host, &parsed) == 1 else {
            throw ParseError(
                description: "listen address '\(text)': '\(host)' is not an IPv4 address, an IPv6 address in brackets "
                    + "or localhost; names are not looked up")
        }
        return .ipv4(host, port: port)
    }

    package var description: String {
        switch self {
        case .ipv4(let host, let port): "http://\(host):\(port)"
        case .ipv6(let host, let port): "http://[\(host)]:\(port)"
        case .unix(let path): "unix:\(path)"
        }
    }
}
