import EmbeddedHypervisor
import HypercallABI
import HypercallCore
import Hypervisor
import LinuxSystem
import Testing

/// Statistics pages.
@Suite struct StatisticsTests {
    private func counter<Counter: StatisticsCounter>(
        _ counter: Counter, _ bench: TouchableBench, _ page: UInt64
    ) -> UInt64 {
        let bytes = bench.bytes(ofPage: page)[counter.byteOffset..<(counter.byteOffset + 8)]
        return bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    @Test func countersInTheCallersPage() throws {
        let bench = try TouchableBench()
        let client = bench.client
        let pages = bench.scratch(4)
        for page in pages { bench.fill(page: page, 0xEE) }
        try client.mapStatisticsPage(.hypervisor, at: pages[0])
        try client.mapStatisticsPage(.logicalProcessor(0), at: pages[1])
        try client.mapStatisticsPage(.partition(bench.id), at: pages[2])
        try client.mapStatisticsPage(.virtualProcessor(0, of: bench.id), at: pages[3])
        // Right at once, and what nobody counts is zero.
        #expect(counter(HypervisorCounter.partitions, bench, pages[0]) == 1)
        #expect(counter(HypervisorCounter.virtualProcessors, bench, pages[0]) == 1)
        #expect(counter(HypervisorCounter.totalPages, bench, pages[0]) == 16 + 1024)
        #expect(counter(HypervisorCounter.monitoredNotifications, bench, pages[0]) == 0)
        #expect(counter(HypervisorCounter.logicalProcessors, bench, pages[0]) >= 1)
        #expect(counter(LogicalProcessorCounter.globalTime, bench, pages[1]) > 0)
        #expect(counter(LogicalProcessorCounter.totalRunTime, bench, pages[1]) > 0)
        #expect(counter(PartitionCounter.virtualProcessors, bench, pages[2]) == 1)
        #expect(counter(PartitionCounter.partitionId, bench, pages[2]) == bench.id.rawValue)
        #expect(counter(PartitionCounter.gpaPages, bench, pages[2]) == UInt64(TouchableBench.pageCount))
        #expect(counter(PartitionCounter.depositedPages, bench, pages[2]) == 1024)
        #expect(bench.bytes(ofPage: pages[3]).allSatisfy { $0 == 0 })

        try client.createVP(CreateVPInput(partition: bench.id, index: 1))
        bench.bench.hypervisor.refreshStatistics()
        #expect(counter(HypervisorCounter.virtualProcessors, bench, pages[0]) == 2)
        #expect(counter(PartitionCounter.virtualProcessors, bench, pages[2]) == 2)
        // By itself, too.
        try client.deleteVP(1, of: bench.id)
        #expect(eventually { counter(PartitionCounter.virtualProcessors, bench, pages[2]) == 1 })

        try client.unmapStatisticsPage(.partition(bench.id))
        bench.fill(page: pages[2], 0x11)
        bench.bench.hypervisor.refreshStatistics()
        #expect(bench.bytes(ofPage: pages[2]).allSatisfy { $0 == 0x11 }, "no longer the hypervisor's to write")
    }

    @Test func exitsOfAProcessor() throws {
        let bench = try TouchableBench()
        let page = bench.scratch(1)[0]
        let engine = try #require(bench.bench.engine.partition(bench.id)?.processor(0))
        try bench.client.mapStatisticsPage(.virtualProcessor(0, of: bench.id), at: page)
        let processor = try bench.bench.hypervisor.hotPath(of: bench.id).virtualProcessor(0)
        for exit in [
            VPExit.portRead(port: 1, size: 1), .portWrite(port: 1, size: 1, value: 2), .mmioRead(gpa: 1 << 40, size: 4),
        ] {
            engine.give(exit)
            #expect(processor.run() == exit)
        }
        bench.bench.hypervisor.refreshStatistics()
        #expect(counter(VPCounter.ioInstructionsCount, bench, page) == 2)
        #expect(counter(VPCounter.ioInterceptMessages, bench, page) == 2)
        #expect(counter(VPCounter.memoryInterceptMessages, bench, page) == 1)
        #expect(counter(VPCounter.logicalProcessorDispatches, bench, page) == 3)
        #expect(counter(VPCounter.hltInstructionsCount, bench, page) == 0)
    }

    @Test func pagesOfTheHypervisor() throws {
        let bench = try TouchableBench()
        let client = bench.client
        let used = bench.bench.hypervisor.rootStatistics.used
        let page = try client.mapStatisticsPage(.hypervisor)
        #expect(bench.bench.hypervisor.rootStatistics.used == used + 1)
        let base = try #require(UnsafePointer<UInt64>(bitPattern: UInt(page) << 12))
        #expect(UInt64(littleEndian: base[HypervisorCounter.partitions.rawValue]) == 1)
        #expect(status { _ = try client.mapStatisticsPage(.hypervisor) } == .objectInUse)
        try client.unmapStatisticsPage(.hypervisor)
        #expect(bench.bench.hypervisor.rootStatistics.used == used)
        #expect(status { try client.unmapStatisticsPage(.hypervisor) } == .notFound)

        // Until the root's pool of 16 pages is empty, of which each partition has one. A deposit helps.
        for _ in 0..<14 { _ = try client.createPartition(CreatePartitionInput(flags: [])) }
        _ = try client.mapStatisticsPage(.hypervisor)
        let partition = StatisticsIdentity.partition(bench.id)
        #expect(status { _ = try client.mapStatisticsPage(partition) } == .insufficientMemory)
        try client.mapStatisticsPage(.logicalProcessor(0), at: bench.scratch(1)[0])
        try client.depositMemory(bench.bench.pages(0..<1), to: .own)
        _ = try client.mapStatisticsPage(partition)
    }

    @Test func statuses() throws {
        let bench = try TouchableBench()
        let client = bench.client
        let page = bench.scratch(1)[0]
        func both(_ identity: StatisticsIdentity) -> HypercallStatus {
            let own = status { _ = try client.mapStatisticsPage(identity) }
            let callers = status { try client.mapStatisticsPage(identity, at: page) }
            #expect(own == callers)
            return own
        }
        #expect(both(.logicalProcessor(1 << 20)) == .invalidLpIndex)
        #expect(both(.partition(PartitionID(rawValue: 99))) == .invalidPartitionId)
        #expect(both(.partition(.own)) == .invalidPartitionId)
        #expect(both(.virtualProcessor(3, of: bench.id)) == .invalidVpIndex)
        #expect(both(.virtualProcessor(0, of: PartitionID(rawValue: 99))) == .invalidPartitionId)
        let created = try client.createPartition(CreatePartitionInput(flags: []))
        #expect(both(.partition(created)) == .invalidPartitionState)
        #expect(both(.virtualProcessor(0, of: created)) == .invalidPartitionState)
        #expect(both(StatisticsIdentity(object: StatisticsObject(rawValue: 3))) == .invalidParameter)
        var identity = StatisticsIdentity.partition(bench.id)
        for (area, expected) in [
            (StatisticsArea.parent, HypercallStatus.invalidParameter), (.internal, .accessDenied),
            (StatisticsArea(rawValue: 3), .invalidParameter),
        ] {
            identity.area = area
            #expect(both(identity) == expected)
            #expect(status { try client.unmapStatisticsPage(identity) } == expected)
        }
        var flags = StatisticsIdentity.virtualProcessor(0, of: bench.id)
        flags.flags = 1
        #expect(both(flags) == .invalidParameter)

        func map(at page: UInt64) -> HypercallStatus {
            status { try client.mapStatisticsPage(.partition(bench.id), at: page) }
        }
        #expect(map(at: 0) == .invalidParameter, "not root memory")
        #expect(map(at: .max) == .invalidParameter)
        #expect(map(at: bench.bench.firstPage) == .invalidParameter, "can't be touched")
        #expect(map(at: bench.bench.firstPage + 8192) == .operationDenied, "deposited")
        #expect(map(at: page) == .success)
        #expect(map(at: page) == .objectInUse)
    }

    @Test func pagesGoWithTheirObject() throws {
        let bench = try TouchableBench()
        let client = bench.client
        let used = bench.bench.hypervisor.rootStatistics.used
        let processor = StatisticsIdentity.virtualProcessor(0, of: bench.id)
        _ = try client.mapStatisticsPage(processor)
        _ = try client.mapStatisticsPage(.partition(bench.id))
        _ = try client.mapStatisticsPage(.hypervisor)
        #expect(bench.bench.hypervisor.rootStatistics.used == used + 3)
        try client.deleteVP(0, of: bench.id)
        #expect(bench.bench.hypervisor.rootStatistics.used == used + 2)
        #expect(status { try client.unmapStatisticsPage(processor) } == .notFound)
        try client.finalizePartition(bench.id)
        #expect(bench.bench.hypervisor.rootStatistics.used == used + 1)
        #expect(status { try client.unmapStatisticsPage(.partition(bench.id)) } == .notFound)
        try client.unmapStatisticsPage(.hypervisor)
        #expect(bench.bench.hypervisor.rootStatistics.used == used)
    }
}
