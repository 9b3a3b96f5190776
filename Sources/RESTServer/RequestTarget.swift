/// A request's target, taken apart before anything is decoded: a `%2F` or `%3A` in an id is part of the id.
struct RequestTarget: Sendable, Equatable {
    /// The path as it came, for `instance` of a problem.
    var rawPath: String
    /// Decoded.
    var segments: [String]
    /// The word that follows the last `:` of the last segment; decoded. A digit begins no word: a PCI address is one id.
    var verb: String?
    var query: [(name: String, value: String)]

    static func == (left: RequestTarget, right: RequestTarget) -> Bool {
        left.rawPath == right.rawPath && left.segments == right.segments && left.verb == right.verb
            && left.query.elementsEqual(right.query, by: ==)
    }

    /// - Parameters:
    ///   - path: still escaped.
    ///   - parameters: still escaped, but for `+`, which libmicrohttpd has made a space.
    init(path: String, parameters: [(name: String, value: String)]) throws {
        guard path.hasPrefix("/") else {
            throw Problem(.malformedRequest, "The request's path must begin with '/'.")
        }
        rawPath = path
        var pieces = path.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
        if let last = pieces.last, let colon = last.lastIndex(of: ":"),
            last[last.index(after: colon)...].first?.isNumber != true
        {
            pieces[pieces.count - 1] = last[..<colon]
            verb = try Self.decoded(last[last.index(after: colon)...])
        }
        segments = try pieces.map { try Self.decoded($0) }
        query = try parameters.map { (try Self.decoded($0.name[...]), try Self.decoded($0.value[...])) }
    }

    /// Percent-decodes; the result must be UTF-8 without control characters.
    private static func decoded(_ text: Substring) throws -> String {
        var bytes: [UInt8] = []
        var iterator = text.utf8.makeIterator()
        while let byte = iterator.next() {
            switch byte {
            case UInt8(ascii: "%"):
                guard let high = iterator.next().flatMap(hexValue), let low = iterator.next().flatMap(hexValue) else {
                    throw Problem(
                        .malformedRequest, "The request's target has a '%' that two hexadecimal digits do not follow.")
                }
                bytes.append(high << 4 | low)
            default: bytes.append(byte)
            }
        }
        guard let result = String(validating: bytes, as: UTF8.self) else {
            throw Problem(.malformedRequest, "The request's target is not UTF-8 when its percent signs are decoded.")
        }
        guard !bytes.contains(where: { $0 < 0x20 || $0 == 0x7F }) else {
            throw Problem(.malformedRequest, "The request's target has a control character in it.")
        }
        return result
    }

    private static func hexValue(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x41...0x46: byte - 0x41 + 10
        case 0x61...0x66: byte - 0x61 + 10
        default: nil
        }
    }
}
