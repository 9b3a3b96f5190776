import JSON

/// An answer to a request.
package struct HTTPAnswer: Sendable {
    package var status: Int
    package var headers: [(name: String, value: String)]
    package var body: [UInt8]

    package func header(_ name: String) -> String? {
        headers.first { $0.name.lowercased() == name.lowercased() }?.value
    }
    package var text: String { String(decoding: body, as: UTF8.self) }
    package func json() throws -> JSONValue { try JSONValue.parse(body) }
}

/// One connection to a server, kept alive over requests. A small client for tests: it says exactly the bytes it is told
/// to and hides nothing of what comes back.
package final class HTTPConnection: Sendable {
    let stream: ByteStream
    private let host: String

    /// - Parameters:
    ///   - address: `http://IPV4:PORT` or `unix:PATH`, as the server reports it.
    ///   - timeout: seconds to wait for a byte. Long: other tests that run guests may keep Swift's few threads, and so
    ///     the server's handlers, busy for half a minute on a loaded machine.
    package init(to address: String, timeout: Double = 120) throws {
        stream = try ByteStream(to: address, timeout: timeout)
        host = address.hasPrefix("http://") ? String(address.dropFirst(7)) : "localhost"
    }

    /// Sends a request and reads its whole answer.
    package func request(
        _ method: String, _ path: String, headers: [(String, String)] = [], body: [UInt8]? = nil
    ) async throws -> HTTPAnswer {
        try await offPool { [self] in
            try stream.write(head(method, path, headers, body) + (body ?? []))
            return try readAnswer(to: method)
        }
    }

    /// The same with a JSON text as its body.
    package func request(
        _ method: String, _ path: String, headers: [(String, String)] = [], json: String
    ) async throws -> HTTPAnswer {
        try await request(
            method, path, headers: [("Content-Type", "application/json")] + headers, body: Array(json.utf8))
    }

    /// Sends bytes as they are.
    package func send(_ bytes: [UInt8]) async throws { try await offPool { [stream] in try stream.write(bytes) } }

    /// Reads one answer, to a request that `send` sent.
    package func answer(to method: String = "GET") async throws -> HTTPAnswer {
        try await offPool { [self] in try readAnswer(to: method) }
    }

    /// Sends a request and reads the answer's header only; its body is still to come.
    package func open(
        _ method: String, _ path: String, headers: [(String, String)] = []
    ) async throws -> HTTPAnswer {
        try await offPool { [self] in
            try stream.write(head(method, path, headers, nil))
            return try readHead()
        }
    }

    /// What is left until the server closes.
    package func readToEnd() async throws -> [UInt8] { try await offPool { [stream] in try stream.readToEnd() } }

    /// Goes away, as a client that is killed.
    package func abort() { stream.abort() }
    package func finishWriting() { stream.finishWriting() }

    private func head(
        _ method: String, _ path: String, _ headers: [(String, String)], _ body: [UInt8]?
    ) -> [UInt8] {
        var text = "\(method) \(path) HTTP/1.1\r\n"
        if !headers.contains(where: { $0.0.lowercased() == "host" }) { text += "Host: \(host)\r\n" }
        if let body, !headers.contains(where: { $0.0.lowercased() == "content-length" }) {
            text += "Content-Length: \(body.count)\r\n"
        }
        for (name, value) in headers { text += "\(name): \(value)\r\n" }
        return Array((text + "\r\n").utf8)
    }

    private func readHead() throws -> HTTPAnswer {
        while true {
            guard let line = try stream.line() else { throw TestHTTPError("the server closed without an answer") }
            let parts = line.split(separator: " ")
            guard parts.count >= 2, parts[0].hasPrefix("HTTP/1."), let status = Int(parts[1]) else {
                throw TestHTTPError("no status line: '\(line)'")
            }
            var headers: [(name: String, value: String)] = []
            while let line = try stream.line(), !line.isEmpty {
                guard let colon = line.firstIndex(of: ":") else { throw TestHTTPError("no header field: '\(line)'") }
                let value = line[line.index(after: colon)...].drop { $0 == " " }
                headers.append((String(line[..<colon]), String(value)))
            }
            if status != 100 { return HTTPAnswer(status: status, headers: headers, body: []) }
        }
    }

    private func readAnswer(to method: String) throws -> HTTPAnswer {
        var answer = try readHead()
        if method == "HEAD" || answer.status == 204 || answer.status == 304 || answer.status == 101 { return answer }
        if answer.header("Transfer-Encoding")?.lowercased() == "chunked" {
            while let chunk = try readChunk() { answer.body += chunk }
        } else if let length = answer.header("Content-Length").flatMap({ Int($0) }) {
            answer.body = try stream.read(length)
        } else {
            answer.body = try stream.readToEnd()
        }
        return answer
    }

    /// The next chunk of a chunked body; nil after the last.
    func readChunk() throws -> [UInt8]? {
        guard let line = try stream.line() else { return nil }
        guard let count = Int(line.prefix { $0 != ";" }, radix: 16) else { throw TestHTTPError("no chunk: '\(line)'") }
        let bytes = try stream.read(count)
        _ = try stream.line()
        return count == 0 ? nil : bytes
    }
}

/// One request on a connection of its own.
package func httpRequest(
    _ address: String, _ method: String, _ path: String, headers: [(String, String)] = [], body: [UInt8]? = nil
) async throws -> HTTPAnswer {
    let connection = try HTTPConnection(to: address)
    return try await connection.request(method, path, headers: headers, body: body)
}
