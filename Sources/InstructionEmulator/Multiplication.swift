/// MUL, IMUL, DIV and IDIV.
extension Execution {
    mutating func multiply(signed: Bool) throws(Interruption) {
        let operands = instruction.operands
        let size = try size(operand(0))
        let left: UInt64
        let right: UInt64
        switch operands.count {
        case 1: (left, right) = (register(0, size: size), try read(place(operand(0), for: .read)))
        case 2: (left, right) = (try read(place(operand(0), for: .read)), try read(place(operand(1), for: .read)))
        default: (left, right) = (try read(place(operand(1), for: .read)), try read(place(operand(2), for: .read)))
        }
        let (low, high) = product(left, right, size: size, signed: signed)
        if operands.count != 1 {
            try write(place(operand(0), for: .write), low)
        } else if size == 1 {
            setRegister(0, size: 2, low & 0xFF | high << 8)
        } else {
            setRegister(0, size: size, low)
            setRegister(2, size: size, high)
        }
        // The upper half says something when it is not just the extension of the lower.
        let upper = signed ? Flags.signExtend(low, size: size) >> 63 == 0 ? 0 : Flags.mask(size) : 0
        let flags = high == upper ? 0 : Flags.carry | Flags.overflow
        setFlags(flags, of: Flags.carry | Flags.overflow)
    }

    /// The halves of the product, each of `size` bytes.
    private func product(_ left: UInt64, _ right: UInt64, size: Int, signed: Bool) -> (low: UInt64, high: UInt64) {
        let mask = Flags.mask(size)
        let whole: (high: UInt64, low: UInt64)
        if signed {
            let product = Int64(bitPattern: Flags.signExtend(left, size: size)).multipliedFullWidth(
                by: Int64(bitPattern: Flags.signExtend(right, size: size)))
            whole = (UInt64(bitPattern: product.high), product.low)
        } else {
            let product = (left & mask).multipliedFullWidth(by: right & mask)
            whole = (product.high, product.low)
        }
        if size == 8 { return (whole.low, whole.high) }
        return (whole.low & mask, whole.low >> (size * 8) & mask)
    }

    mutating func divide(signed: Bool) throws(Interruption) {
        let size = try size(operand(0))
        let divisor = try read(place(operand(0), for: .read))
        let low = size == 1 ? register(0, size: 1) : register(0, size: size)
        let high = size == 1 ? register(0, size: 2) >> 8 : register(2, size: size)
        guard let result = Division(high: high, low: low, by: divisor, size: size, signed: signed) else {
            throw fault(0, code: nil)
        }
        if size == 1 {
            setRegister(0, size: 2, result.quotient & 0xFF | (result.remainder & 0xFF) << 8)
        } else {
            setRegister(0, size: size, result.quotient)
            setRegister(2, size: size, result.remainder)
        }
    }
}

/// A quotient and a remainder of `size` bytes; nil where the processor raises its divide error.
struct Division {
    let quotient: UInt64
    let remainder: UInt64

    init?(high: UInt64, low: UInt64, by divisor: UInt64, size: Int, signed: Bool) {
        let negativeDividend = signed && high & Flags.signBit(size) != 0
        let negativeDivisor = signed && divisor & Flags.signBit(size) != 0
        let mask = Flags.mask(size)
        var magnitude = (high: high & mask, low: low & mask)
        if negativeDividend {
            magnitude.low = (0 &- magnitude.low) & mask
            magnitude.high = (~magnitude.high &+ (magnitude.low == 0 ? 1 : 0)) & mask
        }
        let by = negativeDivisor ? (0 &- divisor) & mask : divisor & mask
        // The quotient has to fit, which also keeps the division below from trapping.
        guard by != 0, magnitude.high < by else { return nil }
        let result: (quotient: UInt64, remainder: UInt64)
        if size == 8 {
            result = by.dividingFullWidth((magnitude.high, magnitude.low))
        } else {
            let whole = magnitude.high << (size * 8) | magnitude.low
            result = whole.quotientAndRemainder(dividingBy: by)
        }
        let negative = negativeDividend != negativeDivisor
        if signed, result.quotient > (Flags.signBit(size) &- (negative ? 0 : 1)) { return nil }
        quotient = (negative ? 0 &- result.quotient : result.quotient) & mask
        remainder = (negativeDividend ? 0 &- result.remainder : result.remainder) & mask
    }
}
