import HypercallABI

/// PUSH, POP, and the near CALL and JMP.
extension Execution {
    private var stackAddressSize: Int { state.stackAddressSize(instruction.mode) }

    private mutating func moveStackPointer(by bytes: UInt64) {
        setRegister(4, size: stackAddressSize, register(4) &+ bytes)
    }

    /// The place of `size` bytes from an offset to the stack pointer on.
    private mutating func stackPlace(_ moved: UInt64, size: Int, for access: MemoryAccess) throws(Interruption)
        -> Place
    {
        let offset = (register(4) &+ moved) & Flags.mask(stackAddressSize)
        return .memory(try parts(linear(.ss, offset, count: size, for: access), count: size, for: access))
    }

    mutating func push() throws(Interruption) {
        let size = instruction.operandSize
        guard [2, 4, 8].contains(size) else { throw unexpectedOperands }
        let source = try place(operand(0), for: .read)
        let top = try stackPlace(0 &- UInt64(size), size: size, for: .write)
        try write(top, read(source))
        moveStackPointer(by: 0 &- UInt64(size))
    }

    /// A destination in memory has its address made with the stack pointer as it is after the pop.
    mutating func pop() throws(Interruption) {
        let size = instruction.operandSize
        guard [2, 4, 8].contains(size) else { throw unexpectedOperands }
        let target = try operand(0)
        if case .segment = target { throw .unsupported("\(instruction.text): loading a segment register") }
        let top = try stackPlace(0, size: size, for: .read)
        moveStackPointer(by: UInt64(size))
        let destination = try place(target, for: .write)
        try write(destination, read(top))
    }

    mutating func call() throws(Interruption) {
        let source = try place(operand(0), for: .read)
        let size = try branchSize(operand(0))
        let top = try stackPlace(0 &- UInt64(size), size: size, for: .write)
        let target = try branchTarget(source, size: size)
        try write(top, nextInstruction)
        moveStackPointer(by: 0 &- UInt64(size))
        state.rip = target
    }

    mutating func jump() throws(Interruption) {
        let source = try place(operand(0), for: .read)
        state.rip = try branchTarget(source, size: branchSize(operand(0)))
    }

    private func branchSize(_ operand: Operand) throws(Interruption) -> Int {
        let size = operand.size ?? (instruction.mode == .long64 ? 8 : instruction.operandSize)
        guard [2, 4, 8].contains(size) else { throw unexpectedOperands }
        return size
    }

    private mutating func branchTarget(_ source: Place, size: Int) throws(Interruption) -> UInt64 {
        let value = try read(source)
        let target: UInt64
        if case .immediate(let distance) = source {
            target = (nextInstruction &+ distance) & Flags.mask(size)
        } else {
            target = value & Flags.mask(size)
        }
        if instruction.mode == .long64 {
            guard state.isCanonical(target) else { throw generalProtection }
        } else {
            guard target <= UInt64(state.cs.limit) else { throw generalProtection }
        }
        return target
    }
}

extension GuestState {
    /// How many bytes of RSP address the stack.
    func stackAddressSize(_ mode: ProcessorMode) -> Int { mode == .long64 ? 8 : ss.isBig ? 4 : 2 }
}
