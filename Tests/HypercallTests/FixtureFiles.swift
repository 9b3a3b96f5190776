import Glibc
import JSON
import LinuxSystem
import Synchronization

/// The tables in `Fixtures/`, found beside this file.
enum Fixture {
    /// The table of layouts is long, and asked for each structure.
    private static let parsed = Mutex<[String: JSONObject]>([:])

    static func text(_ name: String, here: String = #filePath) throws -> [UInt8] {
        let folder = here.split(separator: "/").dropLast().joined(separator: "/")
        let file = try FileDescriptor(opening: "/\(folder)/Fixtures/\(name)", O_RDONLY)
        return try file.read(count: Int(file.size()))
    }

    /// The rows of a CSV file without quoted fields, each by column name.
    static func rows(_ name: String) throws -> [[String: String]] {
        let lines = String(decoding: try text(name), as: UTF8.self).split(separator: "\n")
        guard let head = lines.first else { return [] }
        let columns = head.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        return lines.dropFirst().map { line in
            let fields = line.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
            return Dictionary(uniqueKeysWithValues: zip(columns, fields))
        }
    }

    /// Name and number of each row.
    static func numbers(_ name: String, column: String = "value") throws -> [(name: String, value: UInt64)] {
        try rows(name).compactMap { row in
            guard let text = row[column], let name = row["name"] else { return nil }
            let value = text.hasPrefix("0x") ? UInt64(text.dropFirst(2), radix: 16) : UInt64(text)
            return value.map { (name, $0) }
        }
    }

    static func json(_ name: String) throws -> JSONObject {
        try parsed.withLock { parsed in
            if let object = parsed[name] { return object }
            guard case .object(let object) = try JSONValue.parse(text(name)) else { return JSONObject() }
            parsed[name] = object
            return object
        }
    }

    /// A structure's size and fields.
    static func layout(_ name: String, in file: String = "structs.json") throws -> StructLayout {
        let structs = try json(file)
        guard case .object(let entry)? = structs[name], case .integer(let size)? = entry["size"],
            case .array(let fields)? = entry["fields"]
        else { throw FixtureError(name) }
        return StructLayout(
            name: name, size: Int(size),
            fields: fields.compactMap { field in
                guard case .object(let field) = field, case .string(let name)? = field["name"],
                    case .integer(let offset)? = field["offset"]
                else { return nil }
                return StructLayout.Field(
                    name: name, offset: Int(offset), size: field.int("size"), bitOffset: field.int("bit_offset"),
                    bitWidth: field.int("bit_width"))
            })
    }
}

extension JSONObject {
    fileprivate func int(_ name: String) -> Int? {
        if case .integer(let value)? = self[name] { Int(value) } else { nil }
    }
}

struct FixtureError: Error {
    let name: String
    init(_ name: String) { self.name = name }
}

struct StructLayout {
    struct Field {
        var name: String
        var offset: Int
        var size: Int?
        var bitOffset: Int?
        var bitWidth: Int?
    }
    var name: String
    var size: Int
    var fields: [Field]

    /// The bits of a field as positions from the structure's start.
    func bits(of field: String) throws -> Range<Int> {
        guard let field = fields.first(where: { $0.name == field }) else { throw FixtureError("\(name).\(field)") }
        if let start = field.bitOffset, let width = field.bitWidth { return start..<(start + width) }
        guard let size = field.size else { throw FixtureError("\(name).\(field.name)") }
        return (8 * field.offset)..<(8 * (field.offset + size))
    }
}
