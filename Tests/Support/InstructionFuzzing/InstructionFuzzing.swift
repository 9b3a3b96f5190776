import FuzzSupport
import HypercallABI
import InstructionEmulator

/// Drives the instruction emulator from bytes alone: a fuzzer's entry, and a test's.
package enum InstructionFuzzing {
    /// So many steps at most can an emulation have: elements times the accesses of one.
    package static let maximumSteps = InstructionEmulation.maximumElements * 64

    /// Emulates one instruction. The bytes decide on mode, registers, code, memory and every answer; where they end,
    /// zeros follow.
    ///
    /// - Returns: false when the emulation did not end within `maximumSteps`, which is an error of the emulator.
    @discardableResult
    package static func run(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var input = FuzzBytes(bytes)
        let mode = input.byte()
        var code = (0..<15).map { _ in input.byte() }
        if mode & 0x80 != 0 { code.removeLast(Int(mode >> 3 & 15)) }
        var state = input.state(mode)
        if mode & 0x40 != 0 { state.general.removeLast(Int(mode & 7)) }
        var memory = FuzzMemory(input: input)
        var emulation = InstructionEmulation(code: code, state: state)
        var answer: UInt64?
        for _ in 0..<maximumSteps {
            switch emulation.next(&memory, answer: answer) {
            // Without an answer the step comes again. The zeros at the end must be answers, or it would for ever.
            case .read, .readPort: answer = memory.input.byte() & 15 == 15 ? nil : memory.input.value()
            case .write, .writePort: answer = nil
            case .finished, .fault, .unsupported: return findStore(code, state, memory)
            }
        }
        return false
    }

    private static func findStore(_ code: [UInt8], _ state: GuestState, _ memory: FuzzMemory) -> Bool {
        var memory = memory
        let store = StoreFinder.Store(
            gpa: memory.input.value(), size: 1 << (memory.input.byte() & 3), value: memory.input.value())
        guard
            let found = StoreFinder.instructionBefore(code: code, state: state, store: store, memory: &memory)
        else { return true }
        return (1...15).contains(found.length)
    }
}

extension FuzzBytes {
    /// 64 bits out of few bytes: mostly values at the edges, where errors are.
    fileprivate mutating func value() -> UInt64 {
        let kind = byte()
        switch kind & 7 {
        case 0: return 0
        case 1: return .max &- UInt64(kind >> 3)
        case 2: return UInt64(kind >> 3)
        case 3: return 1 << UInt64(kind >> 2)
        case 4: return UInt64(Int64.max) &+ UInt64(kind >> 3)
        case 5: return 0x0000_7FFF_FFFF_FFE0 &+ UInt64(kind >> 3)
        case 6: return 0xFFF0 &+ UInt64(kind >> 3)
        default: return word()
        }
    }

    fileprivate mutating func segment() -> SegmentRegister {
        let kind = byte()
        return SegmentRegister(
            base: kind & 1 != 0 ? value() : 0,
            limit: kind & 2 != 0 ? UInt32(truncatingIfNeeded: value()) : 0xFFFF_FFFF,
            selector: 8, attributes: kind & 4 != 0 ? UInt16(truncatingIfNeeded: value()) : 0xC093)
    }

    fileprivate mutating func state(_ mode: UInt8) -> GuestState {
        let general = (0..<16).map { _ in value() }
        let (rip, rflags) = (value(), value())
        var cs = segment()
        cs.attributes = cs.attributes & ~0x6000 | [0x2000, 0x4000, 0, 0][Int(mode & 3)] | 0x8
        let long: UInt64 = mode & 3 == 0 ? 0x400 : 0
        return GuestState(
            general: general, rip: rip, rflags: rflags, cs: cs, ds: segment(), es: segment(), fs: segment(),
            gs: segment(), ss: segment(), cr0: mode & 3 == 3 ? 0 : 1, cr4: 0x200 | UInt64(mode & 4) << 10, efer: long,
            xmm: (0..<2).map { _ in RegisterValue(low: value(), high: value()) })
    }
}

/// Memory whose every answer comes out of the input.
private struct FuzzMemory: GuestAddressSpace {
    var input: FuzzBytes

    mutating func translate(_ linear: UInt64, for access: MemoryAccess) throws(GuestFault) -> UInt64 {
        switch input.byte() & 15 {
        case 15: throw GuestFault(vector: 14, errorCode: 2, address: linear)
        case 14: return input.value()
        default: return linear
        }
    }

    mutating func read(_ gpa: UInt64, count: Int) -> [UInt8]? {
        let kind = input.byte()
        if kind & 3 == 0 { return nil }
        // Fewer and more bytes than asked for have to be harmless, too.
        let given = kind & 0xF0 == 0xF0 ? Int(kind >> 2 & 3) * 7 : count
        return (0..<given).map { _ in input.byte() }
    }

    mutating func write(_ gpa: UInt64, _ bytes: [UInt8]) -> Bool { input.byte() & 1 != 0 }
}
