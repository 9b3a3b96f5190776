import JSON
import ManagementService
import PartitionManager

/// Reads a request's body as JSON.
enum JSONBody {
    /// The body's value.
    ///
    /// - Throws: `Problem` of kind `malformed-json` with the place, for text that is not JSON, is nested too deep, or
    ///   names a member twice (of which another reader could take the other value).
    static func parse(_ body: [UInt8], maximumDepth: Int) throws -> JSONValue {
        guard !body.isEmpty else {
            throw Problem(.malformedJSON, "The body is empty; expected a JSON object.", expected: "a JSON object")
        }
        let value: JSONValue
        do {
            value = try JSONValue.parse(body, maximumDepth: maximumDepth)
        } catch {
            throw Problem(
                .malformedJSON, "The body is not JSON: \(error).",
                expected: "one JSON value in UTF-8, at most \(maximumDepth) levels deep")
        }
        if let place = DuplicateMembers.first(in: body) {
            throw Problem(
                .malformedJSON, "The member '\(place)' stands twice in its object.", field: place,
                expected: "each member once")
        }
        return value
    }

    /// The body of a verb: nothing, or an object without members.
    static func requireEmpty(_ body: [UInt8], maximumDepth: Int) throws {
        guard !body.isEmpty else { return }
        guard let object = try parse(body, maximumDepth: maximumDepth).object else {
            throw ServiceError(.invalidArgument, "The body must be empty or an object.", field: "", expected: "{}")
        }
        if let name = object.names.first {
            let place = JSONFields.place("", name)
            throw ServiceError(
                .unknownField, "The field '\(place)' is not known.", field: place, expected: "an empty body or {}")
        }
    }
}

/// Finds a name that stands twice in one object, which json-c lets pass with the last value.
enum DuplicateMembers {
    /// A JSON pointer to the second of the two; nil where there is none.
    ///
    /// - Parameter text: JSON that a parser has accepted, so that this needs to know strings and brackets only.
    static func first(in text: [UInt8]) -> String? {
        struct Level {
            var isObject: Bool
            var pointer: String
            var names: Set<String> = []
            var expectsName: Bool
            var index = 0
            var current = ""
        }
        var levels: [Level] = []
        var position = 0
        func childPointer() -> String {
            guard let level = levels.last else { return "" }
            return level.isObject ? JSONFields.place(level.pointer, level.current) : "\(level.pointer)/\(level.index)"
        }
        while position < text.count {
            switch text[position] {
            case UInt8(ascii: "{"): levels.append(Level(isObject: true, pointer: childPointer(), expectsName: true))
            case UInt8(ascii: "["): levels.append(Level(isObject: false, pointer: childPointer(), expectsName: false))
            case UInt8(ascii: "}"), UInt8(ascii: "]"): _ = levels.popLast()
            case UInt8(ascii: ","):
                if var level = levels.popLast() {
                    level.expectsName = level.isObject
                    level.index += 1
                    levels.append(level)
                }
            case UInt8(ascii: "\""):
                let start = position
                position += 1
                while position < text.count, text[position] != UInt8(ascii: "\"") {
                    position += text[position] == UInt8(ascii: "\\") ? 2 : 1
                }
                guard var level = levels.last, level.isObject, level.expectsName else { break }
                let name = decoded(text[start...min(position, text.count - 1)])
                level.current = name
                level.expectsName = false
                let isNew = level.names.insert(name).inserted
                levels[levels.count - 1] = level
                if !isNew { return childPointer() }
            default: break
            }
            position += 1
        }
        return nil
    }

    /// The name between its quotes; the parser takes care of escapes where there are any.
    private static func decoded(_ quoted: ArraySlice<UInt8>) -> String {
        if quoted.contains(UInt8(ascii: "\\")), let text = (try? JSONValue.parse(Array(quoted)))?.string { return text }
        return String(decoding: quoted.dropFirst().dropLast(), as: UTF8.self)
    }
}
