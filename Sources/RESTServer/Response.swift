import JSON

/// An answer before it is handed to libmicrohttpd.
struct Response: Sendable {
    enum Body: Sendable {
        case bytes([UInt8])
        /// Server-sent events from a sequence on, until the client goes.
        case events(EventStream)
        /// The connection becomes a WebSocket; the status is 101.
        case webSocket(ConsoleAttachment)
    }

    var status: Int
    var contentType: String?
    var headers: [(name: String, value: String)] = []
    var body: Body

    init(status: Int, contentType: String? = nil, body: Body = .bytes([])) {
        self.status = status
        self.contentType = contentType
        self.body = body
    }

    /// Ends a JSON body, so that a shell's prompt does not stick to it.
    static let newline: [UInt8] = [0x0A]

    static func json(_ value: JSONValue, status: Int = 200) -> Response {
        Response(status: status, contentType: "application/json", body: .bytes(value.serialized() + newline))
    }

    static func text(_ text: String, contentType: String) -> Response {
        Response(status: 200, contentType: contentType, body: .bytes(Array(text.utf8)))
    }

    /// The same with one more header field.
    func with(_ name: String, _ value: String) -> Response {
        var copy = self
        copy.headers.append((name, value))
        return copy
    }
}
