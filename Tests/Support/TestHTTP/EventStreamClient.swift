/// A client of server-sent events.
package final class EventStreamClient: @unchecked Sendable {
    // Unchecked: a test reads one stream from one place at a time.

    package struct Message: Sendable, Equatable {
        package var id: String?
        package var event: String?
        package var data: String?
        package var comment: String?
        package var retry: String?
    }

    private let connection: HTTPConnection
    /// The header of the answer.
    package let answer: HTTPAnswer
    private var pending: [UInt8] = []
    private var isChunked: Bool { answer.header("Transfer-Encoding")?.lowercased() == "chunked" }

    package init(_ address: String, _ path: String, headers: [(String, String)] = []) async throws {
        connection = try HTTPConnection(to: address)
        answer = try await connection.open("GET", path, headers: [("Accept", "text/event-stream")] + headers)
    }

    /// The next message, which may be a comment only; nil when the stream has ended.
    package func next() async throws -> Message? {
        try await offPool { [self] in try read() }
    }

    /// The next message with data.
    package func nextEvent() async throws -> Message? {
        while let message = try await next() { if message.data != nil { return message } }
        return nil
    }

    package func abort() { connection.abort() }

    private func read() throws -> Message? {
        var message = Message()
        while let line = try line() {
            if line.isEmpty { return message }
            let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            let value = parts.count > 1 ? String(parts[1].hasPrefix(" ") ? parts[1].dropFirst() : parts[1]) : ""
            switch parts[0] {
            case "id": message.id = value
            case "event": message.event = value
            case "data": message.data = (message.data.map { $0 + "\n" } ?? "") + value
            case "retry": message.retry = value
            case "": message.comment = value
            default: throw TestHTTPError("no field of an event stream: '\(line)'")
            }
        }
        return nil
    }

    private func line() throws -> String? {
        while true {
            if let end = pending.firstIndex(of: 0x0A) {
                let line = String(decoding: pending[..<end], as: UTF8.self)
                pending.removeFirst(end + 1)
                return line
            }
            if isChunked {
                guard let chunk = try connection.readChunk() else { return nil }
                pending += chunk
            } else {
                guard let byte = try connection.stream.next() else { return nil }
                pending.append(byte)
            }
        }
    }
}
