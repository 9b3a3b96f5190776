import CMshv
import Glibc
import HypercallABI
import HypercallCore
import Hypervisor
import LinuxSystem
import Synchronization
import Testing

@testable import MshvHypervisor

@Suite struct PortMemoryTests {
    private let port = PortHarness()

    /// Maps pages from a made-up address of this process, which the fake driver never touches.
    private func map(_ id: PartitionID, page: UInt64, count: Int, source: UInt64 = 0x10_0000) throws {
        try port.client.mapGPAPages(
            id, gpaPage: page, flags: [.readable, .writable, .executable], count: count
        ) { source + page + UInt64($0) }
    }

    private var log: [String] { port.driver.state.withLock { $0.regionLog } }

    @Test func batchesBecomeOneRegion() throws {
        let id = try port.activePartition()
        try map(id, page: 0, count: 2000)
        #expect(log == [])
        try port.client.createVP(CreateVPInput(partition: id, index: 0))
        #expect(log == ["+0+2000"])
        let region = try #require(port.driver.state.withLock { $0.regions.first })
        #expect(region.address == 0x10_0000 << 12 && region.flags == 3)
    }

    @Test func partsStayAndTheirNeighboursComeBack() throws {
        let id = try port.activePartition()
        try map(id, page: 0, count: 100)
        try port.client.createVP(CreateVPInput(partition: id, index: 0))
        try port.client.unmapGPAPages(id, gpaPage: 40, flags: [], count: 10)
        #expect(log == ["+0+100", "-0+100", "+0+40", "+50+50"])
        try map(id, page: 40, count: 10)
        #expect(log.last == "+40+10")
        // Whole regions go without a rest.
        try port.client.unmapGPAPages(id, gpaPage: 0, flags: [], count: 50)
        #expect(log.suffix(2).sorted() == ["-0+40", "-40+10"])
    }

    @Test func withoutProcessorsNothingComesBack() throws {
        let id = try port.activePartition()
        try map(id, page: 0, count: 1500)
        try port.client.createVP(CreateVPInput(partition: id, index: 0))
        try port.client.deleteVP(0, of: id)
        try port.client.unmapGPAPages(id, gpaPage: 0, flags: [], count: 1500)
        #expect(log == ["+0+1500", "-0+1500"])
    }

    @Test func memoryThatTheDriverRefusesIsAnError() throws {
        let id = try port.activePartition()
        try map(id, page: 0, count: 10)
        port.driver.state.withLock { $0.failures[HV_MSHV_PARTITION_SET_GUEST_MEMORY] = ENOMEM }
        #expect(throws: HypercallFailure(code: .createVp, status: .operationFailed)) {
            try port.client.createVP(CreateVPInput(partition: id, index: 0))
        }
        #expect(port.reports.contain("errno 12"))
    }

    @Test func overlapsAndWrongStatesAreRefused() throws {
        let id = try port.client.createPartition(CreatePartitionInput(flags: []))
        #expect(throws: HypercallFailure(code: .mapGpaPages, status: .invalidPartitionState)) {
            try map(id, page: 0, count: 1)
        }
        try port.client.initializePartition(id)
        try map(id, page: 0, count: 2)
        #expect(throws: HypercallFailure(code: .mapGpaPages, status: .operationFailed)) {
            try map(id, page: 1, count: 1)
        }
        #expect(throws: HypercallFailure(code: .mapGpaPages, status: .invalidParameter)) {
            try map(id, page: 1 << 41, count: 1, source: 3)
        }
    }

    @Test func depositsAreOnRecord() throws {
        let id = try port.client.createPartition(CreatePartitionInput(flags: []))
        try port.client.depositMemory(Array(1...700), to: id)
        #expect(Set(try port.client.withdrawMemory(from: id, maximum: 4096)) == Set(1...700))
        #expect(try port.client.withdrawMemory(from: id, maximum: 4096).isEmpty)
    }
}
