/// RFLAGS and what arithmetic does to them.
enum Flags {
    static let carry: UInt64 = 1 << 0
    static let parity: UInt64 = 1 << 2
    static let adjust: UInt64 = 1 << 4
    static let zero: UInt64 = 1 << 6
    static let sign: UInt64 = 1 << 7
    static let trap: UInt64 = 1 << 8
    static let direction: UInt64 = 1 << 10
    static let overflow: UInt64 = 1 << 11
    static let resume: UInt64 = 1 << 16
    static let virtual8086: UInt64 = 1 << 17

    /// The six that describe a result.
    static let status = carry | parity | adjust | zero | sign | overflow

    /// The flags that a result of `size` bytes alone decides.
    static func ofResult(_ result: UInt64, size: Int) -> UInt64 {
        var flags: UInt64 = 0
        if result & mask(size) == 0 { flags |= zero }
        if result & signBit(size) != 0 { flags |= sign }
        if (result & 0xFF).nonzeroBitCount % 2 == 0 { flags |= parity }
        return flags
    }

    /// All bits of a value of `size` bytes.
    static func mask(_ size: Int) -> UInt64 { size >= 8 ? .max : (1 << UInt64(size * 8)) - 1 }

    static func signBit(_ size: Int) -> UInt64 { 1 << UInt64(min(size, 8) * 8 - 1) }

    static func signExtend(_ value: UInt64, size: Int) -> UInt64 {
        let unused = UInt64(64 - min(size, 8) * 8)
        return UInt64(bitPattern: Int64(bitPattern: value << unused) >> Int64(unused))
    }
}

/// One of the sixteen conditions of SETcc and CMOVcc, in the order of their numbers.
struct Condition: Sendable {
    let number: UInt8

    func holds(_ rflags: UInt64) -> Bool {
        let signDiffers = (rflags & Flags.sign != 0) != (rflags & Flags.overflow != 0)
        let holds =
            switch number >> 1 {
            case 0: rflags & Flags.overflow != 0
            case 1: rflags & Flags.carry != 0
            case 2: rflags & Flags.zero != 0
            case 3: rflags & (Flags.carry | Flags.zero) != 0
            case 4: rflags & Flags.sign != 0
            case 5: rflags & Flags.parity != 0
            case 6: signDiffers
            default: signDiffers || rflags & Flags.zero != 0
            }
        // An odd number is the opposite of the even one before it.
        return holds != (number & 1 != 0)
    }
}
