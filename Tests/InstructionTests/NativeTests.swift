import CNativeInstruction
import HypercallABI
import InstructionEmulator
import Testing

/// The emulator against this processor: the same instruction from the same random registers, flags and memory has to
/// leave the same everywhere, but for flags that the manual calls undefined.
@Suite(.serialized) struct NativeTests {
    private static let size: UInt64 = 0x4000
    /// What is compared of the memory, and where operands lie in it: over the border of two pages.
    private static let window: Range<UInt64> = 0x1F80..<0x2080

    @Test func instructionsDoTheSameNatively() throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        try compare(seed: seed, runs: 60_000)
    }

    @Test func instructionsDoTheSameNativelyFromAFixedSeed() throws { try compare(seed: 1, runs: 20_000) }

    private func compare(seed: UInt64, runs: Int) throws {
        let memory = try #require(native_memory(Self.size))
        var numbers = SeededNumbers(seed: seed)
        var kinds = NativeInstructions.all
        if native_has_movbe() == 0 { kinds.removeAll { $0.needsMovbe } }
        var finished = 0
        for run in 0..<runs {
            let kind = kinds[Int(numbers.next() % UInt64(kinds.count))]
            let encoding = kind.encode(&numbers)
            let outcome = Self.run(kind, encoding, memory, &numbers)
            switch outcome {
            case .same: finished += 1
            case .faults: break
            case .different(let what):
                Issue.record("seed \(seed), run \(run), \(kind.name) (\(hexadecimal(encoding.bytes))): \(what)")
                return
            }
        }
        // Divisions fault often, and then have no native run; nothing else does.
        #expect(finished > runs * 9 / 10, "seed \(seed): only \(finished) of \(runs) could be compared")
    }

    private enum Outcome {
        case same, faults
        case different(String)
    }

    private static func run(
        _ kind: NativeInstruction, _ encoding: NativeInstruction.Encoding, _ memory: UnsafeMutableRawPointer,
        _ numbers: inout SeededNumbers
    ) -> Outcome {
        let base = UInt64(UInt(bitPattern: memory))
        let bytes = encoding.bytes
        var native = native_state()
        var state = InstructionRow.state(.long)
        for number in 0..<16 { state.general[number] = numbers.edge() }
        for number in 0..<16 { state.xmm[number] = RegisterValue(low: numbers.edge(), high: numbers.edge()) }
        // Operands are at RDI (with an index in RDX), strings at RSI and RDI, the stack is between them.
        state.general[7] = base + 0x2000 - 64 + (kind.isAligned ? numbers.next() % 8 * 16 : numbers.next() % 128)
        state.general[6] = base + 0x2000 - 64 + numbers.next() % 128
        state.general[4] = base + 0x2000 - 32 + numbers.next() % 64
        if let count = kind.count { state.general[1] = count(&numbers) }
        // Strings overlap and go both ways.
        let direction: UInt64 = kind.isString && numbers.next() & 1 != 0 ? 0x400 : 0
        state.rflags = 0x202 | numbers.next() & 0x8D5 | direction
        state.rip = base

        var before: [UInt64: UInt8] = [:]
        for offset in stride(from: window.lowerBound, to: window.upperBound, by: 8) {
            // Small values in between, that comparisons of strings and accumulators meet equals.
            let value = kind.isString ? numbers.next() & 0x0101_0101_0101_0101 : numbers.edge()
            // Sound: the window lies in the memory that native_memory gave.
            memory.storeBytes(of: value, toByteOffset: Int(offset), as: UInt64.self)
            for byte in 0..<8 { before[base + offset + UInt64(byte)] = UInt8(truncatingIfNeeded: value >> (byte * 8)) }
        }
        if kind.isString { state.general[0] &= 0x0101_0101_0101_0101 }
        if kind.comparesAccumulator, numbers.next() & 1 == 0 {
            func word(_ at: UInt64) -> UInt64 {
                (0..<8).reversed().reduce(0) { $0 << 8 | UInt64(before[at &+ $1] ?? 0) }
            }
            // The operand without a displacement; a pair is two words of 4 or 8 bytes.
            let address = state.general[7] &- (kind.isAligned ? 16 : 0)
            state.general[0] = word(address)
            state.general[2] = word(address &+ UInt64(encoding.size))
        }

        var space = TestMemory(bytes: before, devices: 0..<0)
        var emulation = InstructionEmulation(code: bytes, state: state)
        let step = emulation.next(&space, answer: nil)
        if case .fault(let fault) = step {
            return kind.faults && fault.vector == 0 ? .faults : .different("the emulator faults: \(fault)")
        }
        guard case .finished(let emulated) = step else { return .different("\(step)") }

        load(state, &native)
        native_run(&native, memory.assumingMemoryBound(to: UInt8.self), bytes, UInt64(bytes.count))

        var expected = state
        expected.rip = base + UInt64(bytes.count)
        store(native, &expected)
        let undefined = kind.undefinedFlags(encoding, rcx: state.general[1])
        let flags = 0xCD5 & ~undefined
        if emulated.rip != expected.rip { return .different("RIP \(emulated.rip), not \(expected.rip)") }
        if emulated.rflags & flags != expected.rflags & flags {
            let was = String(state.rflags & 0xCD5, radix: 16)
            let (one, other) = (String(emulated.rflags & flags, radix: 16), String(expected.rflags & flags, radix: 16))
            return .different("flags 0x\(one), natively 0x\(other), before 0x\(was); \(hexadecimal(state.general))")
        }
        if emulated.general != expected.general {
            return .different("registers \(hexadecimal(emulated.general)), natively \(hexadecimal(expected.general))")
        }
        if emulated.xmm != expected.xmm { return .different("XMM registers") }
        for offset in window {
            let byte = memory.load(fromByteOffset: Int(offset), as: UInt8.self)
            if space.bytes[base + offset] != byte {
                return .different("the byte at \(offset) is \(space.bytes[base + offset] ?? 0), natively \(byte)")
            }
        }
        return space.bytes.count == before.count ? .same : .different("writes outside the window")
    }

    private static func load(_ state: GuestState, _ native: inout native_state) {
        native.rflags = state.rflags
        withUnsafeMutableBytes(of: &native.general) { bytes in
            for (number, value) in state.general.enumerated() {
                bytes.storeBytes(of: value, toByteOffset: number * 8, as: UInt64.self)
            }
        }
        withUnsafeMutableBytes(of: &native.xmm) { bytes in
            for (number, value) in state.xmm.enumerated() {
                bytes.storeBytes(of: value.low, toByteOffset: number * 16, as: UInt64.self)
                bytes.storeBytes(of: value.high, toByteOffset: number * 16 + 8, as: UInt64.self)
            }
        }
    }

    private static func store(_ native: native_state, _ state: inout GuestState) {
        state.rflags = native.rflags
        withUnsafeBytes(of: native.general) { bytes in
            for number in 0..<16 {
                state.general[number] = bytes.load(fromByteOffset: number * 8, as: UInt64.self)
            }
        }
        withUnsafeBytes(of: native.xmm) { bytes in
            for number in 0..<16 {
                state.xmm[number] = RegisterValue(
                    low: bytes.load(fromByteOffset: number * 16, as: UInt64.self),
                    high: bytes.load(fromByteOffset: number * 16 + 8, as: UInt64.self))
            }
        }
    }
}

private func hexadecimal(_ values: some Sequence<some FixedWidthInteger>) -> String {
    values.map { String($0, radix: 16) }.joined(separator: " ")
}
