extension [UInt8] {
    /// The little-endian integer at `offset`; 0 where the bytes end before it. Total, so that no file can trap here:
    /// a parser checks the length of what it reads once, first.
    func little<T: FixedWidthInteger>(_ offset: Int, _ type: T.Type = T.self) -> T {
        let size = MemoryLayout<T>.size
        guard offset >= 0, offset <= count, count - offset >= size else { return 0 }
        var value: T = 0
        for index in (0..<size).reversed() {
            value = value << 8 | T(truncatingIfNeeded: self[offset + index])
        }
        return value
    }

    /// Puts a little-endian integer at `offset`, which the caller has room for.
    mutating func put<T: FixedWidthInteger & BitwiseCopyable>(_ value: T, at offset: Int) {
        // Sound: storeBytes checks the bounds.
        withUnsafeMutableBytes { $0.storeBytes(of: value.littleEndian, toByteOffset: offset, as: T.self) }
    }

    /// Whether `bytes` stand at `offset`.
    func has(_ bytes: [UInt8], at offset: Int = 0) -> Bool {
        count >= offset && count - offset >= bytes.count && self[offset..<(offset + bytes.count)].elementsEqual(bytes)
    }

    func has(_ text: StaticString, at offset: Int = 0) -> Bool {
        text.withUTF8Buffer { has([UInt8]($0), at: offset) }
    }
}

/// As people read addresses: `0x1000000`.
func hex(_ value: UInt64) -> String { "0x" + String(value, radix: 16) }

/// As people read sizes: `68 MiB` where it is whole, else `1234 bytes`.
func size(_ bytes: UInt64) -> String {
    if bytes >= 1 << 20, bytes.isMultiple(of: 1 << 20) { return "\(bytes >> 20) MiB" }
    return "\(bytes) bytes"
}

/// `value` rounded up to a multiple of `alignment`, a power of two; nil where that overflows.
func roundedUp(_ value: UInt64, to alignment: UInt64) -> UInt64? {
    let (sum, overflow) = value.addingReportingOverflow(alignment - 1)
    return overflow ? nil : sum & ~(alignment - 1)
}
