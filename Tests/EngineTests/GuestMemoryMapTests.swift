import HypercallABI
import Hypervisor
import LinuxSystem
import Testing

@testable import KvmEngine

@Suite("Memory slots of the KVM engine")
struct GuestMemoryMapTests {
    private func extent(_ gpa: UInt64, _ count: UInt64, host: UInt? = nil, _ access: GPAAccess = .all) -> MemoryExtent {
        MemoryExtent(gpa: gpa, host: host ?? 0x10_0000 + UInt(gpa), count: count, access: access, slot: nil)
    }

    @Test("neighbours of one host range and access become one, in any order")
    func merging() throws {
        var map = GuestMemoryMap()
        for gpa: UInt64 in [0x3000, 0x1000, 0x0000, 0x2000] { try map.insert(extent(gpa, 0x1000), merging: true) }
        #expect(map.extents == [extent(0, 0x4000)])
        try map.insert(extent(0x4000, 0x1000, [.write]), merging: true)
        try map.insert(extent(0x5000, 0x1000, host: 0x1000), merging: true)
        try map.insert(extent(0x7000, 0x1000), merging: true)
        #expect(map.extents.map(\.gpa) == [0, 0x4000, 0x5000, 0x7000])
    }

    @Test("overlaps, odd addresses and overflows are refused")
    func refusals() throws {
        var map = GuestMemoryMap()
        try map.insert(extent(0x4000, 0x2000), merging: true)
        for (gpa, count): (UInt64, UInt64) in [
            (0x3000, 0x2000), (0x5000, 0x1000), (0x4000, 0x1000), (0, 0x10000), (0x100, 0x1000), (0x1000, 0x10), (0, 0),
            (UInt64.max - 0xFFF, 0x1000), (0x1000, UInt64.max - 0xFFF), (1 << 52, 0x1000),
        ] {
            #expect(throws: HypervisorError.self) { try map.insert(extent(gpa, count, host: 0x1000), merging: true) }
        }
        #expect(map.extents.count == 1)
    }

    @Test("taking a part away leaves both ends, with their host memory")
    func splitting() throws {
        var map = GuestMemoryMap()
        try map.insert(extent(0x1000, 0x5000), merging: true)
        let (gone, left) = try map.remove(gpa: 0x3000, count: 0x1000)
        #expect(gone == [extent(0x1000, 0x5000)])
        #expect(left == [extent(0x1000, 0x2000), extent(0x4000, 0x2000)])
        #expect(map.extents == left)
        #expect(try map.remove(gpa: 0, count: 0x10_0000).gone == left)
        #expect(map.extents.isEmpty)
    }

    @Test("pages mapped one by one before the first run are one slot", .enabled(if: hasKVM, "needs /dev/kvm"))
    func slots() throws {
        let machine = try SmallMachine(pages: 64)
        let partition = try #require(machine.partition as? KvmPartition)
        for page in 0..<32 {
            try partition.map(
                gpa: 0x10_0000 + UInt64(page) * 0x1000, hostAddress: machine.host(UInt64(page) * 0x1000), count: 0x1000,
                access: .all)
        }
        #expect(partition.extents.map(\.gpa) == [0, 0x10_0000])
        #expect(partition.extents.allSatisfy { $0.slot == nil })
        try machine.load([0xE6, 0xF4, 0xE6, 0xF4])
        #expect(machine.vp.run().reason == .portWrite)
        #expect(partition.extents.map(\.slot) == [0, 1])
        try partition.unmap(gpa: 0x10_1000, count: 0x1000)
        #expect(partition.extents.map(\.gpa) == [0, 0x10_0000, 0x10_2000])
        #expect(partition.extents.allSatisfy { $0.slot != nil })
        #expect(machine.vp.run().reason == .portWrite)
        partition.close()
        #expect(machine.vp.run().reason == .failed)
    }

    @Test("a partition refuses processors and interrupts it was not made for", .enabled(if: hasKVM, "needs /dev/kvm"))
    func bounds() throws {
        let engine = try KvmEngine()
        for count in [0, 255] {
            #expect(throws: HypervisorError.self) {
                try engine.createPartition(
                    EnginePartitionConfiguration(partitionID: PartitionID(rawValue: 1), vpCount: count))
            }
        }
        let machine = try SmallMachine()
        #expect(throws: HypervisorError.self) { try machine.partition.createVP(1) }
        #expect(throws: HypervisorError.self) {
            try machine.partition.setIOAPICMessages(Array(repeating: nil, count: 25))
        }
        try machine.partition.setIOAPICMessages([
            nil, IOAPICMessage(address: 0xFEE0_0000, data: 0x31, isLevelTriggered: true),
        ])
    }
}
