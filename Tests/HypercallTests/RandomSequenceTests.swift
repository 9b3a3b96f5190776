import EmbeddedHypervisor
import HypercallABI
import HypercallCore
import Hypervisor
import Synchronization
import Testing

/// A small generator with a seed (splitmix64), so that a failure can be repeated.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

/// Calls at random, sensible and not: nothing may trap, and what is deposited is free or used, what is mapped is
/// counted once, and an engine is never asked for what its contract forbids.
@Suite struct RandomSequenceTests {
    @Test(arguments: [1, 0xC0FFEE] as [UInt64])
    func invariantsHold(seed: UInt64) throws {
        print("random hypercalls: seed \(seed)")
        var random = SeededGenerator(seed: seed)
        let bench = try Bench(vpCount: 3)
        var ids: [PartitionID] = []
        for step in 0..<10_000 {
            makeCall(bench, &ids, &random)
            if step % 500 == 0 { try checkInvariants(bench, ids, step: step) }
        }
        try checkInvariants(bench, ids, step: 10_000)
        let counts = bench.hypervisor.hypercallCounts
        for code in Self.madeCalls {
            #expect(counts.contains { $0.code == code && $0.status == .success }, "\(code) never succeeded")
        }
        #expect(Set(counts.map(\.status)).count > 8)
    }

    /// Random bytes with a random control word for a known code.
    @Test func bytesOfNoMeaning() throws {
        var random = SeededGenerator(seed: 99)
        let bench = try Bench()
        var ids = [try bench.activePartition()]
        for step in 0..<10_000 {
            let code = CallCatalogue.codes.randomElement(using: &random) ?? .createVp
            let isRep = CallCatalogue.definition(of: code)?.form.repetition != nil
            var input = (0..<256).map { _ in UInt8.random(in: 0...255, using: &random) }
            // Often enough a partition that exists.
            if step % 2 == 0 { for index in 0..<8 { input[index] = index == 0 ? 7 : 0 } }
            if step % 4 == 0 { for index in 8..<32 { input[index] = 0 } }
            var control = ControlWord(
                code, repCount: isRep ? Int.random(in: 0...6, using: &random) : 0,
                repStart: isRep ? Int.random(in: 0...2, using: &random) : 0)
            if step % 16 == 0 { control.rawValue ^= 1 << UInt64.random(in: 16..<64, using: &random) }
            _ = bench.execute(
                control, Array(input[..<Int.random(in: 0...256, using: &random)]),
                output: Int.random(in: 0...128, using: &random))
        }
        ids = ids.filter { (try? bench.hypervisor.memoryStatistics(of: $0)) != nil }
        for id in ids { #expect(bench.engine.partition(id)?.state.withLock { $0.complaints } ?? [] == []) }
    }

    /// Those that `makeCall` makes.
    private static let madeCalls: [CallCode] = [
        .createPartition, .initializePartition, .finalizePartition, .deletePartition, .getPartitionProperty,
        .setPartitionProperty, .depositMemory, .withdrawMemory, .mapGpaPages, .unmapGpaPages, .createVp, .deleteVp,
        .getVpRegisters, .setVpRegisters,
    ]

    private func makeCall(_ bench: Bench, _ ids: inout [PartitionID], _ random: inout SeededGenerator) {
        let client = bench.client
        let id = ids.randomElement(using: &random) ?? PartitionID(rawValue: 3)
        let page = UInt64.random(in: 0..<4096, using: &random)
        let count = Int.random(in: 1...700, using: &random)
        let source = bench.firstPage + UInt64.random(in: 0..<17_000, using: &random)
        let vp = VPIndex.random(in: 0...3, using: &random)
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<3:
            if ids.count < 6, let new = try? client.createPartition(CreatePartitionInput(flags: [])) { ids.append(new) }
        case 3..<10: try? client.initializePartition(id)
        case 10..<11: try? client.finalizePartition(id)
        case 11..<14:
            if (try? client.deletePartition(id)) != nil { ids.removeAll { $0 == id } }
        case 14..<28:
            let target = Int.random(in: 0..<10, using: &random) == 0 ? PartitionID.own : id
            try? client.depositMemory((0..<UInt64(count)).map { source + $0 }, to: target)
        case 28..<32: _ = try? client.withdrawMemory(from: id, maximum: count)
        case 32..<55:
            var flags: MapGPAFlags = [[.readable], [.readable, .writable], [], [.noAccess]][Int(page % 4)]
            if source % 32 == 0 { flags = MapGPAFlags(rawValue: UInt32(truncatingIfNeeded: random.next())) }
            try? client.mapGPAPages(id, gpaPage: page, flags: flags, count: count) { index in
                // Runs of 64 pages from different places.
                bench.firstPage + ((source - bench.firstPage) + UInt64(index / 64) * 3001 + UInt64(index)) % 16_500
            }
        case 55..<62:
            let base = page / 512 * 512
            try? client.mapGPAPages(id, gpaPage: base, flags: [.readable, .largePage], count: Int(page % 5) + 1) {
                index in
                bench.firstPage + (source % 32 + UInt64(index)) * 512
            }
        case 62..<74:
            let isLarge = page % 3 == 0
            try? client.unmapGPAPages(
                id, gpaPage: isLarge ? page / 512 * 512 : page, flags: isLarge ? .largePage : [],
                count: isLarge ? count % 4 + 1 : count)
        case 74..<82: try? client.createVP(CreateVPInput(partition: id, index: vp))
        case 82..<84: try? client.deleteVP(vp, of: id)
        case 84..<88: _ = try? client.registers([.rax, .vpIndex, .explicitSuspend], of: vp, in: id)
        case 88..<92:
            try? client.setRegisters([RegisterAssociation(.explicitSuspend, page % 3)], of: vp, in: id)
        case 92..<96: try? client.setPartitionProperty(.suspend, of: id, to: page % 3)
        default: _ = try? client.partitionProperty(PartitionProperty(rawValue: 0x20000 + UInt32(page % 8)), of: id)
        }
    }

    private func checkInvariants(_ bench: Bench, _ ids: [PartitionID], step: Int) throws {
        let root = bench.hypervisor.rootStatistics
        var deposited = root.deposited
        var backed: UInt64 = 0
        for id in ids {
            let statistics = try bench.hypervisor.memoryStatistics(of: id)
            #expect(statistics.deposited == statistics.free + statistics.used, "step \(step)")
            #expect(statistics.used <= statistics.deposited, "step \(step)")
            deposited += statistics.deposited
            backed += statistics.backed
            if let engine = bench.engine.partition(id) {
                engine.state.withLock { state in
                    #expect(state.complaints == [], "step \(step)")
                    #expect(state.isClosed || state.memory.pageCount <= statistics.backed, "step \(step)")
                }
            }
        }
        #expect(deposited == root.allDeposited, "step \(step): pools and ownership agree")
        #expect(backed == root.allMapped, "step \(step): maps and ownership agree")
    }
}
