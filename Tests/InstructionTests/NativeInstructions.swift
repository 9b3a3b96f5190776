import InstructionEmulator

/// A kind of instruction with an operand in memory at RDI (or strings at RSI and RDI), to be encoded at random.
struct NativeInstruction {
    /// What follows the operands.
    enum Immediate { case none, byte, whole }

    /// How the flags that it leaves undefined are found.
    enum Undefined {
        case fixed(UInt64)
        case shift(Count, digit: UInt8)
    }

    /// Where a shift has its count.
    enum Count { case one, immediate, cl }

    struct Encoding {
        var bytes: [UInt8]
        /// Of the operation, in bytes.
        var size: Int
    }

    var name: String
    var opcode: [UInt8]
    /// Of 1, 2, 4 and 8. Where 1 is among others, the larger ones have the lowest bit of the opcode set.
    var sizes: [Int]
    /// The middle field of ModRM, or nil for any register.
    var digit: UInt8?
    var immediate = Immediate.none
    var prefix: UInt8?
    var lockable = false
    var undefined = Undefined.fixed(0)
    var isString = false
    var isAligned = false
    var needsMovbe = false
    /// It may end with a divide error.
    var faults = false
    /// Compares with the accumulator, which should match sometimes.
    var comparesAccumulator = false
    /// What RCX has to be, when not anything.
    var count: (@Sendable (inout SeededNumbers) -> UInt64)?

    func encode(_ numbers: inout SeededNumbers) -> Encoding {
        let size = sizes[Int(numbers.next() % UInt64(sizes.count))]
        var bytes: [UInt8] = []
        if lockable, numbers.next() & 3 == 0 { bytes.append(0xF0) }
        if size == 2 { bytes.append(0x66) }
        if let prefix { bytes.append(prefix) }
        if isString, numbers.next() & 1 != 0 { bytes.append(numbers.next() & 1 != 0 ? 0xF3 : 0xF2) }
        let register = UInt8(truncatingIfNeeded: numbers.next() & 15)
        var rex: UInt8 = size == 8 ? 0x48 : 0
        if digit == nil, !isString, register > 7 { rex |= 0x44 }
        // An empty REX prefix makes SPL to DIL of AH to BH.
        if rex == 0, numbers.next() & 3 == 0 { rex = 0x40 }
        if rex != 0 { bytes.append(rex) }
        bytes += opcode
        if sizes.contains(1), sizes.count > 1, size > 1 { bytes[bytes.count - 1] |= 1 }
        if isString { return Encoding(bytes: bytes, size: size) }

        let middle = (digit ?? register & 7) << 3
        let distance: Int8 = isAligned ? -16 : Int8(truncatingIfNeeded: Int64(numbers.next() & 15) - 8)
        let displacement = UInt8(bitPattern: distance)
        switch numbers.next() & 3 {
        case 0: bytes.append(middle | 0x07)
        case 1: bytes += [middle | 0x04, 0x27]
        case 2: bytes += [middle | 0x47, displacement]
        default: bytes += [middle | 0x87, displacement] + Array(repeating: distance < 0 ? 0xFF : 0, count: 3)
        }
        let length =
            switch immediate {
            case .none: 0
            case .byte: 1
            case .whole: min(size, 4)
            }
        for _ in 0..<length { bytes.append(UInt8(truncatingIfNeeded: numbers.next())) }
        return Encoding(bytes: bytes, size: size)
    }

    /// The status flags that the manual leaves undefined after this encoding.
    func undefinedFlags(_ encoding: Encoding, rcx: UInt64) -> UInt64 {
        switch undefined {
        case .fixed(let flags): return flags
        case .shift(let place, let digit):
            let given: UInt64 =
                switch place {
                case .one: 1
                case .immediate: UInt64(encoding.bytes.last ?? 0)
                case .cl: rcx
                }
            let count = given & (encoding.size == 8 ? 63 : 31)
            if count == 0 { return 0 }
            let isRotation = digit < 4
            var flags: UInt64 = isRotation ? 0 : Self.adjust
            if count > 1 { flags |= Self.overflow }
            // SAR goes on with copies of the sign; SHL and SHR have no carry to show beyond the operand.
            if !isRotation, digit != 7, count >= UInt64(encoding.size * 8) { flags |= Self.carry }
            return flags
        }
    }

    static let carry: UInt64 = 1
    static let adjust: UInt64 = 1 << 4
    static let overflow: UInt64 = 1 << 11
    static let status: UInt64 = 0x8D5
}

enum NativeInstructions {
    private static let any = [1, 2, 4, 8]
    private static let words = [2, 4, 8]

    static let all = arithmetic + shifts + bits + moves + strings + vectors

    private static let arithmetic: [NativeInstruction] = {
        var all: [NativeInstruction] = []
        for (number, name) in ["add", "or", "adc", "sbb", "and", "sub", "xor", "cmp"].enumerated() {
            let digit = UInt8(number)
            let undefined = NativeInstruction.Undefined.fixed(
                ["or", "and", "xor"].contains(name) ? NativeInstruction.adjust : 0)
            let lockable = name != "cmp"
            all += [
                .init(
                    name: "\(name) m,r", opcode: [digit << 3], sizes: any, lockable: lockable, undefined: undefined),
                .init(name: "\(name) r,m", opcode: [digit << 3 | 2], sizes: any, undefined: undefined),
                .init(
                    name: "\(name) m,i", opcode: [0x80], sizes: any, digit: digit, immediate: .whole,
                    lockable: lockable, undefined: undefined),
                .init(
                    name: "\(name) m,i8", opcode: [0x83], sizes: words, digit: digit, immediate: .byte,
                    lockable: lockable, undefined: undefined),
            ]
        }
        let logic = NativeInstruction.Undefined.fixed(NativeInstruction.adjust)
        // After multiplications only C and O are defined, after divisions nothing.
        let product = NativeInstruction.Undefined.fixed(NativeInstruction.status & ~0x801)
        let quotient = NativeInstruction.Undefined.fixed(NativeInstruction.status)
        all += [
            .init(name: "test m,r", opcode: [0x84], sizes: any, undefined: logic),
            .init(name: "test m,i", opcode: [0xF6], sizes: any, digit: 0, immediate: .whole, undefined: logic),
            .init(name: "not", opcode: [0xF6], sizes: any, digit: 2, lockable: true),
            .init(name: "neg", opcode: [0xF6], sizes: any, digit: 3, lockable: true),
            .init(name: "mul", opcode: [0xF6], sizes: any, digit: 4, undefined: product),
            .init(name: "imul", opcode: [0xF6], sizes: any, digit: 5, undefined: product),
            .init(name: "div", opcode: [0xF6], sizes: any, digit: 6, undefined: quotient, faults: true),
            .init(name: "idiv", opcode: [0xF6], sizes: any, digit: 7, undefined: quotient, faults: true),
            .init(name: "imul r,m", opcode: [0x0F, 0xAF], sizes: words, undefined: product),
            .init(name: "imul r,m,i", opcode: [0x69], sizes: words, immediate: .whole, undefined: product),
            .init(name: "imul r,m,i8", opcode: [0x6B], sizes: words, immediate: .byte, undefined: product),
            .init(name: "inc", opcode: [0xFE], sizes: any, digit: 0, lockable: true),
            .init(name: "dec", opcode: [0xFE], sizes: any, digit: 1, lockable: true),
            .init(name: "xadd", opcode: [0x0F, 0xC0], sizes: any, lockable: true),
            .init(
                name: "cmpxchg", opcode: [0x0F, 0xB0], sizes: any, lockable: true, comparesAccumulator: true),
            .init(
                name: "cmpxchg8b", opcode: [0x0F, 0xC7], sizes: [4], digit: 1, lockable: true,
                comparesAccumulator: true),
            .init(
                name: "cmpxchg16b", opcode: [0x0F, 0xC7], sizes: [8], digit: 1, lockable: true, isAligned: true,
                comparesAccumulator: true),
        ]
        return all
    }()

    private static let shifts: [NativeInstruction] = [0, 1, 4, 5, 6, 7].flatMap { (digit: UInt8) in
        [
            NativeInstruction(
                name: "shift /\(digit) by 1", opcode: [0xD0], sizes: any, digit: digit,
                undefined: .shift(.one, digit: digit)),
            NativeInstruction(
                name: "shift /\(digit) by imm8", opcode: [0xC0], sizes: any, digit: digit, immediate: .byte,
                undefined: .shift(.immediate, digit: digit)),
            NativeInstruction(
                name: "shift /\(digit) by cl", opcode: [0xD2], sizes: any, digit: digit,
                undefined: .shift(.cl, digit: digit)),
        ]
    }

    private static let bits: [NativeInstruction] = (0..<4).flatMap { (number: UInt8) in
        // Z is kept, the other four are undefined.
        let undefined = NativeInstruction.Undefined.fixed(NativeInstruction.status & ~0x41)
        return [
            NativeInstruction(
                name: "bit \(number) imm8", opcode: [0x0F, 0xBA], sizes: words, digit: 4 + number, immediate: .byte,
                lockable: number > 0, undefined: undefined),
            // The number of the bit is in RCX, to stay near.
            NativeInstruction(
                name: "bit \(number) cx", opcode: [0x0F, 0xA3 + number * 8], sizes: words, digit: 1,
                lockable: number > 0, undefined: undefined, count: { $0.next() & 511 &- 256 }),
        ]
    }

    private static let moves: [NativeInstruction] = {
        var all: [NativeInstruction] = [
            .init(name: "mov m,r", opcode: [0x88], sizes: any),
            .init(name: "mov r,m", opcode: [0x8A], sizes: any),
            .init(name: "mov m,i", opcode: [0xC6], sizes: any, digit: 0, immediate: .whole),
            .init(name: "xchg", opcode: [0x86], sizes: any, lockable: true),
            .init(name: "movzx r,m8", opcode: [0x0F, 0xB6], sizes: words),
            .init(name: "movzx r,m16", opcode: [0x0F, 0xB7], sizes: [4, 8]),
            .init(name: "movsx r,m8", opcode: [0x0F, 0xBE], sizes: words),
            .init(name: "movsx r,m16", opcode: [0x0F, 0xBF], sizes: [4, 8]),
            .init(name: "movsxd", opcode: [0x63], sizes: [4, 8]),
            .init(name: "movnti", opcode: [0x0F, 0xC3], sizes: [4, 8]),
            .init(name: "movbe r,m", opcode: [0x0F, 0x38, 0xF0], sizes: words, needsMovbe: true),
            .init(name: "movbe m,r", opcode: [0x0F, 0x38, 0xF1], sizes: words, needsMovbe: true),
            .init(name: "push m", opcode: [0xFF], sizes: [2, 8], digit: 6),
            .init(name: "pop m", opcode: [0x8F], sizes: [2, 8], digit: 0),
        ]
        for condition: UInt8 in 0..<16 {
            all.append(.init(name: "set \(condition)", opcode: [0x0F, 0x90 + condition], sizes: [1], digit: 0))
            all.append(.init(name: "cmov \(condition)", opcode: [0x0F, 0x40 + condition], sizes: words))
        }
        return all
    }()

    private static let strings: [NativeInstruction] = [
        ("movs", 0xA4), ("cmps", 0xA6), ("stos", 0xAA), ("lods", 0xAC), ("scas", 0xAE),
    ].map { (name: String, opcode: UInt8) in
        NativeInstruction(name: name, opcode: [opcode], sizes: any, isString: true, count: { $0.next() % 9 })
    }

    private static let vectors: [NativeInstruction] = [
        (nil, 0x10, 4, false), (nil, 0x11, 4, false), (nil, 0x28, 4, true), (nil, 0x29, 4, true),
        (nil, 0x2B, 4, true), (0x66, 0x10, 4, false), (0x66, 0x11, 4, false), (0x66, 0x28, 4, true),
        (0x66, 0x29, 4, true), (0xF3, 0x10, 4, false), (0xF3, 0x11, 4, false), (0xF2, 0x10, 4, false),
        (0xF2, 0x11, 4, false), (0x66, 0x6E, 4, false), (0x66, 0x6E, 8, false), (0x66, 0x7E, 4, false),
        (0x66, 0x7E, 8, false), (0xF3, 0x7E, 4, false), (0x66, 0xD6, 4, false), (0x66, 0x6F, 4, true),
        (0x66, 0x7F, 4, true), (0xF3, 0x6F, 4, false), (0xF3, 0x7F, 4, false), (0x66, 0xE7, 4, true),
        (0xF2, 0xF0, 4, false),
    ].map { (prefix: UInt8?, opcode: UInt8, size: Int, isAligned: Bool) in
        NativeInstruction(
            name: "vector \(prefix ?? 0) \(opcode) \(size)", opcode: [0x0F, opcode], sizes: [size], prefix: prefix,
            isAligned: isAligned)
    }
}
