import HypercallABI
import HypercallCore

/// A sequence of calls in which hypervisor and model differ.
package struct ModelFailure {
    package var configuration: ModelConfiguration
    package var calls: [ModelCall]
    /// At which call, and what.
    package var step: Int
    package var difference: String

    package init(_ configuration: ModelConfiguration, calls: [ModelCall], step: Int, difference: String) {
        self.configuration = configuration
        self.calls = calls
        self.step = step
        self.difference = difference
    }

    /// The sequence as a list to read.
    package var report: String {
        var lines = ["after \(step + 1) of \(calls.count) calls: \(difference)"]
        for (index, call) in calls.enumerated() { lines.append("  \(index). \(call)") }
        return lines.joined(separator: "\n")
    }
}

package enum ModelRun {
    /// Calls after which the counts are compared; all else is at the end of a sequence.
    private static let countsEvery = 16

    /// Makes a sequence of so many calls anew.
    ///
    /// - Parameter tally: counts the calls by code and status.
    package static func random(
        seed: UInt64, calls count: Int, tally: inout [UInt32: Int], wrapper: ModelBench.Wrapper = { $0 }
    ) -> ModelFailure? {
        var generator = ModelGenerator(seed: seed)
        let configuration = ModelConfiguration(kind: generator.random.next())
        var bench = ModelBench(configuration, wrapper: wrapper)
        var calls: [ModelCall] = []
        calls.reserveCapacity(count)
        for step in 0..<count {
            let call = generator.call(for: bench.model)
            calls.append(call)
            if let difference = bench.make(call) {
                return ModelFailure(configuration, calls: calls, step: step, difference: difference)
            }
            tally[UInt32(call.control.code.rawValue) << 16 | UInt32(bench.lastStatus.rawValue), default: 0] += 1
            if step % countsEvery == 0, let difference = bench.compareCounts() {
                return ModelFailure(configuration, calls: calls, step: step, difference: difference)
            }
        }
        return bench.compareAll().map { ModelFailure(configuration, calls: calls, step: count - 1, difference: $0) }
    }

    /// Makes given calls, and compares everything after each: a shrunk sequence is short.
    package static func replay(
        _ configuration: ModelConfiguration, _ calls: [ModelCall], thorough: Bool,
        wrapper: ModelBench.Wrapper = { $0 }
    ) -> ModelFailure? {
        var bench = ModelBench(configuration, wrapper: wrapper)
        for (step, call) in calls.enumerated() {
            if let difference = bench.make(call) ?? (thorough ? bench.compareAll() : nil) {
                return ModelFailure(configuration, calls: Array(calls[...step]), step: step, difference: difference)
            }
        }
        return bench.compareAll().map {
            ModelFailure(configuration, calls: calls, step: calls.count - 1, difference: $0)
        }
    }

    // MARK: Shrinking

    /// Takes away what a failure does not need: calls first (delta debugging: halves, quarters, ... single calls), then
    /// repetitions, then words of the inputs.
    ///
    /// - Parameter check: makes calls anew and tells how they fail.
    package static func shrink(
        _ failure: ModelFailure,
        check: (ModelConfiguration, [ModelCall]) -> ModelFailure? = { replay($0, $1, thorough: $1.count < 40) }
    ) -> ModelFailure {
        var best = failure
        func fails(_ calls: [ModelCall]) -> Bool {
            guard !calls.isEmpty, let new = check(failure.configuration, calls) else { return false }
            best = new
            return true
        }
        guard fails(best.calls) else { return failure }
        shrinkCalls({ best.calls }, fails)
        lowerPartitions(failure.configuration, { best.calls }, fails)
        shrinkArguments({ best.calls }, fails)
        return best
    }

    /// - Parameter current: the shortest sequence so far, which `fails` replaces.
    private static func shrinkCalls(_ current: () -> [ModelCall], _ fails: ([ModelCall]) -> Bool) {
        var size = max(1, current().count / 2)
        while true {
            var start = 0
            var isShorter = false
            while start < current().count {
                var calls = current()
                calls.removeSubrange(start..<min(start + size, calls.count))
                if fails(calls) { isShorter = true } else { start += size }
            }
            if size == 1, !isShorter { break }
            size = max(1, size / 2)
        }
    }

    /// Takes away partitions that are only there so that a later one gets its id: the others are called by the id below.
    private static func lowerPartitions(
        _ configuration: ModelConfiguration, _ current: () -> [ModelCall], _ fails: ([ModelCall]) -> Bool
    ) {
        var index = 0
        while index < current().count {
            var calls = current()
            guard calls[index].control.code == .createPartition else {
                index += 1
                continue
            }
            calls.remove(at: index)
            for place in calls.indices where calls[place].control.code != .createPartition {
                for offset in [0, 8, 16] {
                    let id = calls[place].word64(offset)
                    if id > configuration.firstPartition, configuration.partitionIDs.contains(id) {
                        calls[place].set64(offset, id - 1)
                    }
                }
            }
            if !fails(calls) { index += 1 }
        }
    }

    /// - Parameter current: the shortest sequence so far, which `fails` replaces.
    private static func shrinkArguments(_ current: () -> [ModelCall], _ fails: ([ModelCall]) -> Bool) {
        for index in current().indices {
            // The start first, then the end of a list; then each word becomes 0.
            for change in [shortenToHalf, shortenByOne] {
                while index < current().count {
                    var calls = current()
                    guard change(&calls[index]), fails(calls) else { break }
                }
            }
            var offset = 0
            while index < current().count, offset + 8 <= min(current()[index].input.count, 256) {
                var calls = current()
                if calls[index].word64(offset) != 0 {
                    calls[index].set64(offset, 0)
                    _ = fails(calls)
                }
                offset += 8
            }
        }
    }

    private static func shortenToHalf(_ call: inout ModelCall) -> Bool { setCount(call.control.repCount / 2, &call) }
    private static func shortenByOne(_ call: inout ModelCall) -> Bool { setCount(call.control.repCount - 1, &call) }

    private static func setCount(_ count: Int, _ call: inout ModelCall) -> Bool {
        guard count > 0, count < call.control.repCount, call.control.repStart < count else { return false }
        call.control.rawValue = call.control.rawValue & ~(0xFFF << 32) | UInt64(count) << 32
        return true
    }
}
