import EmbeddedHypervisor
import HypercallABI
import HypercallCore
import Hypervisor
import Testing

/// A partition with processors 0, 1 and 2 and devices that belong to the root.
private final class DeviceBench: Sendable {
    let bench: Bench
    let id: PartitionID
    static let device = DeviceID.pci(bus: 3, device: 5, function: 1)
    static let ioAPIC = DeviceID.ioAPIC(2)
    static let entrySource = InterruptSource.msi

    init() throws {
        bench = try Bench()
        id = try bench.activePartition()
        for index in 0..<3 as Range<VPIndex> {
            try bench.client.createVP(CreateVPInput(partition: id, index: index))
        }
        bench.hypervisor.registerDevice(Self.device)
        bench.hypervisor.registerDevice(Self.ioAPIC)
    }

    func input(
        _ vector: UInt32 = 0x30, mask: UInt64 = 1, of device: DeviceID = device, in partition: PartitionID = .own
    ) -> MapDeviceInterruptInput {
        MapDeviceInterruptInput(
            partition: partition, device: device, target: InterruptTarget(vector: vector, mask: mask))
    }

    @discardableResult
    func map(_ input: MapDeviceInterruptInput, header: [UInt64] = []) throws -> InterruptEntry {
        try bench.client.mapDeviceInterrupt(input, header: header)
    }

    func refusal(_ header: [UInt64] = [], _ change: (inout MapDeviceInterruptInput) -> Void) -> HypercallStatus {
        var input = input()
        change(&input)
        return status { try map(input, header: header) }
    }
}

@Suite struct DeviceInterruptTests {
    @Test func nothingIsThereToClear() throws {
        let bench = try Bench()
        let id = try bench.activePartition()
        try bench.client.clearVirtualInterrupt(of: id)
        #expect(status { try bench.client.clearVirtualInterrupt(of: .invalid) } == .invalidPartitionId)
        let young = try bench.client.createPartition(CreatePartitionInput(flags: []))
        #expect(status { try bench.client.clearVirtualInterrupt(of: young) } == .invalidPartitionState)
    }

    @Test func entriesNameProcessorAndVector() throws {
        let bench = try DeviceBench()
        let entry = try bench.map(bench.input())
        #expect(entry == InterruptEntry(source: .msi, value: 0x30 << 32 | 0xFEE0_0000))
        var level = bench.input(0x31, of: DeviceBench.ioAPIC)
        level.triggerMode = 1
        level.type = 1
        #expect(try bench.map(level) == InterruptEntry(source: .ioAPIC, value: 0x8131))
    }

    @Test func statusesOfMapping() throws {
        let bench = try DeviceBench()
        #expect(bench.refusal { $0.partition = PartitionID(rawValue: 99) } == .invalidPartitionId)
        let young = try bench.bench.client.createPartition(CreatePartitionInput(flags: []))
        #expect(bench.refusal { $0.partition = young } == .invalidPartitionState)
        #expect(bench.refusal { $0.device = .pci(bus: 3, device: 5, function: 2) } == .invalidDeviceId)
        #expect(bench.refusal { $0.partition = bench.id } == .invalidDeviceId, "the root's")
        #expect(bench.refusal { $0.flags = 1 } == .invalidParameter)
        #expect(bench.refusal { $0.baseIndex = 1 } == .invalidParameter)
        for type in 2...10 as ClosedRange<UInt32> { #expect(bench.refusal { $0.type = type } == .invalidParameter) }
        #expect(bench.refusal { $0.triggerMode = 1 } == .invalidParameter, "a level by message")
        #expect(bench.refusal { $0.triggerMode = 2 } == .invalidParameter)
        for count in [0, 2] as [UInt32] { #expect(bench.refusal { $0.vectorCount = count } == .invalidParameter) }
        for vector in [0, 15, 256] as [UInt32] {
            #expect(bench.refusal { $0.target.vector = vector } == .invalidParameter)
        }
        #expect(bench.refusal { $0.logicalEntry.source = .ioAPIC } == .invalidParameter)
        #expect(bench.refusal { $0.logicalEntry.source = InterruptSource(rawValue: 3) } == .invalidParameter)
        #expect(bench.refusal { $0.target.mask = 0 } == .invalidParameter, "nobody")
        #expect(bench.refusal { $0.target.flags = InterruptTargetFlags(rawValue: 4) } == .invalidParameter)
        #expect(bench.refusal([1]) { _ in } == .invalidParameter, "a header with a mask")
        #expect(bench.refusal { $0.target.mask = 1 << 63 } == .invalidVpIndex, "no host here has 64 processors")
        #expect(bench.refusal { $0.logicalEntry.source = .msi } == .success)
        #expect(bench.refusal { $0.vectorCount = 1 } == .objectInUse)
        #expect(bench.refusal { $0.device = DeviceBench.ioAPIC } == .objectInUse, "another device's vector")
        #expect(bench.refusal { $0.target.vector = 0x31 } == .success)
    }

    @Test func processorSets() throws {
        let bench = try DeviceBench()
        func sets(_ format: UInt64, _ header: [UInt64]) -> HypercallStatus {
            bench.refusal(header) { input in
                input.target = InterruptTarget(vector: 0x40, flags: [.processorSet], mask: format)
            }
        }
        #expect(sets(0, []) == .invalidParameter)
        #expect(sets(0, [0]) == .invalidParameter, "nobody")
        #expect(sets(0, [1]) == .invalidParameter, "a bank is missing")
        #expect(sets(0, [1, 0]) == .invalidParameter, "nobody in the bank")
        #expect(sets(0, [1, 1, 1]) == .invalidParameter, "a bank too many")
        #expect(sets(0, [.max] + [UInt64](repeating: .max, count: 64)) == .invalidVpIndex)
        #expect(sets(0, [1 << 63, 1]) == .invalidVpIndex)
        #expect(sets(2, [1, 1]) == .invalidParameter)
        #expect(sets(1, [1, 1]) == .invalidParameter)
        #expect(sets(0, [1, 1]) == .success)
        #expect(sets(1, [0]) == .objectInUse, "all are not free of that vector")
        let (target, header) = InterruptTarget.set(vector: 0x41, .these([1, 64, 65, 200]))
        #expect(header == [0b1011, 0b10, 0b11, 1 << 8])
        #expect(try target.processors(header: header) == .these([1, 64, 65, 200]))
        let (all, none) = InterruptTarget.set(vector: 0x41, .all, multicast: true)
        #expect(try all.processors(header: none) == .all)
        #expect(all.flags == [.processorSet, .multicast])
    }

    @Test func unmapping() throws {
        let bench = try DeviceBench()
        let client = bench.bench.client
        let entry = try bench.map(bench.input())
        func unmap(_ change: (inout UnmapDeviceInterruptInput) -> Void) -> HypercallStatus {
            var input = UnmapDeviceInterruptInput(partition: .own, device: DeviceBench.device, entry: entry)
            change(&input)
            return status { try client.unmapDeviceInterrupt(input) }
        }
        #expect(unmap { $0.partition = .invalid } == .invalidPartitionId)
        #expect(unmap { $0.partition = bench.id } == .invalidDeviceId)
        #expect(unmap { $0.device = .logical(1) } == .invalidDeviceId)
        #expect(unmap { $0.flags = 1 } == .invalidParameter)
        #expect(unmap { $0.entry.source = .ioAPIC } == .invalidParameter)
        #expect(unmap { $0.entry.source = .none } == .invalidParameter)
        #expect(unmap { $0.entry.value += 1 } == .notFound)
        #expect(unmap { $0.device = DeviceBench.ioAPIC } == .invalidParameter)
        #expect(unmap { _ in } == .success)
        #expect(unmap { _ in } == .notFound)
        #expect(try bench.map(bench.input()) == entry)
    }

    @Test func retargeting() throws {
        let bench = try DeviceBench()
        let client = bench.bench.client
        let entry = try bench.map(bench.input())
        try bench.map(bench.input(0x31))
        func retarget(_ vector: UInt32, _ change: (inout RetargetInterruptInput) -> Void = { _ in }) -> HypercallStatus
        {
            var input = RetargetInterruptInput(
                partition: .own, device: DeviceBench.device, entry: entry,
                target: InterruptTarget(vector: vector, mask: 1))
            change(&input)
            return status { try client.retargetInterrupt(input) }
        }
        #expect(retarget(0x30) == .success, "its own")
        #expect(retarget(0x31) == .objectInUse)
        #expect(retarget(0x0F) == .invalidParameter)
        #expect(retarget(0x40) { $0.entry.source = .ioAPIC } == .invalidParameter)
        #expect(retarget(0x40) { $0.entry.value = 5 } == .notFound)
        #expect(retarget(0x40) { $0.target.mask = 1 << 63 } == .invalidVpIndex)
        #expect(retarget(0x40) { $0.device = .logical(3) } == .invalidDeviceId)
        #expect(retarget(0x40) { $0.partition = .invalid } == .invalidPartitionId)
        #expect(retarget(0x40) == .success)
        // The vector is free again, but the device's entry for it is not.
        #expect(status { try bench.map(bench.input()) } == .objectInUse)
        #expect(status { try bench.map(bench.input(of: DeviceBench.ioAPIC)) } == .success)
        #expect(try !bench.bench.hypervisor.raiseInterrupt(of: DeviceBench.device, entry), "the root's")
    }

    /// The table's pages come from the pool: one for each 256.
    @Test func costs() throws {
        let bench = try Bench()
        bench.hypervisor.registerDevice(DeviceBench.device)
        let client = bench.client
        var partitions: [PartitionID] = []
        // Until the root has nothing left for the table.
        while let id = try? client.createPartition(CreatePartitionInput(flags: [])) { partitions.append(id) }
        let input = MapDeviceInterruptInput(
            partition: .own, device: DeviceBench.device, target: InterruptTarget(vector: 0x30, mask: 1))
        func map() -> HypercallStatus { status { _ = try client.mapDeviceInterrupt(input) } }
        #expect(map() == .insufficientMemory)
        try client.deletePartition(try #require(partitions.last))
        #expect(map() == .success)
        #expect(status { _ = try client.createPartition(CreatePartitionInput(flags: [])) } == .insufficientMemory)
        let entry = InterruptEntry(source: .msi, value: 0x30 << 32 | 0xFEE0_0000)
        try client.unmapDeviceInterrupt(
            UnmapDeviceInterruptInput(partition: .own, device: DeviceBench.device, entry: entry))
        #expect(status { _ = try client.createPartition(CreatePartitionInput(flags: [])) } == .success)
    }
}
