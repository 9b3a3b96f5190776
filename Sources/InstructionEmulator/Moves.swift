/// MOV, MOVZX, MOVSX, MOVBE, CMOVcc, SETcc, XCHG.
extension Execution {
    mutating func move() throws(Interruption) {
        let (to, from) = (try operand(0), try operand(1))
        // Loading a segment register reads a descriptor, which is no business of devices.
        if case .segment = to { throw .unsupported("\(instruction.text): loading a segment register") }
        let source = try place(from, for: .read)
        let destination = try place(to, for: .write)
        // A selector that goes to a register is extended to the operand's size, to memory it is two bytes.
        try write(destination, read(source))
    }

    mutating func moveExtended(signed: Bool) throws(Interruption) {
        let (to, from) = (try operand(0), try operand(1))
        let value = try read(place(from, for: .read))
        let destination = try place(to, for: .write)
        try write(destination, signed ? Flags.signExtend(value, size: size(from)) : value)
    }

    mutating func moveByteSwapped() throws(Interruption) {
        let (to, from) = (try operand(0), try operand(1))
        let source = try place(from, for: .read)
        let destination = try place(to, for: .write)
        let bits = try size(to) * 8
        try write(destination, read(source).byteSwapped >> (64 - bits))
    }

    /// The source is read, and a 32-bit destination's upper half cleared, even when the condition does not hold.
    mutating func moveIf(_ condition: Condition) throws(Interruption) {
        let destination = try place(operand(0), for: .write)
        let value = try read(place(operand(1), for: .read))
        try write(destination, condition.holds(state.rflags) ? value : read(destination))
    }

    mutating func set(_ condition: Condition) throws(Interruption) {
        try write(place(operand(0), for: .write), condition.holds(state.rflags) ? 1 : 0)
    }

    mutating func exchange() throws(Interruption) {
        let first = try place(operand(0), for: .write)
        let second = try place(operand(1), for: .write)
        let (one, two) = (try read(first), try read(second))
        try write(first, two)
        try write(second, one)
    }
}
