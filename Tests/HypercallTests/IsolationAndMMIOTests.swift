import EmbeddedHypervisor
import HypercallABI
import HypercallCore
import Hypervisor
import LinuxSystem
import Testing

/// Calls about isolated partitions, which are refused, and memory-mapped I/O of the root.
@Suite struct IsolationAndMMIOTests {
    @Test func noPartitionIsIsolated() throws {
        let bench = try Bench()
        let client = bench.client
        let young = try client.createPartition(CreatePartitionInput(flags: []))
        let id = try bench.activePartition()
        let expected: [(PartitionID, HypercallStatus)] = [
            (.invalid, .invalidPartitionId), (.own, .invalidPartitionId), (young, .invalidPartitionState),
            (id, .featureUnavailable),
        ]
        for (partition, refusal) in expected {
            let pages = ImportIsolatedPagesInput(partition: partition, pageType: 0, pageSize: 0)
            #expect(status { try client.importIsolatedPages(pages, pages: [1, 2]) } == refusal)
            #expect(status { try client.completeIsolatedImport(.init(partition: partition)) } == refusal)
            let request = IsolatedGuestRequestInput(partition: partition, requestPage: 1, responsePage: 2)
            #expect(status { try client.issueIsolatedGuestRequest(request) } == refusal)
        }
    }

    @Test func memoryMappedIO() throws {
        let bench = try TouchableBench()
        let client = bench.client
        let address = bench.firstPage * 4096 + 4090
        let data = (1...64).map { UInt8($0) }
        try client.mmioWrite(MMIOWriteInput(address: address, data: data))
        #expect(bench.peek(4090, as: UInt64.self) == 0x0807_0605_0403_0201)
        #expect(try client.mmioRead(MMIOReadInput(address: address, count: 64)) == data)
        #expect(try client.mmioRead(MMIOReadInput(address: address + 3, count: 2)) == [4, 5])
        #expect(bench.peek(4090 + 64, as: UInt8.self) == 0)
        func read(_ address: UInt64, _ count: UInt32) -> HypercallStatus {
            status { _ = try client.mmioRead(MMIOReadInput(address: address, count: count)) }
        }
        #expect(read(address, 0) == .invalidParameter)
        #expect(read(address, 65) == .invalidParameter)
        #expect(read(bench.firstPage * 4096 - 1, 2) == .invalidParameter, "begins outside")
        #expect(read((bench.firstPage + 1024) * 4096 - 1, 2) == .invalidParameter, "ends outside")
        #expect(read(.max, 1) == .invalidParameter)
        #expect(read(.max - 63, 64) == .invalidParameter)
        #expect(read(bench.bench.firstPage * 4096, 1) == .invalidParameter, "can't be touched")
        #expect(read((bench.bench.firstPage + 8192) * 4096, 1) == .operationDenied, "deposited")
        #expect(
            status { try client.mmioWrite(MMIOWriteInput(address: address, data: [])) } == .invalidParameter)
        #expect(
            status { try client.mmioWrite(MMIOWriteInput(address: 0, data: [1])) } == .invalidParameter)
    }
}
