/// An IN, OUT, INS or OUTS at the beginning of some code: as much of it as a message tells.
struct PortInstruction: Equatable {
    var length: UInt8
    var isString: Bool
    var isRepeated: Bool
    var isWrite: Bool

    /// - Returns: nil for another instruction.
    init?(_ code: [UInt8], isLongMode: Bool) {
        var place = 0
        var isRepeated = false
        // Operand size, address size, segments, REP and, in 64-bit code, REX: in any order, one REX at the end.
        while place < code.count, place < 14 {
            let byte = code[place]
            let isPrefix = [0x66, 0x67, 0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65, 0xF2, 0xF3].contains(byte)
            guard isPrefix || isLongMode && byte & 0xF0 == 0x40 else { break }
            if byte == 0xF2 || byte == 0xF3 { isRepeated = true }
            place += 1
        }
        guard place < code.count else { return nil }
        let prefixes = UInt8(place)
        switch code[place] {
        case 0xE4, 0xE5: self.init(length: prefixes + 2, isWrite: false)
        case 0xE6, 0xE7: self.init(length: prefixes + 2, isWrite: true)
        case 0xEC, 0xED: self.init(length: prefixes + 1, isWrite: false)
        case 0xEE, 0xEF: self.init(length: prefixes + 1, isWrite: true)
        case 0x6C, 0x6D: self.init(length: prefixes + 1, isWrite: false, isString: true, isRepeated: isRepeated)
        case 0x6E, 0x6F: self.init(length: prefixes + 1, isWrite: true, isString: true, isRepeated: isRepeated)
        default: return nil
        }
    }

    private init(length: UInt8, isWrite: Bool, isString: Bool = false, isRepeated: Bool = false) {
        self.length = length
        self.isWrite = isWrite
        self.isString = isString
        self.isRepeated = isRepeated
    }
}
