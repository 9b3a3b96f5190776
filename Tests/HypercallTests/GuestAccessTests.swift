import EmbeddedHypervisor
import HypercallABI
import HypercallCore
import Hypervisor
import LinuxSystem
import Synchronization
import Testing

/// A bench whose partition has real memory behind its first pages.
final class TouchableBench: Sendable {
    let bench: Bench
    let id: PartitionID
    let memory: MemoryMapping
    /// Pages of guest memory, from guest page 0 on.
    static let pageCount = 512

    init() throws {
        bench = try Bench()
        memory = try MemoryMapping(anonymous: 2 * Self.pageCount * pageSize)
        bench.hypervisor.registerRootMemory(base: memory.base, count: memory.count)
        id = try bench.activePartition()
        try map(at: 0, count: Self.pageCount, [.readable, .writable, .executable])
        try client.createVP(CreateVPInput(partition: id, index: 0))
    }

    var client: HypercallClient { bench.client }
    var firstPage: UInt64 { UInt64(UInt(bitPattern: memory.base)) / 4096 }

    /// Pages of the root beyond those that the guest has.
    func scratch(_ count: Int) -> [UInt64] { (0..<UInt64(count)).map { firstPage + UInt64(Self.pageCount) + $0 } }

    func bytes(ofPage page: UInt64) -> [UInt8] {
        let base = memory.base + Int(page - firstPage) * pageSize
        return Array(UnsafeRawBufferPointer(start: base, count: pageSize))
    }

    func fill(page: UInt64, _ byte: UInt8) {
        (memory.base + Int(page - firstPage) * pageSize).initializeMemory(
            as: UInt8.self, repeating: byte, count: pageSize)
    }

    /// Maps guest pages to the memory's pages of the same number.
    func map(at page: UInt64, count: Int, _ flags: MapGPAFlags) throws {
        try client.mapGPAPages(id, gpaPage: page, flags: flags, count: count) { firstPage + page + UInt64($0) }
    }

    func poke<T: BitwiseCopyable>(_ gpa: UInt64, _ value: T) {
        memory.base.storeBytes(of: value, toByteOffset: Int(gpa), as: T.self)
    }

    func peek<T: BitwiseCopyable>(_ gpa: UInt64, as type: T.Type) -> T {
        memory.base.loadUnaligned(fromByteOffset: Int(gpa), as: type)
    }
}

/// HvCallReadGpa and HvCallWriteGpa, access states, and host access to pages.
@Suite struct GuestAccessTests {
    private func read(_ bench: TouchableBench, _ gpa: UInt64, _ count: UInt32) throws -> ReadGPAOutput {
        try bench.client.readGPA(AccessGPAInput(partition: bench.id, index: 0, byteCount: count, gpa: gpa))
    }

    private func write(_ bench: TouchableBench, _ gpa: UInt64, _ bytes: [UInt8]) throws -> GPAAccessResult {
        let access = AccessGPAInput(partition: bench.id, index: 0, byteCount: UInt32(bytes.count), gpa: gpa)
        return try bench.client.writeGPA(WriteGPAInput(access: access, data: GPAData(bytes)))
    }

    @Test func bytesAcrossPages() throws {
        let bench = try TouchableBench()
        let bytes = (1...16).map { UInt8($0) }
        #expect(try write(bench, 4096 * 3 - 7, bytes) == .success)
        #expect((0..<16).map { bench.peek(4096 * 3 - 7 + UInt64($0), as: UInt8.self) } == bytes)
        #expect(bench.peek(4096 * 3 - 8, as: UInt8.self) == 0)
        let whole = try read(bench, 4096 * 3 - 7, 16)
        #expect(whole == ReadGPAOutput(result: .success, data: GPAData(bytes)))
        let part = try read(bench, 4096 * 3 - 7, 3)
        #expect(part.data == GPAData([1, 2, 3]), "zeros behind what was asked for")
        #expect(try write(bench, 0, [9]) == .success)
        #expect(bench.peek(0, as: UInt16.self) == 9)
    }

    @Test func pagesThatRefuse() throws {
        let bench = try TouchableBench()
        try bench.map(at: 1, count: 1, [.readable])
        try bench.map(at: 2, count: 1, [])
        try bench.map(at: 3, count: 1, [.noAccess])
        try bench.client.unmapGPAPages(bench.id, gpaPage: 4, flags: [], count: 1)
        #expect(try read(bench, 4096, 8).result == .success)
        #expect(try write(bench, 4096, [1]) == .writeIntercept)
        #expect(try read(bench, 2 * 4096, 1).result == .readIntercept)
        #expect(try write(bench, 2 * 4096, [1]) == .writeIntercept)
        #expect(try read(bench, 3 * 4096, 1).result == .readIntercept)
        #expect(try read(bench, 4 * 4096, 1) == ReadGPAOutput(result: .unmapped))
        #expect(try read(bench, (1 << 52) - 16, 16).result == .unmapped)
        // All or nothing.
        #expect(try write(bench, 4096 - 2, [7, 7, 7, 7]) == .writeIntercept)
        #expect(bench.peek(4094, as: UInt32.self) == 0)
        #expect(try read(bench, 4 * 4096 - 1, 2).result == .readIntercept, "the first page that refuses")
        // Memory of the root that can't be touched must not end the process.
        try bench.client.mapGPAPages(bench.id, gpaPage: 5, flags: [.readable, .writable], count: 1) { _ in
            bench.bench.firstPage
        }
        #expect(try read(bench, 5 * 4096, 4).result == .unmapped)
        #expect(try write(bench, 5 * 4096, [1]) == .unmapped)
    }

    @Test func statuses() throws {
        let bench = try TouchableBench()
        func status(_ change: (inout AccessGPAInput) -> Void) -> HypercallStatus {
            var input = AccessGPAInput(partition: bench.id, index: 0, byteCount: 8, gpa: 0)
            change(&input)
            let reading = HypercallTests.status { _ = try bench.client.readGPA(input) }
            let writing = HypercallTests.status {
                _ = try bench.client.writeGPA(WriteGPAInput(access: input, data: GPAData()))
            }
            #expect(reading == writing)
            return reading
        }
        #expect(status { $0.cacheType = 6 } == .success)
        #expect(status { $0.byteCount = 0 } == .invalidParameter)
        #expect(status { $0.byteCount = 17 } == .invalidParameter)
        #expect(status { $0.byteCount = .max } == .invalidParameter)
        #expect(status { $0.gpa = (1 << 52) - 7 } == .invalidParameter)
        #expect(status { $0.gpa = .max } == .invalidParameter)
        #expect(status { $0.index = 1 } == .invalidVpIndex)
        #expect(status { $0.partition = PartitionID(rawValue: 99) } == .invalidPartitionId)
        let created = try bench.client.createPartition(CreatePartitionInput(flags: []))
        #expect(status { $0.partition = created } == .invalidPartitionState)
    }

    @Test func accessStates() throws {
        let bench = try TouchableBench()
        let client = bench.client
        let id = bench.id
        func states(_ page: UInt64, _ count: Int, _ flags: GPAAccessStateFlags = []) throws -> [GPAAccessState] {
            try client.gpaAccessStates(of: id, gpaPage: page, count: count, flags: flags)
        }
        #expect(status { _ = try states(0, 1) } == .invalidPartitionState, "nothing is tracked")
        try client.setPartitionProperty(.gpaPageAccessTracking, of: id, to: 1)
        let engine = try #require(bench.bench.engine.partition(id))
        // Behind the memory there is nothing to be dirty.
        let all = try states(510, 4, .clearDirty)
        #expect(all == [[.accessed, .dirty], [.accessed, .dirty], [], []])
        #expect(try states(509, 4) == [[.accessed, .dirty], [.accessed], [.accessed], []])
        _ = try states(0, 512, .clearDirty)
        for page in [3, 4, 9] as [UInt64] { engine.write(page: page) }
        #expect(try states(3, 7).map { $0.contains(.dirty) } == [true, true, false, false, false, false, true])
        #expect(try states(4, 1, .clearDirty) == [[.accessed, .dirty]], "asking did not clear it")
        #expect(try states(3, 2) == [[.accessed, .dirty], [.accessed]])
        #expect(try states(20, 1, .setDirty) == [[.accessed]])
        #expect(try states(20, 1, .clearAccessed) == [[.accessed, .dirty]])
        #expect(try states(20, 1) == [[.accessed, .dirty]], "a mapped page is accessed always")
        // The hypervisor's own writes count.
        #expect(try write(bench, 30 * 4096 + 4092, [1, 2, 3, 4, 5]) == .success)
        #expect(try states(29, 4).map { $0.contains(.dirty) } == [false, true, true, false])
        // What is mapped anew is dirty; what has no memory can't be made so.
        try bench.map(at: 40, count: 1, [.readable])
        try client.unmapGPAPages(id, gpaPage: 41, flags: [], count: 1)
        try bench.map(at: 42, count: 1, [])
        #expect(try states(39, 4, .setDirty) == [[.accessed], [.accessed, .dirty], [], []])
        #expect(try states(41, 2) == [[], []])
        // More than fit one call.
        #expect(try states(0, 9000, .clearDirty).count == 9000)
        #expect(try states(0, 9000).allSatisfy { !$0.contains(.dirty) })
        // Turning it on again begins anew.
        try client.setPartitionProperty(.gpaPageAccessTracking, of: id, to: 1)
        #expect(try states(0, 1) == [[.accessed]], "it was on")
        try client.setPartitionProperty(.gpaPageAccessTracking, of: id, to: 0)
        try client.setPartitionProperty(.gpaPageAccessTracking, of: id, to: 1)
        #expect(try states(0, 1) == [[.accessed, .dirty]])

        #expect(status { _ = try states(0, 1, [.clearDirty, .setDirty]) } == .invalidParameter)
        #expect(status { _ = try states(0, 1, [.clearAccessed, .setAccessed]) } == .invalidParameter)
        #expect(status { _ = try states(0, 1, GPAAccessStateFlags(rawValue: 0x10)) } == .invalidParameter)
        #expect(status { _ = try states(1 << 40, 1) } == .invalidParameter)
        #expect(try states((1 << 40) - 1, 1) == [[]])
        #expect(status { _ = try client.gpaAccessStates(of: .own, gpaPage: 0, count: 1) } == .invalidPartitionId)
    }

    @Test func trackingThatBeganBeforeThePartition() throws {
        let bench = try Bench()
        let id = try bench.client.createPartition(CreatePartitionInput(flags: []))
        try bench.client.setPartitionProperty(.gpaPageAccessTracking, of: id, to: 1)
        try bench.client.depositMemory(bench.pages(8192..<9000), to: id)
        try bench.client.initializePartition(id)
        #expect(bench.engine.partition(id)?.state.withLock { $0.isTrackingDirtyPages } == true)
        #expect(try bench.client.gpaAccessStates(of: id, gpaPage: 0, count: 2) == [[], []])
    }

    @Test func hostAccess() throws {
        let bench = try TouchableBench()
        func outcomes(_ flags: SPAHostAccessFlags, _ pages: [UInt64]) -> [HypercallFailure?] {
            let input = SPAHostAccessInput(partition: bench.id, hostAccess: 3, flags: flags)
            var failures: [HypercallFailure?] = [nil, nil]
            do throws(HypercallFailure) {
                try bench.client.acquireSPAHostAccess(input, pages: pages)
            } catch { failures[0] = error }
            do throws(HypercallFailure) {
                try bench.client.releaseSPAHostAccess(input, pages: pages)
            } catch { failures[1] = error }
            return failures
        }
        let page = bench.firstPage
        let good = outcomes([.makeShared], [page, page + 5])
        #expect(good[0] == nil)
        #expect(good[1]?.status == .featureUnavailable)
        let deposited = outcomes([.makeExclusive], [page, bench.bench.firstPage + 8192])
        #expect(deposited[0]?.status == .operationDenied)
        #expect(deposited[0]?.repsCompleted == 1)
        #expect(deposited[1]?.repsCompleted == 0)
        #expect(outcomes([], [0])[0]?.status == .invalidParameter)
        #expect(outcomes([], [.max])[0]?.status == .invalidParameter)
        #expect(outcomes([.makeShared, .makeExclusive], [page])[0]?.status == .invalidParameter)
        #expect(outcomes([.largePage, .hugePage], [page])[0]?.status == .invalidParameter)
        #expect(outcomes(SPAHostAccessFlags(rawValue: 16), [page])[0]?.status == .invalidParameter)
        let unaligned = bench.bench.firstPage + 1
        #expect(outcomes([.largePage], [unaligned])[0]?.status == .invalidParameter)
        #expect(outcomes([.largePage], [bench.bench.firstPage])[0] == nil)
    }
}
