import CJSON

/// Why a text is not JSON.
package struct JSONError: Error, Equatable, Sendable, CustomStringConvertible {
    /// Where the reader stopped, in bytes from the start of the text.
    package let offset: Int
    package let reason: String
    package var description: String { "\(reason), at byte \(offset)" }
}

extension JSONValue {
    /// Reads one JSON value that is all of `text` but for white space around it.
    ///
    /// - Parameters:
    ///   - text: UTF-8; anything else is refused.
    ///   - maximumDepth: of arrays and objects in one another.
    /// - Throws: `JSONError` with the place where the text stops being JSON.
    package static func parse(_ text: [UInt8], maximumDepth: Int = 32) throws(JSONError) -> JSONValue {
        guard let tokener = json_tokener_new_ex(Int32(maximumDepth)) else {
            throw JSONError(offset: 0, reason: "no memory for a JSON reader")
        }
        defer { json_tokener_free(tokener) }
        json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8)
        guard text.count < Int(Int32.max) else { throw JSONError(offset: 0, reason: "the text is over 2 GiB") }
        // A NUL ends json-c's text, so one that the client sent is found before it can hide what follows.
        if let nul = text.firstIndex(of: 0) { throw JSONError(offset: nul, reason: "a NUL byte") }
        let root = (text + [0]).withUnsafeBytes { bytes in
            json_tokener_parse_ex(
                tokener, bytes.bindMemory(to: CChar.self).baseAddress, Int32(text.count + 1))
        }
        let status = json_tokener_get_error(tokener)
        let end = Int(json_tokener_get_parse_end(tokener))
        guard status == json_tokener_success else {
            let reason =
                status == json_tokener_continue
                ? "the text ends inside a value" : String(cString: json_tokener_error_desc(status))
            throw JSONError(offset: min(end, text.count), reason: reason)
        }
        defer { json_object_put(root) }
        return JSONValue(copying: root)
    }

    /// Copies json-c's tree; null pointers are JSON's null.
    private init(copying node: OpaquePointer?) {
        guard let node else {
            self = .null
            return
        }
        switch json_object_get_type(node) {
        case json_type_boolean: self = .bool(json_object_get_boolean(node) != 0)
        case json_type_int:
            let signed = json_object_get_int64(node)
            let unsigned = json_object_get_uint64(node)
            self = signed == Int64.max && unsigned > UInt64(Int64.max) ? .unsigned(unsigned) : .integer(signed)
        case json_type_double: self = .number(json_object_get_double(node))
        case json_type_string:
            let count = Int(json_object_get_string_len(node))
            let bytes = UnsafeRawBufferPointer(start: json_object_get_string(node), count: count)
            self = .string(String(decoding: bytes, as: UTF8.self))
        case json_type_array:
            self = .array(
                (0..<json_object_array_length(node)).map { JSONValue(copying: json_object_array_get_idx(node, $0)) })
        case json_type_object:
            var object = JSONObject()
            var iterator = json_object_iter_begin(node)
            var end = json_object_iter_end(node)
            while json_object_iter_equal(&iterator, &end) == 0 {
                let name = String(cString: json_object_iter_peek_name(&iterator))
                object[name] = JSONValue(copying: json_object_iter_peek_value(&iterator))
                json_object_iter_next(&iterator)
            }
            self = .object(object)
        default: self = .null
        }
    }

    /// The value as compact JSON in UTF-8.
    package func serialized() -> [UInt8] {
        let node = makeNode()
        defer { json_object_put(node) }
        var count = 0
        guard
            let text = json_object_to_json_string_length(
                node, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &count)
        else { return Array("null".utf8) }
        return Array(UnsafeRawBufferPointer(start: text, count: count))
    }

    /// A json-c tree of the value, owned by the caller; nil is JSON's null.
    private func makeNode() -> OpaquePointer? {
        switch self {
        case .null: return nil
        case .bool(let value): return json_object_new_boolean(value ? 1 : 0)
        case .integer(let value): return json_object_new_int64(value)
        case .unsigned(let value): return json_object_new_uint64(value)
        case .number(let value):
            // Swift's text is the shortest that reads back as the same number; json-c's own has 17 digits.
            return value.isFinite ? json_object_new_double_s(value, "\(value)") : nil
        case .string(let value):
            var text = value
            return text.withUTF8 { bytes in
                bytes.withMemoryRebound(to: CChar.self) { json_object_new_string_len($0.baseAddress, Int32($0.count)) }
            }
        case .array(let values):
            let node = json_object_new_array()
            for value in values { json_object_array_add(node, value.makeNode()) }
            return node
        case .object(let object):
            let node = json_object_new_object()
            // json-c copies the name.
            for member in object.members { json_object_object_add(node, member.name, member.value.makeNode()) }
            return node
        }
    }
}
