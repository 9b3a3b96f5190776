/// IN and OUT.
///
/// Whether the guest may use the port is not asked: the processor checks that before the intercept that leads here.
extension Execution {
    var port: UInt16 { UInt16(truncatingIfNeeded: register(2)) }

    mutating func input() throws(Interruption) {
        let target = try operand(0)
        let number = try read(place(operand(1), for: .read))
        let value = try readPort(UInt16(truncatingIfNeeded: number), size: size(target))
        try write(place(target, for: .write), value)
    }

    mutating func output() throws(Interruption) {
        let source = try operand(1)
        let number = try read(place(operand(0), for: .read))
        try writePort(UInt16(truncatingIfNeeded: number), size: size(source), read(place(source, for: .read)))
    }

    mutating func readPort(_ port: UInt16, size: Int) throws(Interruption) -> UInt64 {
        guard [1, 2, 4].contains(size) else { throw unexpectedOperands }
        return try ask(.readPort(port: port, size: size)) & Flags.mask(size)
    }

    mutating func writePort(_ port: UInt16, size: Int, _ value: UInt64) throws(Interruption) {
        guard [1, 2, 4].contains(size) else { throw unexpectedOperands }
        _ = try ask(.writePort(port: port, size: size, value: value & Flags.mask(size)))
    }
}
