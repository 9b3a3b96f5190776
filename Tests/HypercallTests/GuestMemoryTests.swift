import EmbeddedHypervisor
import HypercallABI
import HypercallCore
import Hypervisor
import Synchronization
import Testing

/// Guest memory in the embedded hypervisor, seen from both sides.
@Suite struct GuestMemoryTests {
    private let rwx: MapGPAFlags = [.readable, .writable, .executable]

    private func map(
        _ bench: Bench, _ id: PartitionID, at page: UInt64, _ flags: MapGPAFlags, count: Int, from source: UInt64
    ) -> HypercallFailure? {
        let stride: UInt64 = flags.contains(.largePage) ? 512 : 1
        do throws(HypercallFailure) {
            try bench.client.mapGPAPages(id, gpaPage: page, flags: flags, count: count) {
                bench.firstPage + source + UInt64($0) * stride
            }
            return nil
        } catch { return error }
    }

    private func unmap(
        _ bench: Bench, _ id: PartitionID, at page: UInt64, count: Int, large: Bool = false
    ) -> HypercallFailure? {
        do throws(HypercallFailure) {
            try bench.client.unmapGPAPages(id, gpaPage: page, flags: large ? .largePage : [], count: count)
            return nil
        } catch { return error }
    }

    @Test func oneEngineCallForEachRun() throws {
        let bench = try Bench()
        let id = try bench.activePartition()
        #expect(map(bench, id, at: 0x100, rwx, count: 400, from: 0) == nil)
        #expect(map(bench, id, at: 512 * 8, rwx.union(.largePage), count: 4, from: 512) == nil)
        let engine = try #require(bench.engine.partition(id))
        engine.state.withLock { state in
            #expect(state.mapCalls == 2)
            #expect(state.memory.extents.map(\.range) == [0x100..<0x290, 4096..<6144])
            #expect(state.memory[0x101] == FakeMemory(host: bench.firstPage + 1, access: GPAAccess.all.rawValue))
        }
        let statistics = try bench.hypervisor.memoryStatistics(of: id)
        #expect(statistics.mapped == 400 + 2048)
        #expect(statistics.extents == 2)
        #expect(statistics.used == 160 + 2, "two page tables for 400 small pages, none for large ones")
        #expect(unmap(bench, id, at: 0x100, count: 400) == nil)
        #expect(unmap(bench, id, at: 4096, count: 4, large: true) == nil)
        #expect(try bench.hypervisor.memoryStatistics(of: id).used == 160)
        #expect(bench.hypervisor.rootStatistics.allMapped == 0)
        #expect(engine.state.withLock { $0.complaints } == [])
    }

    @Test func flagsAndAlignment() throws {
        let bench = try Bench()
        let id = try bench.activePartition()
        func refused(_ flags: MapGPAFlags, at page: UInt64 = 0, from source: UInt64 = 0) -> HypercallStatus? {
            map(bench, id, at: page, flags, count: 1, from: source)?.status
        }
        #expect(refused(MapGPAFlags(rawValue: 0x101)) == .invalidParameter, "an unknown flag")
        #expect(refused([.writable]) == .invalidParameter, "writing without reading")
        #expect(refused([.executable]) == .invalidParameter, "executing without reading")
        #expect(refused([.readable, .largePage], at: 511) == .invalidParameter, "a guest page that is not aligned")
        #expect(refused([.readable, .largePage], from: 1) == .invalidParameter, "a source that is not aligned")
        #expect(refused([.readable], at: 1 << 40) == .invalidParameter, "behind 52 bits")
        #expect(refused([.readable], at: .max) == .invalidParameter)
        #expect(refused([.readable], from: 16384) == .invalidParameter, "not root memory")
        #expect(refused([.readable], from: 8192) == .operationDenied, "deposited")
        #expect(refused([.readable, .notCached, .adjustable], at: (1 << 40) - 1) == nil)
        #expect(unmap(bench, id, at: 1, count: 1, large: true)?.status == .invalidParameter)
        #expect(unmap(bench, id, at: (1 << 40) - 1, count: 2)?.status == .invalidParameter)
        let flags = bytes(of: UnmapGPAPagesInput(partition: id, gpaPage: 0, flags: UnmapGPAFlags(rawValue: 1)))
        #expect(bench.execute(ControlWord(.unmapGpaPages, repCount: 1), flags).0.status == .invalidParameter)
    }

    @Test func aMappedPageCannotBeDeposited() throws {
        let bench = try Bench()
        let id = try bench.activePartition()
        #expect(map(bench, id, at: 0, rwx, count: 4, from: 0) == nil)
        #expect(map(bench, id, at: 100, rwx, count: 1, from: 2) == nil, "the same page twice")
        #expect(bench.hypervisor.rootStatistics.allMapped == 5)
        #expect(status { try bench.client.depositMemory(bench.pages(3..<4), to: id) } == .operationDenied)
        #expect(unmap(bench, id, at: 0, count: 4) == nil)
        #expect(status { try bench.client.depositMemory(bench.pages(2..<3), to: id) } == .operationDenied)
        #expect(unmap(bench, id, at: 100, count: 1) == nil)
        #expect(status { try bench.client.depositMemory(bench.pages(0..<4), to: id) } == .success)
    }

    @Test func aMappingReplacesWhatWasThere() throws {
        let bench = try Bench()
        let id = try bench.activePartition()
        #expect(map(bench, id, at: 0, rwx.union(.largePage), count: 2, from: 0) == nil)
        #expect(map(bench, id, at: 510, [.readable], count: 4, from: 2000) == nil)
        let engine = try #require(bench.engine.partition(id))
        engine.state.withLock { state in
            #expect(state.memory.extents.map(\.range) == [0..<510, 510..<514, 514..<1024])
            #expect(state.memory[514]?.host == bench.firstPage + 514)
            #expect(state.complaints == [])
        }
        #expect(bench.hypervisor.rootStatistics.allMapped == 1024)
        #expect(try bench.hypervisor.memoryStatistics(of: id).used == 162, "both large pages are cut")
        // A large page makes it whole again.
        #expect(map(bench, id, at: 0, rwx.union(.largePage), count: 2, from: 0) == nil)
        #expect(try bench.hypervisor.memoryStatistics(of: id).used == 160)
        #expect(try bench.hypervisor.memoryStatistics(of: id).extents == 1)
    }

    @Test func rangesWithoutAccess() throws {
        let bench = try Bench()
        let id = try bench.activePartition()
        #expect(map(bench, id, at: 0, [.noAccess], count: 700, from: 999_999) == nil, "sources are ignored")
        let engine = try #require(bench.engine.partition(id))
        #expect(engine.state.withLock { $0.mapCalls } == 0)
        let statistics = try bench.hypervisor.memoryStatistics(of: id)
        #expect(statistics.mapped == 700)
        #expect(statistics.extents == 1)
        // Without any permission every access intercepts too, but the page is in use.
        #expect(map(bench, id, at: 0, [], count: 1, from: 0) == nil)
        #expect(engine.state.withLock { $0.mapCalls } == 0)
        #expect(bench.hypervisor.rootStatistics.allMapped == 1)
        #expect(unmap(bench, id, at: 0, count: 1000) == nil, "what is not mapped may be unmapped")
    }

    @Test func runningOutOfPageTables() throws {
        let bench = try Bench()
        let id = try bench.activePartition(deposit: 162)
        // Two page tables: the pages of 2 MiB and a bit, beginning in the middle of 2 MiB.
        let failure = map(bench, id, at: 256, rwx, count: 2000, from: 0)
        #expect(failure == HypercallFailure(code: .mapGpaPages, status: .insufficientMemory, repsCompleted: 768))
        #expect(try bench.hypervisor.memoryStatistics(of: id).mapped == 768)
        #expect(try bench.hypervisor.memoryStatistics(of: id).free == 0)
        // With one more it goes on from there.
        try bench.client.depositMemory(bench.pages(10_000..<10_001), to: id)
        #expect(map(bench, id, at: 1024, rwx, count: 512, from: 768) == nil)
        #expect(try bench.hypervisor.memoryStatistics(of: id).extents == 1)
        // Large pages cost nothing, but cutting one does.
        #expect(map(bench, id, at: 4096, rwx.union(.largePage), count: 1, from: 2048) == nil)
        #expect(unmap(bench, id, at: 4096, count: 1)?.status == .insufficientMemory)
        #expect(unmap(bench, id, at: 1024, count: 512) == nil)
        #expect(unmap(bench, id, at: 4096, count: 1) == nil)
        #expect(try bench.hypervisor.memoryStatistics(of: id).free == 0)
    }

    @Test func aSourceThatFailsInTheMiddle() throws {
        let bench = try Bench()
        let id = try bench.activePartition()
        // Sources 8190 and 8191 are free, from 8192 on they are deposited.
        let failure = map(bench, id, at: 0, rwx, count: 4, from: 8190)
        #expect(failure == HypercallFailure(code: .mapGpaPages, status: .operationDenied, repsCompleted: 2))
        let large = map(bench, id, at: 5120, rwx.union(.largePage), count: 3, from: 8192 - 512)
        #expect(large?.repsCompleted == 1)
        #expect(bench.hypervisor.rootStatistics.allMapped == 514)
    }

    @Test func anEngineThatCannotMap() throws {
        let bench = try Bench()
        let id = try bench.activePartition()
        let engine = try #require(bench.engine.partition(id))
        engine.state.withLock { $0.failsToMap = true }
        #expect(map(bench, id, at: 0, rwx, count: 4, from: 0)?.status == .operationFailed)
        #expect(bench.hypervisor.rootStatistics.allMapped == 0)
        #expect(try bench.hypervisor.memoryStatistics(of: id).used == 160)
    }

    @Test func finalizeFreesEverything() throws {
        let bench = try Bench()
        let id = try bench.activePartition()
        #expect(map(bench, id, at: 3, rwx, count: 5000, from: 0) == nil)
        try bench.client.createVP(CreateVPInput(partition: id, index: 0))
        try bench.client.finalizePartition(id)
        let statistics = try bench.hypervisor.memoryStatistics(of: id)
        #expect(statistics.used == 0)
        #expect(statistics.mapped == 0)
        #expect(bench.hypervisor.rootStatistics.allMapped == 0)
    }
}
