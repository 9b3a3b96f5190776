import HypercallABI
import Testing

/// Checks a structure's size, each listed field's place, and that decoding gives back what was encoded: a field with all
/// bits set, in a value that is otherwise zero, must set just its bits.
///
/// - Parameter size: where the call's fixed part is shorter than the structure of the table.
func expectLayout<Value: HypercallStructure & Equatable>(
    _ name: String, _ zero: Value, size: Int? = nil,
    fields: ((_ change: (inout Value) -> Void) -> Value) -> [(String, Value)]
) throws {
    let layout = try Fixture.layout(name)
    #expect(Value.size == size ?? layout.size, "size of \(name)")
    let listed = fields { change in
        var value = zero
        change(&value)
        return value
    }
    let base = setBits(of: zero)
    for (field, value) in listed {
        let place = try fieldPlace(field, in: layout)
        #expect(setBits(of: value).subtracting(base) == Set(place), "\(name).\(field)")
        #expect(try decode(bytes(of: value)) == value, "\(name).\(field) decoded")
    }
}

/// A field's bits; `a[x..y]` is bytes of it, `a:x..y` bits of it.
private func fieldPlace(_ field: String, in layout: StructLayout) throws -> Range<Int> {
    let parts = field.split { "[:.]".contains($0) }.map(String.init)
    if field.hasSuffix("]") {
        let base = try layout.bits(of: parts[0]).lowerBound
        return (base + 8 * (Int(parts[1]) ?? 0))..<(base + 8 * (Int(parts[2]) ?? 0))
    }
    if field.contains(":") {
        let base = try layout.bits(of: parts[0]).lowerBound
        return (base + (Int(parts[1]) ?? 0))..<(base + (Int(parts[2]) ?? 0))
    }
    return try layout.bits(of: field)
}

func setBits(of value: some HypercallStructure) -> Set<Int> {
    var bits: Set<Int> = []
    for (index, byte) in bytes(of: value).enumerated() {
        for bit in 0..<8 where byte & 1 << bit != 0 { bits.insert(8 * index + bit) }
    }
    return bits
}

/// A byte of a structure that is otherwise zero must not have this value.
func expectRefused<Value: HypercallStructure>(_ type: Value.Type, _ offset: Int, _ value: UInt8 = 1) {
    var bytes = [UInt8](repeating: 0, count: Value.size)
    bytes[offset] = value
    #expect(throws: HypercallStatus.invalidParameter, "\(type) byte \(offset)") {
        let _: Value = try decode(bytes)
    }
}
