import HypercallABI

/// ADD to TEST, NOT, NEG, INC, DEC, XADD, CMPXCHG and its pairs.
extension Execution {
    mutating func binary(_ operation: Operation.Binary) throws(Interruption) {
        let (first, second) = (try operand(0), try operand(1))
        let writes =
            switch operation {
            case .compare, .test: false
            default: true
            }
        let source = try place(second, for: .read)
        let destination = try place(first, for: writes ? .write : .read)
        let size = try size(first)
        let (left, right) = (try read(destination), try read(source))
        let carry: UInt64 = state.rflags & Flags.carry
        let result =
            switch operation {
            case .add: add(left, right, 0, size: size)
            case .addWithCarry: add(left, right, carry, size: size)
            case .subtract, .compare: subtract(left, right, 0, size: size)
            case .subtractWithBorrow: subtract(left, right, carry, size: size)
            case .and, .test: logical(left & right, size: size)
            case .or: logical(left | right, size: size)
            case .xor: logical(left ^ right, size: size)
            }
        if writes { try write(destination, result) }
    }

    mutating func unary(_ operation: Operation.Unary) throws(Interruption) {
        let target = try operand(0)
        let destination = try place(target, for: .write)
        let size = try size(target)
        let value = try read(destination)
        let carry = state.rflags & Flags.carry
        let result: UInt64
        switch operation {
        case .not: result = ~value
        case .negate: result = subtract(0, value, 0, size: size)
        case .increment:
            result = add(value, 1, 0, size: size)
            setFlags(carry, of: Flags.carry)
        case .decrement:
            result = subtract(value, 1, 0, size: size)
            setFlags(carry, of: Flags.carry)
        }
        try write(destination, result)
    }

    mutating func exchangeAndAdd() throws(Interruption) {
        let target = try operand(0)
        let destination = try place(target, for: .write)
        let source = try place(operand(1), for: .write)
        let (left, right) = (try read(destination), try read(source))
        let sum = add(left, right, 0, size: try size(target))
        try write(source, left)
        try write(destination, sum)
    }

    /// The destination is written in any case, as the processor does: with what it held when it was not equal.
    mutating func compareAndExchange() throws(Interruption) {
        let target = try operand(0)
        let size = try size(target)
        let destination = try place(target, for: .write)
        let value = try read(destination)
        _ = subtract(register(0, size: size), value, 0, size: size)
        if state.rflags & Flags.zero != 0 {
            try write(destination, read(place(operand(1), for: .read)))
        } else {
            try write(destination, value)
            setRegister(0, size: size, value)
        }
    }

    /// CMPXCHG8B and CMPXCHG16B: EDX:EAX or RDX:RAX against memory, ECX:EBX or RCX:RBX into it.
    mutating func compareAndExchangePair() throws(Interruption) {
        let target = try operand(0)
        guard let whole = target.size else { throw unexpectedOperands }
        let half = whole / 2
        let destination = try place(target, for: .write, aligned: whole == 16)
        let value = try readWide(destination)
        let low = value.low & Flags.mask(half)
        let high = whole == 16 ? value.high : value.low >> 32
        let equal = low == register(0, size: half) && high == register(2, size: half)
        setFlags(equal ? Flags.zero : 0, of: Flags.zero)
        if equal {
            let (newLow, newHigh) = (register(3, size: half), register(1, size: half))
            try writeWide(
                destination,
                whole == 16
                    ? RegisterValue(low: newLow, high: newHigh) : RegisterValue(newLow | newHigh << 32))
        } else {
            try writeWide(destination, value)
            setRegister(0, size: half, low)
            setRegister(2, size: half, high)
        }
    }

    // MARK: results and their flags

    mutating func add(_ left: UInt64, _ right: UInt64, _ carry: UInt64, size: Int) -> UInt64 {
        let result = left &+ right &+ carry
        let carries = (left & right) | ((left | right) & ~result)
        let overflows = (left ^ result) & (right ^ result)
        return finish(result, carries: carries, overflows: overflows, size: size)
    }

    mutating func subtract(_ left: UInt64, _ right: UInt64, _ borrow: UInt64, size: Int) -> UInt64 {
        let result = left &- right &- borrow
        let borrows = (~left & right) | ((~left | right) & result)
        let overflows = (left ^ right) & (left ^ result)
        return finish(result, carries: borrows, overflows: overflows, size: size)
    }

    mutating func logical(_ result: UInt64, size: Int) -> UInt64 {
        finish(result, carries: 0, overflows: 0, size: size)
    }

    /// - Parameters:
    ///   - carries: the carry out of every bit.
    ///   - overflows: its sign bit is the overflow.
    private mutating func finish(_ result: UInt64, carries: UInt64, overflows: UInt64, size: Int) -> UInt64 {
        var flags = Flags.ofResult(result, size: size)
        if carries & Flags.signBit(size) != 0 { flags |= Flags.carry }
        if carries & 8 != 0 { flags |= Flags.adjust }
        if overflows & Flags.signBit(size) != 0 { flags |= Flags.overflow }
        setFlags(flags, of: Flags.status)
        return result & Flags.mask(size)
    }
}
