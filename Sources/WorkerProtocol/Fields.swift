import JSON

/// A message or file between the server and its workers does not say what it must.
package struct MessageError: Error, Equatable, Sendable, CustomStringConvertible {
    package var description: String
    package init(_ description: String) { self.description = description }
}

/// The members of a JSON object with the types that they must have.
struct Fields {
    private let json: JSONValue

    init(_ json: JSONValue) { self.json = json }

    func string(_ name: String) throws(MessageError) -> String {
        guard let value = json[name]?.string else { throw wrong(name, "a string") }
        return value
    }

    func uint64(_ name: String) throws(MessageError) -> UInt64 {
        guard let value = json[name]?.uint64 else { throw wrong(name, "a whole number that is not negative") }
        return value
    }

    func bool(_ name: String) throws(MessageError) -> Bool {
        guard let value = json[name]?.bool else { throw wrong(name, "a boolean") }
        return value
    }

    func optionalString(_ name: String) throws(MessageError) -> String? {
        isAbsent(name) ? nil : try string(name)
    }

    func optionalUInt64(_ name: String) throws(MessageError) -> UInt64? {
        isAbsent(name) ? nil : try uint64(name)
    }

    private func isAbsent(_ name: String) -> Bool { json[name]?.isNull ?? true }

    private func wrong(_ name: String, _ right: String) -> MessageError {
        MessageError("\(name): must be \(right), not \(json[name]?.kindName ?? "missing")")
    }
}
