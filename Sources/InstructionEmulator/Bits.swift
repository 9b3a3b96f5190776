/// Shifts, rotations and the instructions on one bit.
extension Execution {
    mutating func shift(_ operation: Operation.Shift) throws(Interruption) {
        let target = try operand(0)
        let size = try size(target)
        let bits = UInt64(size * 8)
        let destination = try place(target, for: .write)
        let count = try read(place(operand(1), for: .read)) & (size == 8 ? 63 : 31)
        let value = try read(destination)
        // A count of zero changes nothing, no flag either, but memory has its read and its write.
        guard count > 0 else { return try write(destination, value) }

        let result: UInt64
        let carry: Bool
        let turn = count % bits
        switch operation {
        case .left:
            result = value << count
            carry = count <= bits && value >> (bits - count) & 1 != 0
        case .right:
            result = value >> count
            carry = value >> (count - 1) & 1 != 0
        case .arithmeticRight:
            let extended = Int64(bitPattern: Flags.signExtend(value, size: size))
            result = UInt64(bitPattern: extended >> Int64(count))
            carry = extended >> Int64(count - 1) & 1 != 0
        case .rotateLeft:
            result = value << turn | value >> (bits - turn)
            carry = result & 1 != 0
        case .rotateRight:
            result = value >> turn | value << (bits - turn)
            carry = result & Flags.signBit(size) != 0
        }

        let top = result & Flags.signBit(size) != 0
        let overflow: Bool =
            switch operation {
            case .left, .rotateLeft: top != carry
            case .right: value & Flags.signBit(size) != 0
            case .arithmeticRight: false
            case .rotateRight: top != (result & Flags.signBit(size) >> 1 != 0)
            }
        var flags = (carry ? Flags.carry : 0) | (overflow ? Flags.overflow : 0)
        var changed = Flags.carry | Flags.overflow
        switch operation {
        case .rotateLeft, .rotateRight: break
        case .left, .right, .arithmeticRight:
            flags |= Flags.ofResult(result, size: size)
            changed |= Flags.zero | Flags.sign | Flags.parity
        }
        setFlags(flags, of: changed)
        try write(destination, result & Flags.mask(size))
    }

    /// BT, BTS, BTR, BTC. With a register as bit offset and memory as operand the offset is signed and not bounded by
    /// the operand: the bit may lie anywhere around the address.
    mutating func bit(_ operation: Operation.BitChange) throws(Interruption) {
        let target = try operand(0)
        let size = try size(target)
        let bits = UInt64(size * 8)
        let number = try operand(1)
        let offset = try read(place(number, for: .read))
        var moved: UInt64 = 0
        if case .memory = target, case .general = number {
            let signed = Int64(bitPattern: Flags.signExtend(offset, size: size))
            let operands = signed >> Int64(bits.trailingZeroBitCount)
            moved = UInt64(bitPattern: operands) &* UInt64(size)
        }
        let access: MemoryAccess = if case .test = operation { .read } else { .write }
        let destination = try place(target, for: access, moved: moved)
        let value = try read(destination)
        let bit: UInt64 = 1 << (offset & (bits - 1))
        setFlags(value & bit != 0 ? Flags.carry : 0, of: Flags.carry)
        switch operation {
        case .test: break
        case .set: try write(destination, value | bit)
        case .reset: try write(destination, value & ~bit)
        case .complement: try write(destination, value ^ bit)
        }
    }
}
