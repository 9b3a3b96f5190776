/// MOVS, STOS, LODS, CMPS, SCAS, INS and OUTS, with their repetitions.
extension Execution {
    /// Does one element.
    ///
    /// - Returns: whether the instruction is done.
    mutating func string(_ operation: Operation.StringOperation) throws(Interruption) -> Bool {
        let addressSize = instruction.addressSize
        if instruction.repetition != nil, register(1, size: addressSize) == 0 { return true }

        guard let size = (instruction.source ?? instruction.destination)?.size else { throw unexpectedOperands }
        switch operation {
        case .move:
            let source = try place(instruction.source, for: .read)
            let destination = try place(instruction.destination, for: .write)
            try write(destination, read(source))
        case .store:
            try write(place(instruction.destination, for: .write), register(0, size: size))
        case .load:
            setRegister(0, size: size, try read(place(instruction.source, for: .read)))
        case .compare:
            let source = try place(instruction.source, for: .read)
            let destination = try place(instruction.destination, for: .read)
            let left = try read(source)
            _ = subtract(left, try read(destination), 0, size: size)
        case .scan:
            let value = try read(place(instruction.destination, for: .read))
            _ = subtract(register(0, size: size), value, 0, size: size)
        case .input:
            let destination = try place(instruction.destination, for: .write)
            try write(destination, readPort(port, size: size))
        case .output:
            try writePort(port, size: size, read(place(instruction.source, for: .read)))
        }

        let step = UInt64(size)
        let back = state.rflags & Flags.direction != 0
        func advanced(_ number: Int) -> UInt64 { back ? register(number) &- step : register(number) &+ step }
        if instruction.source != nil { setRegister(6, size: addressSize, advanced(6)) }
        if instruction.destination != nil { setRegister(7, size: addressSize, advanced(7)) }

        guard let repetition = instruction.repetition else { return true }
        setRegister(1, size: addressSize, register(1) &- 1)
        if register(1, size: addressSize) == 0 { return true }
        switch (operation, repetition) {
        case (.compare, .whileEqual), (.scan, .whileEqual): return state.rflags & Flags.zero == 0
        case (.compare, .whileNotEqual), (.scan, .whileNotEqual): return state.rflags & Flags.zero != 0
        default: return false
        }
    }

    private mutating func place(_ memory: MemoryOperand?, for access: MemoryAccess) throws(Interruption) -> Place {
        guard let memory else { throw unexpectedOperands }
        return try place(.memory(memory), for: access)
    }
}
