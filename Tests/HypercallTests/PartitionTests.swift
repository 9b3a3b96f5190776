import EmbeddedHypervisor
import HypercallABI
import HypercallCore
import Hypervisor
import JSON
import LinuxSystem
import Synchronization
import Testing

/// The owner's side: deposits as Linux's driver makes them, and a life that leaves nothing behind.
@Suite struct PartitionTests {
    private let mebibyte = 1 << 20

    private func counts(_ bench: Bench, _ code: CallCode) -> [HypercallStatus: UInt64] {
        Dictionary(
            uniqueKeysWithValues: bench.hypervisor.hypercallCounts.filter { $0.code == code }
                .map { ($0.status, $0.count) })
    }

    @Test func wholeLife() throws {
        let bench = try Bench()
        let partition = try Partition(on: bench.hypervisor, flags: [.lapicEnabled]) { id throws(HypervisorError) in
            try bench.hypervisor.setEngineParameters(vpCount: 2, simulation: SimulationModel(seed: 42), for: id)
        }
        let engine = try #require(bench.engine.partition(partition.id))
        #expect(engine.configuration.vpCount == 2)
        #expect(engine.configuration.simulation.seed == 42)
        #expect(partition.depositedBytes == 208 * 4096)
        try partition.createVP(0)
        try partition.createVP(1)
        #expect(throws: HypervisorError.self) { try partition.createVP(2) }
        #expect(partition.depositedBytes == (208 + 3 * 90) * 4096)
        try partition.map(gpa: 0, memory: bench.memory.base, count: 32 * mebibyte, writable: true)
        #expect(partition.mappedBytes == UInt64(32 * mebibyte))
        #expect(engine.state.withLock { $0.mapCalls } == 1)
        try partition.setRegisters([RegisterAssociation(.rip, 0xFFF0)], vp: 0)
        #expect(try partition.registers([.rip], vp: 0) == [RegisterValue(0xFFF0)])
        try partition.suspend(0)
        try partition.suspend(0)
        try partition.resume(0)
        _ = try partition.hotPath.virtualProcessor(1)
        let statistics = try bench.hypervisor.memoryStatistics(of: partition.id)
        #expect(statistics.deposited * 4096 == partition.depositedBytes)

        let id = partition.id
        partition.destroy()
        partition.destroy()
        #expect(throws: HypercallStatus.invalidPartitionId) { try bench.hypervisor.memoryStatistics(of: id) }
        #expect(bench.hypervisor.rootStatistics == (0, 0, 0, 0))
        #expect(partition.depositedBytes == 0)
        #expect(partition.mappedBytes == 0)
        engine.state.withLock { state in
            #expect(state.complaints == [])
            #expect(state.isClosed)
        }
        #expect(throws: HypervisorError.self) { try partition.createVP(1) }
    }

    @Test func depositCountsAreLinuxs() throws {
        let bench = try Bench(vpCount: 64)
        guard case .object(let table)? = try Fixture.json("hypercall_control.json")["linux_deposit_counts"] else {
            throw FixtureError("linux_deposit_counts")
        }
        func count(_ name: String) throws -> UInt64 { try #require(table[name]?.uint64) }
        let partition = try Partition(on: bench.hypervisor, flags: [])
        #expect(partition.depositedBytes == (try count("initialize_partition")) * 4096)
        let before = partition.depositedBytes
        try partition.createVP(0)
        #expect(partition.depositedBytes - before == (try count("create_vp")) * 4096)
        // Use up what is left, so that mapping one small page runs out.
        let free = try bench.hypervisor.memoryStatistics(of: partition.id).free
        _ = try HypercallClient(bench.hypervisor.port).withdrawMemory(from: partition.id, maximum: Int(free))
        let empty = partition.depositedBytes
        try partition.map(gpa: 0, memory: bench.memory.base, count: 4096, writable: true)
        #expect(partition.depositedBytes - empty == (try count("map_gpa_pages")) * 4096)
        #expect(counts(bench, .mapGpaPages) == [.success: 1, .insufficientMemory: 1])
    }

    /// The root's pool runs out at the seventeenth partition; each further one takes one page.
    @Test func manyPartitions() throws {
        let bench = try Bench()
        let partitions = try (0..<40).map { _ in try Partition(on: bench.hypervisor, flags: []) }
        #expect(Set(partitions.map(\.id)).count == 40)
        #expect(counts(bench, .createPartition) == [.success: 40, .insufficientMemory: 24])
        #expect(bench.hypervisor.rootStatistics.deposited == 24)
        #expect(bench.hypervisor.rootStatistics.allDeposited == 24 + 40 * 208)
        for partition in partitions { partition.destroy() }
        #expect(bench.hypervisor.rootStatistics.used == 0)
        #expect(bench.hypervisor.rootStatistics.allDeposited == 24, "the root keeps its own")
    }

    /// Alignment decides how memory is mapped; the hypercalls show it.
    @Test func alignment() throws {
        let bench = try Bench()
        let partition = try Partition(on: bench.hypervisor, flags: [])
        let memory = bench.memory.base
        // Congruent, not aligned: small, large, small.
        try partition.map(
            gpa: UInt64(3 * mebibyte), memory: memory + mebibyte, count: 6 * mebibyte, writable: false)
        let engine = try #require(bench.engine.partition(partition.id))
        #expect(engine.state.withLock { $0.mapCalls } == 3)
        #expect(engine.state.withLock { $0.memory[768]?.access } == GPAAccess.execute.rawValue)
        #expect(try bench.hypervisor.memoryStatistics(of: partition.id).used == 160 + 2)
        // Not congruent: small pages only.
        try partition.map(gpa: UInt64(16 * mebibyte), memory: memory + 4096, count: 4 * mebibyte, writable: true)
        #expect(try bench.hypervisor.memoryStatistics(of: partition.id).used == 160 + 4)
        try partition.unmap(gpa: UInt64(3 * mebibyte), count: UInt64(6 * mebibyte))
        #expect(partition.mappedBytes == UInt64(4 * mebibyte))
        // A part of it.
        try partition.unmap(gpa: UInt64(17 * mebibyte), count: UInt64(mebibyte))
        #expect(partition.mappedBytes == UInt64(3 * mebibyte))
        try partition.map(gpa: UInt64(17 * mebibyte), memory: memory, count: 4096, writable: true)
        #expect(engine.state.withLock { $0.complaints } == [])
    }

    @Test func refusals() throws {
        let bench = try Bench()
        let partition = try Partition(on: bench.hypervisor, flags: [])
        let memory = bench.memory.base
        try partition.map(gpa: 0, memory: memory, count: 8192, writable: true)
        func message(_ body: () throws -> Void) -> String {
            do {
                try body()
                return ""
            } catch { return "\(error)" }
        }
        #expect(
            message { try partition.map(gpa: 4096, memory: memory, count: 4096, writable: true) }
                == "partition 7: guest address 0x1000 has memory already; unmap it first")
        #expect(
            message { try partition.map(gpa: 1, memory: memory, count: 4096, writable: true) }
                .contains("must be multiples of 4096"))
        #expect(message { try partition.map(gpa: 0, memory: memory, count: 0, writable: true) } != "")
        #expect(
            message { try partition.map(gpa: .max & ~4095, memory: memory, count: 8192, writable: true) }
                == "partition 7: mapping guest address 0xfffffffffffff000: "
                + "HvCallMapGpaPages failed with HV_STATUS_INVALID_PARAMETER")
        #expect(
            message { try partition.setRegisters([RegisterAssociation(RegisterName(rawValue: 9), 1)], vp: 0) }
                == "processor 0 of partition 7 setting register 0x9: "
                + "HvCallSetVpRegisters failed with HV_STATUS_INVALID_VP_INDEX")
        #expect(partition.mappedBytes == 8192)
        #expect(bench.hypervisor.rootStatistics.allMapped == 2)
    }

    @Test func theLastReferencesEndDestroys() throws {
        let bench = try Bench()
        var partition: Partition? = try Partition(on: bench.hypervisor, flags: [])
        try partition?.createVP(0)
        try partition?.map(gpa: 0, memory: bench.memory.base, count: 4096, writable: true)
        partition = nil
        #expect(bench.hypervisor.rootStatistics == (0, 0, 0, 0))
        // What was registered for the mapping is not any more; the bench's own registration stays.
        let next = try Partition(on: bench.hypervisor, flags: [])
        try next.map(gpa: 0, memory: bench.memory.base, count: 4096, writable: true)
    }

    /// Several threads make and destroy partitions in one hypervisor.
    @Test func concurrency() throws {
        let bench = try Bench(vpCount: 2)
        let failures = Mutex<[String]>([])
        let threads = try (0..<4).map { thread in
            try SystemThread(name: "test-\(thread)") {
                do {
                    for round in 0..<60 {
                        let partition = try Partition(on: bench.hypervisor, flags: [])
                        try partition.createVP(0)
                        let offset = (thread * 60 + round) % 64 * (1 << 19)
                        try partition.map(gpa: 0, memory: bench.memory.base + offset, count: 1 << 19, writable: true)
                        if round % 3 != 0 { partition.destroy() }
                    }
                } catch {
                    failures.withLock { $0.append("\(error)") }
                }
            }
        }
        for thread in threads { thread.join() }
        #expect(failures.withLock { $0 } == [])
        let root = bench.hypervisor.rootStatistics
        #expect(root.used == 0)
        #expect(root.allMapped == 0)
        #expect(root.allDeposited == root.deposited)
    }
}
