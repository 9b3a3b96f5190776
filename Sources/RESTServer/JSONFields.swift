import JSON
import ManagementService
import PartitionManager

/// The members of one JSON object of a request, typed on demand. A member that is not known is refused, and each
/// complaint names its place as a JSON pointer.
struct JSONFields {
    private let object: JSONObject
    private let pointer: String

    /// - Parameters:
    ///   - pointer: where `value` stands in the body; empty for the whole body.
    ///   - known: the names that may be there.
    ///   - readOnly: names that a client knows from answers and can't set.
    init(_ value: JSONValue, at pointer: String = "", known: [String], readOnly: [String] = []) throws {
        guard let object = value.object else {
            throw Self.wrongType(pointer, "an object", value)
        }
        self.object = object
        self.pointer = pointer
        for name in object.names where !known.contains(name) {
            let place = Self.place(pointer, name)
            let reason =
                readOnly.contains(name)
                ? "The field '\(place)' is set by the server and cannot be given."
                : "The field '\(place)' is not known."
            throw ServiceError(.unknownField, reason, field: place, expected: known.joined(separator: ", "))
        }
    }

    func has(_ name: String) -> Bool { object[name] != nil }
    func isNull(_ name: String) -> Bool { object[name]?.isNull ?? false }
    func pointer(to name: String) -> String { Self.place(pointer, name) }

    func string(_ name: String) throws -> String? {
        guard let value = object[name] else { return nil }
        guard let text = value.string else { throw Self.wrongType(pointer(to: name), "a string", value) }
        // Paths and command lines end at a NUL for the kernel; what comes after it would be lost in silence.
        guard !text.utf8.contains(0) else {
            throw ServiceError(
                .invalidArgument, "The field '\(pointer(to: name))' has a NUL character in it.",
                field: pointer(to: name), expected: "text without NUL")
        }
        return text
    }

    func wholeNumber(_ name: String) throws -> UInt64? {
        guard let value = object[name] else { return nil }
        guard let number = value.uint64 else {
            throw Self.wrongType(pointer(to: name), "a whole number, 0 or more", value)
        }
        return number
    }

    func number(_ name: String) throws -> Double? {
        guard let value = object[name] else { return nil }
        guard let number = value.double else { throw Self.wrongType(pointer(to: name), "a number", value) }
        return number
    }

    func flag(_ name: String) throws -> Bool? {
        guard let value = object[name] else { return nil }
        guard let flag = value.bool else { throw Self.wrongType(pointer(to: name), "true or false", value) }
        return flag
    }

    /// One of a closed list of words.
    func word<Word: RawRepresentable<String> & CaseIterable>(_ name: String) throws -> Word? {
        guard let text = try string(name) else { return nil }
        guard let word = Word(rawValue: text) else {
            let words = Word.allCases.map(\.rawValue).joined(separator: ", ")
            throw ServiceError(
                .invalidArgument, "The field '\(pointer(to: name))' is none of \(words).", field: pointer(to: name),
                expected: words)
        }
        return word
    }

    /// A whole number that fits an `Int`; larger ones are as wrong as any other that is out of range.
    func int(_ name: String) throws -> Int? {
        guard let number = try wholeNumber(name) else { return nil }
        guard let result = Int(exactly: number) else {
            throw ServiceError(
                .invalidArgument, "The field '\(pointer(to: name))' is \(number), which is too large.",
                field: pointer(to: name))
        }
        return result
    }

    func fields(_ name: String, known: [String], readOnly: [String] = []) throws -> JSONFields? {
        guard let value = object[name] else { return nil }
        return try JSONFields(value, at: pointer(to: name), known: known, readOnly: readOnly)
    }

    func value(_ name: String) -> JSONValue? { object[name] }

    func missing(_ name: String, _ expected: String) -> ServiceError {
        let place = pointer(to: name)
        return ServiceError(.invalidArgument, "The field '\(place)' is missing.", field: place, expected: expected)
    }

    static func wrongType(_ pointer: String, _ expected: String, _ value: JSONValue) -> ServiceError {
        let subject = pointer.isEmpty ? "The body" : "The field '\(pointer)'"
        return ServiceError(
            .invalidArgument, "\(subject) must be \(expected) and is \(description(of: value)).", field: pointer,
            expected: expected)
    }

    private static func description(of value: JSONValue) -> String {
        if case .integer(let number) = value, number < 0 { return "the negative number \(number)" }
        return value.kindName
    }

    /// A JSON pointer (RFC 6901) to a member.
    static func place(_ pointer: String, _ name: String) -> String {
        var escaped = ""
        for character in name {
            switch character {
            case "~": escaped += "~0"
            case "/": escaped += "~1"
            default: escaped.append(character)
            }
        }
        return "\(pointer)/\(escaped)"
    }
}
