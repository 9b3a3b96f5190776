import EmbeddedHypervisor
import HypercallABI
import HypercallCore
import Hypervisor
import LinuxSystem
import Synchronization
import Testing

/// The life of a partition, its properties and its deposits.
@Suite struct PartitionLifeTests {
    @Test func statesInOrder() throws {
        let bench = try Bench()
        let client = bench.client
        let id = try client.createPartition(CreatePartitionInput(flags: []))
        #expect(id == PartitionID(rawValue: 7))

        // Before initialize.
        let vp = CreateVPInput(partition: id, index: 0)
        #expect(status { try client.createVP(vp) } == .invalidPartitionState)
        #expect(status { try map(bench, id, 0, [.readable], 1) } == .invalidPartitionState)
        #expect(status { try client.unmapGPAPages(id, gpaPage: 0, flags: [], count: 1) } == .invalidPartitionState)
        #expect(
            status { try client.setRegisters([RegisterAssociation(.rax, 1)], of: 0, in: id) } == .invalidPartitionState)
        #expect(status { _ = try client.registers([.rax], of: 0, in: id) } == .invalidPartitionState)
        #expect(status { try client.finalizePartition(id) } == .invalidPartitionState)
        #expect(throws: HypercallStatus.invalidPartitionState) { try bench.hypervisor.hotPath(of: id) }

        #expect(status { try client.initializePartition(id) } == .insufficientMemory)
        try client.depositMemory(bench.pages(8192..<8500), to: id)
        try client.initializePartition(id)
        #expect(status { try client.initializePartition(id) } == .invalidPartitionState)
        try client.createVP(vp)
        #expect(status { try client.deletePartition(id) } == .invalidPartitionState)

        try client.finalizePartition(id)
        #expect(status { try client.finalizePartition(id) } == .invalidPartitionState)
        #expect(status { try client.createVP(vp) } == .invalidPartitionState)
        #expect(status { try client.deletePartition(id) } == .invalidPartitionState, "deposits are not withdrawn")
        #expect(try client.withdrawMemory(from: id, maximum: .max).count == 308)
        try client.deletePartition(id)
        #expect(status { try client.deletePartition(id) } == .invalidPartitionId)
        #expect(status { try client.depositMemory(bench.pages(0..<1), to: id) } == .invalidPartitionId)
        #expect(try #require(bench.engine.partition(id)).state.withLock { $0.isClosed && $0.complaints == [] })
        #expect(try client.createPartition(CreatePartitionInput(flags: [])) == id, "the lowest free id is given again")
        #expect(try client.createPartition(CreatePartitionInput(flags: [])) == PartitionID(rawValue: id.rawValue + 1))
    }

    @Test func aPartitionThatWasNeverInitializedIsDeletedAtOnce() throws {
        let bench = try Bench()
        let id = try bench.client.createPartition(CreatePartitionInput(flags: []))
        try bench.client.deletePartition(id)
    }

    @Test func unknownPartitions() throws {
        let client = try Bench().client
        for id in [PartitionID.invalid, PartitionID(rawValue: 99)] {
            #expect(status { try client.initializePartition(id) } == .invalidPartitionId)
            #expect(status { try client.finalizePartition(id) } == .invalidPartitionId)
            #expect(status { try client.deletePartition(id) } == .invalidPartitionId)
            #expect(status { try client.depositMemory([0], to: id) } == .invalidPartitionId)
            #expect(status { _ = try client.withdrawMemory(from: id, maximum: 1) } == .invalidPartitionId)
            #expect(status { _ = try client.partitionProperty(.suspend, of: id) } == .invalidPartitionId)
            #expect(status { try client.setPartitionProperty(.suspend, of: id, to: 0) } == .invalidPartitionId)
            #expect(status { try client.createVP(CreateVPInput(partition: id, index: 0)) } == .invalidPartitionId)
            #expect(status { try client.deleteVP(0, of: id) } == .invalidPartitionId)
            #expect(status { _ = try client.registers([.rax], of: 0, in: id) } == .invalidPartitionId)
        }
        #expect(status { try client.initializePartition(.own) } == .invalidPartitionId)
    }

    @Test func creationRules() throws {
        let client = try Bench().client
        func create(_ change: (inout CreatePartitionInput) -> Void) -> HypercallStatus {
            var input = CreatePartitionInput(flags: [.lapicEnabled])
            change(&input)
            return status { _ = try client.createPartition(input) }
        }
        #expect(create { $0.flags = PartitionCreationFlags.known } == .success)
        #expect(create { $0.flags.insert(PartitionCreationFlags(rawValue: 1 << 40)) } == .invalidParameter)
        #expect(create { $0.compatibilityVersion = 0 } == .invalidParameter)
        #expect(create { $0.compatibilityVersion = 0x60A } == .invalidParameter)
        #expect(create { $0.isolation.type = 2 } == .featureUnavailable)
    }

    @Test func theRootsPool() throws {
        let bench = try Bench()
        let client = bench.client
        var made: [PartitionID] = []
        while status({ made.append(try client.createPartition(CreatePartitionInput(flags: []))) }) == .success {}
        #expect(made.count == 16)
        #expect(status { _ = try client.createPartition(CreatePartitionInput(flags: [])) } == .insufficientMemory)
        try client.depositMemory(bench.pages(0..<1), to: .own)
        made.append(try client.createPartition(CreatePartitionInput(flags: [])))
        #expect(try client.withdrawMemory(from: .own, maximum: 10) == [])
        for id in made { try client.deletePartition(id) }
        #expect(try client.withdrawMemory(from: .own, maximum: 10) == bench.pages(0..<1))
    }

    @Test func depositRules() throws {
        let bench = try Bench()
        let client = bench.client
        let id = try client.createPartition(CreatePartitionInput(flags: []))
        try client.depositMemory(bench.pages(0..<600), to: id)
        func failure(_ pages: [UInt64], to partition: PartitionID) -> HypercallFailure? {
            do throws(HypercallFailure) {
                try client.depositMemory(pages, to: partition)
                return nil
            } catch { return error }
        }
        // Twice, to the same and to an other.
        let other = try client.createPartition(CreatePartitionInput(flags: []))
        #expect(failure(bench.pages(599..<602), to: id)?.status == .operationDenied)
        #expect(failure(bench.pages(5..<6), to: other)?.status == .operationDenied)
        // Not root memory, at the end of a list that begins well.
        let outside = bench.firstPage + 16384
        let partial = failure(bench.pages(700..<703) + [outside, outside + 1], to: id)
        #expect(partial == HypercallFailure(code: .depositMemory, status: .invalidParameter, repsCompleted: 3))
        #expect(failure([.max], to: id)?.status == .invalidParameter)
        let statistics = try bench.hypervisor.memoryStatistics(of: id)
        #expect(statistics.deposited == 603)
        #expect(statistics.free == 603)
        #expect(bench.hypervisor.rootStatistics.allDeposited == 603)
        // Withdrawing gives exactly those.
        let back = try client.withdrawMemory(from: id, maximum: 10_000)
        #expect(Set(back) == Set(bench.pages(0..<600) + bench.pages(700..<703)))
        #expect(bench.hypervisor.rootStatistics.allDeposited == 0)
        #expect(status { try client.depositMemory(back, to: other) } == .success)
    }

    @Test func withdrawTellsTheEndOfThePool() throws {
        let bench = try Bench()
        let id = try bench.client.createPartition(CreatePartitionInput(flags: []))
        try bench.client.depositMemory(bench.pages(0..<3), to: id)
        let input = bytes(of: WithdrawMemoryInput(partition: id))
        let (result, output) = bench.execute(ControlWord(.withdrawMemory, repCount: 5), input, output: 40)
        #expect(result == ResultWord(.noResources, repsCompleted: 3))
        #expect(output[24..<40].allSatisfy { $0 == 0xEE })
        #expect(
            bench.execute(ControlWord(.withdrawMemory, repCount: 5), input, output: 40).0 == ResultWord(.noResources))
    }

    @Test func properties() throws {
        let bench = try Bench()
        let client = bench.client
        let id = try client.createPartition(
            CreatePartitionInput(flags: [], disabledFeatures0: 0b101, disabledXsaveFeatures: 1))
        #expect(try client.partitionProperty(.cpuWeight, of: id) == 100)
        try client.setPartitionProperty(.cpuWeight, of: id, to: 250)
        #expect(try client.partitionProperty(.cpuWeight, of: id) == 250)
        let own = try client.partitionProperty(.processorFeatures0, of: .own)
        #expect(try client.partitionProperty(.processorFeatures0, of: id) == own & ~0b101)
        #expect(try client.partitionProperty(.compatibilityVersion, of: id) == 0x609)
        func set(_ property: PartitionProperty, _ value: UInt64) -> HypercallStatus {
            status { try client.setPartitionProperty(property, of: id, to: value) }
        }
        #expect(set(.cpuWeight, 0) == .propertyValueOutOfRange)
        #expect(set(.physicalAddressWidth, 48) == .accessDenied)
        #expect(set(PartitionProperty(rawValue: 0x1234), 1) == .unknownProperty)
        #expect(status { _ = try client.partitionProperty(.vmmCapabilities, of: id) } == .unknownProperty)
        #expect(set(.processorsPerSocket, 2) == .success)
        try client.depositMemory(bench.pages(0..<208), to: id)
        try client.initializePartition(id)
        #expect(set(.processorsPerSocket, 4) == .invalidPartitionState)
        #expect(set(.cpuCap, 50_000) == .success)
    }

    @Test func anEngineThatFails() throws {
        let lines = Mutex<[String]>([])
        let hypervisor = EmbeddedHypervisor(
            engine: FakeEngine(failsToCreate: true), firstPartitionID: PartitionID(rawValue: 1),
            report: { line in lines.withLock { $0.append(line) } })
        #expect(throws: HypervisorError.self) { try Partition(on: hypervisor, flags: []) }
        #expect(lines.withLock { $0 } == ["partition 1: creating the partition: no processors today"])
        #expect(hypervisor.rootStatistics.allDeposited == 0, "nothing is left behind")
        #expect(hypervisor.hypercallCounts.contains(HypercallCount(code: .deletePartition, status: .success, count: 1)))
    }

    private func map(_ bench: Bench, _ id: PartitionID, _ page: UInt64, _ flags: MapGPAFlags, _ count: Int) throws {
        try bench.client.mapGPAPages(id, gpaPage: page, flags: flags, count: count) { bench.firstPage + UInt64($0) }
    }
}
