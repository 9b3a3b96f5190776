import DeviceFuzzing
import EmulatorFuzzing
import FuzzSupport
import HypercallFuzzing
import InstructionFuzzing
import Testing

/// What the fuzzers (scripts/fuzz) found worth keeping, once more: nothing may trap or say that something was wrong.
@Suite struct CorpusTests {
    private static let targets: [(name: String, run: @Sendable (UnsafeRawBufferPointer) -> Bool)] = [
        ("hypercalls", { HypercallFuzzing.run($0) }), ("messages", { MessageFuzzing.run($0) }),
        ("instructions", { InstructionFuzzing.run($0) }), ("emulator", { EmulatorFuzzing.run($0) }),
        ("queues", { QueueFuzzing.run($0) }), ("devices", { MachineFuzzing.run($0) }),
    ]

    @Test(arguments: targets.indices) func replays(_ index: Int) throws {
        let target = Self.targets[index]
        let inputs = try #require(
            Corpus.inputs(target.name), "Tests/Fuzz/Corpus/\(target.name) is not there or cut off")
        #expect(!inputs.isEmpty)
        for (number, input) in inputs.enumerated() {
            #expect(input.withUnsafeBytes(target.run), "\(target.name), input \(number): \(input)")
        }
    }
}
