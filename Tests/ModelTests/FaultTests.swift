import HypercallABI
import HypercallCore
import HypercallModel
import Testing

/// The random test can fail: a hypervisor with a bug is told apart soon, and what shows the bug is cut down to a few
/// calls.
@Suite(.serialized) struct FaultTests {
    @Test(arguments: FaultyPort.Fault.allCases)
    fileprivate func faultsAreFoundAndShrunk(_ fault: FaultyPort.Fault) throws {
        var seeds = ModelRandom(seed: 2026)
        var found: ModelFailure?
        for _ in 0..<100 where found == nil {
            var tally: [UInt32: Int] = [:]
            found = ModelRun.random(seed: seeds.next(), calls: 500, tally: &tally) { FaultyPort(fault, $0) }
        }
        let failure = try #require(found, "50,000 calls did not show it")
        // The sequence alone shows the bug again, and without the bug shows nothing.
        let shrunk = ModelRun.shrink(failure) { configuration, calls in
            ModelRun.replay(configuration, calls, thorough: calls.count < 40) { FaultyPort(fault, $0) }
        }
        print("\(fault): \(shrunk.report)")
        #expect(shrunk.calls.count <= Self.mostCalls(fault), "\(shrunk.report)")
        #expect(shrunk.calls.count < failure.calls.count || failure.calls.count == 1)
        #expect(ModelRun.replay(shrunk.configuration, shrunk.calls, thorough: true) == nil)
    }

    /// What shows each at the least: a partition, its deposit, its start, a processor or a page, and what goes wrong.
    private static func mostCalls(_ fault: FaultyPort.Fault) -> Int {
        switch fault {
        case .depositsOnlyTheFirst: 2
        case .thirdPropertyIsLost: 4
        case .registerReadsAnother, .unmapsOneTooFew: 6
        case .wrongStatus: 6
        }
    }
}
