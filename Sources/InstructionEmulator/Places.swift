import HypercallABI

/// A part of an operand in memory: at most 8 bytes within a page.
struct MemoryPart: Equatable, Sendable {
    var gpa: UInt64
    /// Its place in the operand, in bytes.
    var offset: Int
    var count: Int
}

/// An operand whose address is made and translated, so that reading and writing it can't fault any more.
enum Place: Sendable {
    case general(Int, size: Int)
    case highByte(Int)
    case vector(Int)
    case immediate(UInt64)
    /// A segment register's selector, to be read only.
    case selector(UInt16)
    case memory([MemoryPart])
}

extension Execution {
    // MARK: addresses

    /// The offset in the segment that an operand names, `moved` by so many bytes.
    func offset(_ memory: MemoryOperand, moved: UInt64 = 0) -> UInt64 {
        var offset = memory.displacement &+ moved
        switch memory.base {
        case .general(let number): offset &+= state.general[number & 15]
        case .instructionPointer: offset &+= nextInstruction
        case nil: break
        }
        if let index = memory.index { offset &+= state.general[index & 15] &* memory.scale }
        return offset & Flags.mask(instruction.addressSize)
    }

    /// The linear address of `count` bytes, or the fault of the segment.
    func linear(_ segment: Segment, _ offset: UInt64, count: Int, for access: MemoryAccess) throws(Interruption)
        -> UInt64
    {
        let register = segmentRegister(segment)
        let segmentFault = fault(segment == .ss ? 12 : 13, code: state.zeroErrorCode)
        if instruction.mode == .long64 {
            let base = segment == .fs || segment == .gs ? register.base : 0
            let first = base &+ offset
            guard state.isCanonical(first), state.isCanonical(first &+ UInt64(count) &- 1) else { throw segmentFault }
            return first
        }
        if instruction.mode != .real {
            guard register.isPresent, register.allows(access) else { throw segmentFault }
        }
        guard register.contains(offset, count: UInt64(count)) else { throw segmentFault }
        return (register.base &+ offset) & instruction.mode.linearMask
    }

    /// Translates every page that `count` bytes from a linear address on touch.
    mutating func parts(_ linear: UInt64, count: Int, for access: MemoryAccess) throws(Interruption) -> [MemoryPart] {
        var parts: [MemoryPart] = []
        var done = 0
        while done < count {
            let address = (linear &+ UInt64(done)) & instruction.mode.linearMask
            let inPage = min(count - done, 4096 - Int(address & 4095))
            let gpa = try ask(.translate(linear: address, access))
            for start in stride(from: 0, to: inPage, by: 8) {
                parts.append(
                    MemoryPart(gpa: gpa &+ UInt64(start), offset: done + start, count: min(8, inPage - start)))
            }
            done += inPage
        }
        return parts
    }

    // MARK: operands

    /// Makes an operand's address. One that is read and written is asked for as written: the fault comes before the
    /// read, which a device may notice.
    mutating func place(
        _ operand: Operand, for access: MemoryAccess, moved: UInt64 = 0, aligned: Bool = false
    ) throws(Interruption) -> Place {
        switch operand {
        case .general(let number, let size): return .general(number, size: size)
        case .highByte(let number): return .highByte(number)
        case .vector(let number): return .vector(number)
        case .immediate(let value): return .immediate(value)
        case .segment(let segment): return .selector(segmentRegister(segment).selector)
        case .memory(let memory):
            let address = try linear(
                memory.segment, offset(memory, moved: moved), count: memory.size, for: access)
            if aligned, address & UInt64(memory.size - 1) != 0 { throw generalProtection }
            return .memory(try parts(address, count: memory.size, for: access))
        }
    }

    mutating func readWide(_ place: Place) throws(Interruption) -> RegisterValue {
        switch place {
        case .general(let number, let size): return RegisterValue(register(number, size: size))
        case .highByte(let number): return RegisterValue(state.general[number & 3] >> 8 & 0xFF)
        case .vector(let number): return state.xmm[number & 15]
        case .immediate(let value): return RegisterValue(value)
        case .selector(let selector): return RegisterValue(UInt64(selector))
        case .memory(let parts):
            var value = RegisterValue(0)
            for part in parts {
                let bytes = try ask(.read(gpa: part.gpa, count: part.count)) & Flags.mask(part.count)
                // Shifts by 64 and more, and negative ones, are what they are in arithmetic: nothing wraps.
                value.low |= bytes << (part.offset * 8)
                value.high |= bytes << (part.offset * 8 - 64)
            }
            return value
        }
    }

    mutating func writeWide(_ place: Place, _ value: RegisterValue) throws(Interruption) {
        switch place {
        case .general(let number, let size): setRegister(number, size: size, value.low)
        case .highByte(let number):
            state.general[number & 3] = state.general[number & 3] & ~0xFF00 | (value.low & 0xFF) << 8
        case .vector(let number): state.xmm[number & 15] = value
        case .immediate, .selector: throw unexpectedOperands
        case .memory(let parts):
            for part in parts {
                let bytes = value.low >> (part.offset * 8) | value.high << (64 - part.offset * 8)
                let high = value.high >> (part.offset * 8 - 64)
                let chosen = (part.offset < 8 ? bytes : high) & Flags.mask(part.count)
                _ = try ask(.write(gpa: part.gpa, count: part.count, value: chosen))
            }
        }
    }

    mutating func read(_ place: Place) throws(Interruption) -> UInt64 { try readWide(place).low }

    mutating func write(_ place: Place, _ value: UInt64) throws(Interruption) {
        try writeWide(place, RegisterValue(value))
    }

    /// The size of the operation: its destination's.
    func size(_ operand: Operand) throws(Interruption) -> Int {
        guard let size = operand.size, size <= 8 else { throw unexpectedOperands }
        return size
    }
}
