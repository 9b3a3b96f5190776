import ManagementService
import PartitionManager

/// `If-Match` and `If-None-Match` (RFC 9110, section 13.1).
struct EntityTags {
    enum Value {
        case any
        /// Tags without `W/` and quotes, with their weakness.
        case list([(tag: String, isWeak: Bool)])
    }

    /// The field's value; nil where it is absent.
    static func parse(_ headers: Headers, _ name: String) throws -> Value? {
        guard let text = headers[name] else { return nil }
        if trimmed(text) == "*" { return .any }
        let tags = try text.split(separator: ",").map { part in
            var tag = trimmed(part)
            let isWeak = tag.hasPrefix("W/")
            if isWeak { tag.removeFirst(2) }
            guard tag.utf8.count >= 2, tag.hasPrefix("\""), tag.hasSuffix("\"") else {
                throw Problem(
                    .malformedRequest, "The header field '\(name)' has the value '\(text)'; an entity tag is quoted.",
                    field: name, expected: "\"REVISION\" as in ETag, or *")
            }
            return (tag: String(tag.dropFirst().dropLast()), isWeak: isWeak)
        }
        return .list(tags)
    }

    /// The revision that a change is bound to; nil where the client did not bind it.
    ///
    /// - Parameter current: the resource's revision now; asked for only where the client named several.
    static func requiredRevision(_ headers: Headers, current: () throws -> UInt64) throws -> UInt64? {
        guard case .list(let tags) = try parse(headers, "if-match") else { return nil }
        // A weak tag never matches here.
        let revisions = tags.filter { !$0.isWeak }.compactMap { UInt64($0.tag) }
        if revisions.count == 1 { return revisions[0] }
        let now = try current()
        guard revisions.contains(now) else {
            throw ServiceError(
                .preconditionFailed, "The resource's revision is \(now), which 'If-Match' does not name.",
                expected: "\"\(now)\"")
        }
        return now
    }

    /// Whether the client has this revision already.
    static func isFresh(_ headers: Headers, revision: UInt64) throws -> Bool {
        switch try parse(headers, "if-none-match") {
        case nil: false
        case .any: true
        case .list(let tags): tags.contains { UInt64($0.tag) == revision }
        }
    }
}
