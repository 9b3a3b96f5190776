import CMicroHTTPD

/// A request as a handler sees it.
struct Request: Sendable {
    var method: String
    var target: RequestTarget
    var headers: Headers
    var body: [UInt8]
    /// What `{id}` of the route's template stands for; empty where the template has none.
    var id: String
    /// The same of the template's other name, such as `{diskId}`.
    var item = ""

    /// The query, held to the names the route declares.
    var query: Query
}

/// A request's header fields, with their names in lower case, or its query parameters as they came.
struct Headers: Sendable {
    private(set) var fields: [(name: String, value: String)] = []
    /// Bytes of names, values and what stands between them.
    private(set) var size = 0

    /// All fields of one kind of a libmicrohttpd connection, in their order.
    init(of connection: OpaquePointer, _ kind: MHD_ValueKind) {
        // The iterator runs before this call returns, so the pointer to `self` is good for as long as it is used.
        withUnsafeMutablePointer(to: &self) { pointer in
            _ = MHD_get_connection_values(
                connection, kind,
                { context, kind, name, value in
                    guard let context, let name else { return .YES }
                    context.assumingMemoryBound(to: Headers.self).pointee.append(
                        String(cString: name), value.map { String(cString: $0) } ?? "", ofHeader: kind == .HEADER_KIND)
                    return .YES
                }, pointer)
        }
    }

    private mutating func append(_ name: String, _ value: String, ofHeader: Bool) {
        size += name.utf8.count + value.utf8.count + 4
        fields.append((ofHeader ? name.lowercased() : name, value))
    }

    /// The field's value; nil where it is absent. `name` is in lower case.
    subscript(name: String) -> String? { fields.first { $0.name == name }?.value }

    /// All members of a field that is a list of comma-separated words, in lower case.
    func words(_ name: String) -> [String] {
        fields.filter { $0.name == name }.flatMap { field in
            field.value.split(separator: ",").map { trimmed($0).lowercased() }
        }
    }
}

/// Without spaces and tabs at its ends.
func trimmed(_ text: some StringProtocol) -> String {
    let isBlank: (Character) -> Bool = { $0 == " " || $0 == "\t" }
    guard let first = text.firstIndex(where: { !isBlank($0) }), let last = text.lastIndex(where: { !isBlank($0) })
    else { return "" }
    return String(text[first...last])
}

/// Query parameters, typed on demand. A parameter that the route does not declare is refused.
struct Query: Sendable {
    private let items: [(name: String, value: String)]

    init(_ items: [(name: String, value: String)], allowed: [String]) throws {
        for item in items where !allowed.contains(item.name) {
            throw Problem(
                .invalidParameter, "The query parameter '\(item.name)' is not known here.", field: item.name,
                expected: allowed.isEmpty ? "no query parameters" : allowed.joined(separator: ", "))
        }
        self.items = items
    }

    func all(_ name: String) -> [String] { items.filter { $0.name == name }.map(\.value) }

    func one(_ name: String) throws -> String? {
        let values = all(name)
        guard values.count <= 1 else {
            throw Problem(.invalidParameter, "The query parameter '\(name)' is given more than once.", field: name)
        }
        return values.first
    }

    func bool(_ name: String) throws -> Bool? {
        switch try one(name) {
        case nil: return nil
        case "true": return true
        case "false": return false
        case .some(let text): throw wrong(name, text, "true or false")
        }
    }

    func integer(_ name: String, in range: ClosedRange<Int64>, said: String) throws -> Int64? {
        guard let text = try one(name) else { return nil }
        // Int64(_:) also takes a leading plus sign, which nobody means.
        guard !text.hasPrefix("+"), let value = Int64(text), range.contains(value) else {
            throw wrong(name, text, said)
        }
        return value
    }

    func unsigned(_ name: String) throws -> UInt64? {
        guard let text = try one(name) else { return nil }
        guard !text.hasPrefix("+"), let value = UInt64(text) else {
            throw wrong(name, text, "a whole number, 0 or more")
        }
        return value
    }

    /// Seconds, as a decimal number.
    func seconds(_ name: String, upTo limit: Double) throws -> Double? {
        guard let text = try one(name) else { return nil }
        let isPlain = text.utf8.allSatisfy { (0x30...0x39).contains($0) || $0 == UInt8(ascii: ".") }
        guard isPlain, let value = Double(text), (0...limit).contains(value) else {
            throw wrong(name, text, "seconds within 0...\(Int(limit))")
        }
        return value
    }

    private func wrong(_ name: String, _ text: String, _ expected: String) -> Problem {
        Problem(
            .invalidParameter, "The query parameter '\(name)' has the value '\(text)'; expected \(expected).",
            field: name, expected: expected)
    }
}
