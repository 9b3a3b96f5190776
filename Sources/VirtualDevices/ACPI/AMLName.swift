/// A name in the ACPI namespace (ACPI 6.5, 20.2.2), made from this program's own text, never from foreign input.
///
/// Segments are separated by dots and padded with underscores to four characters; a leading backslash means the root.
struct AMLName: Equatable, ExpressibleByStringLiteral {
    let bytes: [UInt8]

    init(_ text: String) {
        let root = UInt8(ascii: "\\")
        let isRooted = text.utf8.first == root
        let segments = text.utf8.drop { byte in byte == root }.split(separator: UInt8(ascii: "."))
        var bytes: [UInt8] = isRooted ? [root] : []
        switch segments.count {
        case 0: bytes.append(0x00)
        case 1: break
        case 2: bytes.append(0x2E)
        default: bytes += [0x2F, UInt8(truncatingIfNeeded: segments.count)]
        }
        for segment in segments {
            assert(segment.count <= 4, "an AML name segment has at most four characters: \(text)")
            bytes += segment.prefix(4)
            bytes += [UInt8](repeating: UInt8(ascii: "_"), count: max(0, 4 - segment.count))
        }
        self.bytes = bytes
    }

    init(stringLiteral text: String) { self.init(text) }
}
