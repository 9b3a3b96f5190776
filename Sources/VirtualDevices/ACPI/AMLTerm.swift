/// A piece of ACPI machine language (ACPI 6.5, 20.2): the few operators that the machine's tables need.
struct AMLTerm: Equatable {
    let bytes: [UInt8]

    private init(_ bytes: [UInt8]) { self.bytes = bytes }

    // MARK: Data

    /// The shortest encoding of a constant.
    static func integer(_ value: UInt64) -> AMLTerm {
        switch value {
        case 0: AMLTerm([0x00])
        case 1: AMLTerm([0x01])
        case ...0xFF: AMLTerm([0x0A, UInt8(truncatingIfNeeded: value)])
        case ...0xFFFF: AMLTerm([0x0B] + littleEndianBytes(UInt16(truncatingIfNeeded: value)))
        case ...0xFFFF_FFFF: AMLTerm([0x0C] + littleEndianBytes(UInt32(truncatingIfNeeded: value)))
        default: AMLTerm([0x0E] + littleEndianBytes(value))
        }
    }

    /// ASCII without NUL.
    static func string(_ text: String) -> AMLTerm { AMLTerm([0x0D] + text.utf8.filter { byte in byte != 0 } + [0]) }

    static func buffer(_ contents: [UInt8]) -> AMLTerm {
        AMLTerm([0x11] + withLength(integer(UInt64(contents.count)).bytes + contents))
    }

    /// At most 255 elements.
    static func package(_ elements: [AMLTerm]) -> AMLTerm {
        AMLTerm([0x12] + withLength([UInt8(truncatingIfNeeded: elements.count)] + joined(elements)))
    }

    /// A compressed identifier such as `PNP0501`: three capital letters and four hexadecimal digits.
    static func eisaID(_ text: String) -> AMLTerm {
        let characters = Array(text.utf8)
        assert(characters.count == 7, "an EISA identifier has seven characters: \(text)")
        var value: UInt32 = 0
        for letter in characters.prefix(3) { value = value << 5 | UInt32(letter & 0x1F) }
        for digit in characters.dropFirst(3).prefix(4) {
            value = value << 4 | UInt32(digit > UInt8(ascii: "9") ? (digit & 0x0F) + 9 : digit & 0x0F)
        }
        // The identifier is big-endian in a little-endian integer.
        return AMLTerm([0x0C] + littleEndianBytes(value.byteSwapped))
    }

    // MARK: Named objects

    static func name(_ name: AMLName, _ value: AMLTerm) -> AMLTerm { AMLTerm([0x08] + name.bytes + value.bytes) }

    static func scope(_ name: AMLName, _ contents: [AMLTerm]) -> AMLTerm {
        AMLTerm([0x10] + withLength(name.bytes + joined(contents)))
    }

    static func device(_ name: AMLName, _ contents: [AMLTerm]) -> AMLTerm {
        AMLTerm([0x5B, 0x82] + withLength(name.bytes + joined(contents)))
    }

    /// - Parameter arguments: 0...7.
    static func method(_ name: AMLName, arguments: UInt8, serialized: Bool, _ body: [AMLTerm]) -> AMLTerm {
        AMLTerm([0x14] + withLength(name.bytes + [arguments & 7 | (serialized ? 8 : 0)] + joined(body)))
    }

    /// Ports as an operation region.
    static func ioRegion(_ name: AMLName, port: UInt16, count: UInt16) -> AMLTerm {
        AMLTerm([0x5B, 0x80] + name.bytes + [0x01] + integer(UInt64(port)).bytes + integer(UInt64(count)).bytes)
    }

    /// The width of accesses to a region's fields.
    enum FieldAccess: UInt8 {
        case byte = 1
        case doubleWord = 3
    }

    /// Fields of a region from its start, accessed in one width without lock; unwritten bits are written as zeros.
    static func field(of region: AMLName, _ access: FieldAccess, _ fields: [(name: AMLName, bits: Int)]) -> AMLTerm {
        let writeAsZeros: UInt8 = 0x40
        let list = fields.flatMap { field in field.name.bytes + packageLength(field.bits) }
        return AMLTerm([0x5B, 0x81] + withLength(region.bytes + [writeAsZeros | access.rawValue] + list))
    }

    // MARK: Statements and expressions

    /// The method's first two local variables.
    static let local0 = AMLTerm([0x60])
    static let local1 = AMLTerm([0x61])

    /// Calls a method that has no arguments.
    static func call(_ method: AMLName) -> AMLTerm { AMLTerm(method.bytes) }

    static func reference(_ name: AMLName) -> AMLTerm { AMLTerm(name.bytes) }

    static func store(_ source: AMLTerm, in target: AMLTerm) -> AMLTerm {
        AMLTerm([0x70] + source.bytes + target.bytes)
    }

    /// Bitwise, as an expression without a target.
    static func and(_ left: AMLTerm, _ right: AMLTerm) -> AMLTerm {
        AMLTerm([0x7B] + left.bytes + right.bytes + [0x00])
    }

    static func `if`(_ condition: AMLTerm, _ body: [AMLTerm]) -> AMLTerm {
        AMLTerm([0xA0] + withLength(condition.bytes + joined(body)))
    }

    /// Ends the method with this value.
    static func `return`(_ value: AMLTerm) -> AMLTerm { AMLTerm([0xA4] + value.bytes) }

    static func notify(_ object: AMLName, _ value: UInt64) -> AMLTerm {
        AMLTerm([0x86] + object.bytes + integer(value).bytes)
    }

    // MARK: Lengths

    /// `contents` behind their length, which counts itself. At most 2^28 - 1 bytes in all.
    static func withLength(_ contents: [UInt8]) -> [UInt8] {
        for own in 1...4 {
            let length = packageLength(contents.count + own)
            if length.count == own { return length + contents }
        }
        return packageLength(contents.count + 4) + contents
    }

    /// PkgLength of exactly this number: 0 to 3 further bytes, told by the two high bits of the first.
    static func packageLength(_ value: Int) -> [UInt8] {
        guard value > 0x3F else { return [UInt8(truncatingIfNeeded: value)] }
        var bytes: [UInt8] = []
        var rest = value >> 4
        while rest > 0, bytes.count < 3 {
            bytes.append(UInt8(truncatingIfNeeded: rest))
            rest >>= 8
        }
        return [UInt8(bytes.count) << 6 | UInt8(value & 0x0F)] + bytes
    }

    private static func joined(_ terms: [AMLTerm]) -> [UInt8] { terms.flatMap(\.bytes) }
}
