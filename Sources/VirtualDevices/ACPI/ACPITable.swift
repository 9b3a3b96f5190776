/// An ACPI table under construction: the common header (ACPI 6.5, 5.2.6) and then a body.
struct ACPITable {
    static let oemID: [UInt8] = Array("HVROOT".utf8)
    static let headerSize = 36

    private var bytes: [UInt8]

    /// - Parameter signature: four characters.
    init(signature: String, revision: UInt8) {
        bytes = Array(signature.utf8) + littleEndianBytes(UInt32(0)) + [revision, 0] + Self.oemID
        bytes += Array("HVROOTVM".utf8) + littleEndianBytes(UInt32(1))
        bytes += Array("HVRT".utf8) + littleEndianBytes(UInt32(1))
    }

    mutating func append(_ more: [UInt8]) { bytes += more }

    mutating func append(_ value: some FixedWidthInteger) { bytes += littleEndianBytes(value) }

    /// Adds zeros up to `size` bytes in all.
    mutating func extend(to size: Int) {
        bytes += [UInt8](repeating: 0, count: max(0, size - bytes.count))
    }

    /// Writes a field at its offset in the table, which must be long enough.
    mutating func set(_ value: some FixedWidthInteger, at offset: Int) { set(littleEndianBytes(value), at: offset) }

    mutating func set(_ field: [UInt8], at offset: Int) {
        bytes.replaceSubrange(offset..<offset + field.count, with: field)
    }

    /// The table with its length and checksum.
    func finished() -> [UInt8] {
        var table = self
        table.set(UInt32(truncatingIfNeeded: bytes.count), at: 4)
        table.set(acpiChecksum(table.bytes), at: 9)
        return table.bytes
    }
}

/// What makes the sum of `bytes` and itself 0.
func acpiChecksum(_ bytes: some Sequence<UInt8>) -> UInt8 {
    0 &- bytes.reduce(0, &+)
}

func littleEndianBytes(_ value: some FixedWidthInteger) -> [UInt8] {
    withUnsafeBytes(of: value.littleEndian) { bytes in Array(bytes) }
}
