/// A client of one WebSocket (RFC 6455), as small as a test needs it: whole messages, no extensions.
package final class WebSocketClient: Sendable {
    package struct Frame: Sendable, Equatable {
        package var opcode: UInt8
        package var payload: [UInt8]
        package var text: String { String(decoding: payload, as: UTF8.self) }
        /// Of a close frame.
        package var closeCode: Int? {
            opcode == 8 && payload.count >= 2 ? Int(payload[0]) << 8 | Int(payload[1]) : nil
        }
    }

    package static let text: UInt8 = 1
    package static let binary: UInt8 = 2
    package static let close: UInt8 = 8
    package static let ping: UInt8 = 9
    package static let pong: UInt8 = 10

    private let connection: HTTPConnection
    /// The answer to the handshake.
    package let answer: HTTPAnswer

    /// - Throws: `TestHTTPError` when the server does not answer 101.
    package init(_ address: String, _ path: String, headers: [(String, String)] = []) async throws {
        connection = try HTTPConnection(to: address)
        answer = try await connection.open(
            "GET", path,
            headers: [
                ("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"),
                ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ] + headers)
        guard answer.status == 101 else { throw TestHTTPError("no WebSocket: status \(answer.status)") }
    }

    /// Sends one frame, masked as a client must.
    package func send(_ opcode: UInt8, _ payload: [UInt8], isFinal: Bool = true) async throws {
        var bytes: [UInt8] = [opcode | (isFinal ? 0x80 : 0)]
        switch payload.count {
        case 0..<126: bytes.append(0x80 | UInt8(payload.count))
        case 126..<65536: bytes += [0x80 | 126, UInt8(payload.count >> 8), UInt8(payload.count & 255)]
        default: bytes += [0x80 | 127] + (0..<8).map { UInt8(truncatingIfNeeded: payload.count >> (56 - 8 * $0)) }
        }
        let mask: [UInt8] = [0x12, 0x34, 0x56, 0x78]
        bytes += mask
        bytes += payload.enumerated().map { $0.element ^ mask[$0.offset % 4] }
        try await connection.send(bytes)
    }

    /// Sends bytes as they are.
    package func sendRaw(_ bytes: [UInt8]) async throws { try await connection.send(bytes) }

    /// The next frame; nil when the server has closed the connection.
    package func receive() async throws -> Frame? {
        try await offPool { [stream = connection.stream] in
            guard let first = try stream.next() else { return nil }
            let second = try stream.read(1)[0]
            guard second & 0x80 == 0 else { throw TestHTTPError("a server must not mask its frames") }
            var count = Int(second & 127)
            if count >= 126 {
                count = try stream.read(count == 126 ? 2 : 8).reduce(0) { $0 << 8 | Int($1) }
            }
            return Frame(opcode: first & 15, payload: try stream.read(count))
        }
    }

    /// Reads data frames until what they hold together ends with `text`; all of it.
    package func receive(until text: String) async throws -> String {
        var all: [UInt8] = []
        while true {
            guard let frame = try await receive() else { throw TestHTTPError("closed before '\(text)' came") }
            guard frame.opcode != Self.close else { throw TestHTTPError("close frame before '\(text)' came") }
            if frame.opcode <= 2 { all += frame.payload }
            let soFar = String(decoding: all, as: UTF8.self)
            if soFar.hasSuffix(text) { return soFar }
        }
    }

    package func abort() { connection.abort() }
}
