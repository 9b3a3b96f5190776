/// Sizes as the API writes them: a whole number of bytes, or digits with a binary suffix (`256MiB`).
enum ByteSize {
    static let expected = "a whole number of bytes, or a string such as 256MiB (B, KiB, MiB, GiB, TiB)"

    private static let suffixes: [(name: String, shift: UInt64)] = [
        ("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10), ("B", 0),
    ]

    /// Bytes; nil for any other text and for sizes over 2^64 - 1.
    static func parse(_ text: String) -> UInt64? {
        guard let suffix = suffixes.first(where: { text.hasSuffix($0.name) }) else { return nil }
        let digits = text.dropLast(suffix.name.count)
        guard !digits.isEmpty, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let count = UInt64(digits)
        else { return nil }
        let (bytes, overflow) = count.multipliedReportingOverflow(by: 1 << suffix.shift)
        return overflow ? nil : bytes
    }

    /// With the largest suffix of which it is a whole number.
    static func text(_ bytes: UInt64) -> String {
        for (name, shift) in suffixes where bytes >= 1 << shift && bytes & ((1 << shift) - 1) == 0 {
            return "\(bytes >> shift)\(name)"
        }
        return "\(bytes)B"
    }
}
