import InstructionFuzzing
import Testing

/// Random bytes through the fuzzer's entry (Tests/FuzzTests has what it found): nothing may trap, and every emulation
/// ends.
@Suite struct FuzzingTests {
    @Test func randomInputsEnd() {
        let seed = UInt64.random(in: 0...UInt64.max)
        #expect(run(seed: seed, inputs: 50_000) == nil, "seed \(seed)")
    }

    @Test func randomInputsOfAFixedSeedEnd() { #expect(run(seed: 2, inputs: 50_000) == nil) }

    /// - Returns: the first input that does not end.
    private func run(seed: UInt64, inputs: Int) -> [UInt8]? {
        var numbers = SeededNumbers(seed: seed)
        let opcodes = NativeInstructions.all.filter { !$0.opcode.isEmpty }
        for _ in 0..<inputs {
            var bytes = (0..<Int(numbers.next() % 160)).map { _ in UInt8(truncatingIfNeeded: numbers.next()) }
            // Random bytes are seldom an emulated instruction: most inputs begin with one (the first byte is the mode).
            if numbers.next() & 3 != 0 {
                let kind = opcodes[Int(numbers.next() % UInt64(opcodes.count))]
                bytes.insert(contentsOf: kind.encode(&numbers).bytes, at: min(1, bytes.count))
            }
            if !bytes.withUnsafeBytes({ InstructionFuzzing.run($0) }) { return bytes }
        }
        return nil
    }
}
