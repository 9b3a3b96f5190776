import Glibc
import HypercallABI
import HypercallCore
import HypercallModel
import Testing

/// The hypervisor against the model, over random calls. `HVROOT_MODEL_SEED` repeats a run, `HVROOT_MODEL_CALLS` makes
/// it longer or shorter.
@Suite(.serialized) struct ModelTests {
    private static let callsInASequence = 500

    private static func setting(_ name: String) -> UInt64? {
        guard let value = getenv(name) else { return nil }
        // Sound: the environment does not change while tests run, and the text is copied at once.
        return UInt64(String(cString: value))
    }

    @Test func randomSequences() throws {
        let seed = Self.setting("HVROOT_MODEL_SEED") ?? ModelRandom.fresh()
        let total = Int(clamping: Self.setting("HVROOT_MODEL_CALLS") ?? 1_000_000)
        print("random hypercalls against the model: HVROOT_MODEL_SEED=\(seed) HVROOT_MODEL_CALLS=\(total)")
        var seeds = ModelRandom(seed: seed)
        var tally: [UInt32: Int] = [:]
        var made = 0
        // What chance left out comes in a longer run.
        while made < total || made < 3 * total && Self.isReachable(within: total) && !Self.unreached(tally).isEmpty {
            let failure = ModelRun.random(seed: seeds.next(), calls: Self.callsInASequence, tally: &tally)
            if let failure {
                let shrunk = ModelRun.shrink(failure)
                Issue.record("HVROOT_MODEL_SEED=\(seed): hypervisor and model differ \(shrunk.report)")
                return
            }
            made += Self.callsInASequence
        }
        report(tally)
        guard Self.isReachable(within: total) else { return }
        // What is never reached is not tested: every call has to succeed and to fail.
        #expect(Self.unreached(tally) == [])
        for code in Model.coveredCodes where !Self.neverSucceed.contains(CallCode(rawValue: code)) {
            #expect(
                tally[UInt32(code) << 16, default: 0] > total / 40_000,
                "\(CallCode(rawValue: code)) hardly ever succeeds")
        }
    }

    private static func isReachable(within total: Int) -> Bool { total >= 500_000 }

    /// The statuses of the catalogue that no call ended with.
    private static func unreached(_ tally: [UInt32: Int]) -> [String] {
        Model.coveredCodes.flatMap { code in
            let name = CallCode(rawValue: code)
            return (CallCatalogue.definition(of: name)?.statuses ?? [])
                .filter {
                    !isUnreachable($0, by: name) && tally[UInt32(code) << 16 | UInt32($0.rawValue)] == nil
                }
                .map { "\(name) never ends with \($0)" }
        }
    }

    /// The model's engine never fails, and a sequence is too short for the most results.
    private static func isUnreachable(_ status: HypercallStatus, by code: CallCode) -> Bool {
        switch status {
        case .operationFailed,
            .noResources where code == .registerInterceptResult || code == .mapDeviceInterrupt,
            .insufficientDeviceDomains:
            true
        // The model's engine has no registers with bits that can't be set.
        case .invalidRegisterValue: code == .startVp
        default: false
        }
    }

    /// What they ask for does not exist here.
    private static let neverSucceed: Set<CallCode> = [
        .enableVpVtl, .releaseSparseSpaPageHostAccess, .importIsolatedPages, .completeIsolatedImport,
        .issueSnpPspGuestRequest,
    ]

    private func report(_ tally: [UInt32: Int]) {
        for key in tally.keys.sorted() {
            let code = CallCode(rawValue: UInt16(truncatingIfNeeded: key >> 16))
            guard Model.coveredCodes.contains(code.rawValue), let count = tally[key] else { continue }
            print("  \(code) \(HypercallStatus(rawValue: UInt16(truncatingIfNeeded: key))): \(count)")
        }
    }

    /// Calls that the model does not know yet, and why.
    private static let excluded: [CallCode: String] = [
        .translateVirtualAddress: "a page walk, which is a model of its own: TranslationTests go through its cases",
        .translateVirtualAddressEx: "as HvCallTranslateVirtualAddress",
        .dispatchVp: "runs guest code: tested where processors run",
        .getLogicalProcessorRunTime: "tells the host's clock",
    ]

    @Test func everyCallIsCoveredOrExcluded() {
        for code in CallCatalogue.codes {
            let isCovered = Model.coveredCodes.contains(code.rawValue)
            #expect(isCovered != (Self.excluded[code] != nil), "\(code): either in the model or excluded with a reason")
        }
        for code in Model.coveredCodes { #expect(CallCatalogue.codes.contains(CallCode(rawValue: code))) }
    }

    /// The test can fail: a model that expects something else is told apart, and its failure is shrunk to what matters.
    @Test func differencesAreFoundAndShrunk() throws {
        var generator = ModelGenerator(seed: 1)
        var bench = ModelBench()
        var calls: [ModelCall] = []
        for _ in 0..<200 {
            let call = generator.call(for: bench.model)
            calls.append(call)
            #expect(bench.make(call) == nil)
        }
        #expect(ModelRun.replay(ModelConfiguration(), calls, thorough: false) == nil)
        // An answer that is not the hypervisor's.
        var model = Model(ModelConfiguration())
        let creation = try #require(calls.first { $0.control.code == .createPartition && $0.input.count == 56 })
        let wrong = ModelAnswer(result: ResultWord(.timeOut), output: [])
        #expect(model.follow(creation, wrong)?.contains("HV_STATUS_TIME_OUT") == true)
        let shrunk = ModelRun.shrink(ModelFailure(ModelConfiguration(), calls: calls, step: 199, difference: "none")) {
            configuration, calls in
            // "Fails" where partition 7 is made and a property of it is set.
            guard calls.contains(where: { $0.control.code == .createPartition }),
                let last = calls.lastIndex(where: { $0.control.code == .setPartitionProperty })
            else { return nil }
            return ModelFailure(configuration, calls: calls, step: last, difference: "of the test")
        }
        #expect(shrunk.calls.count == 2)
        #expect(shrunk.report.contains("HvCallSetPartitionProperty") || shrunk.report.contains("1. "))
    }
}
