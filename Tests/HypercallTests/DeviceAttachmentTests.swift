import EmbeddedHypervisor
import HypercallABI
import HypercallCore
import Hypervisor
import Synchronization
import Testing

private let physical = DeviceID.pci(bus: 1, device: 2, function: 3)

/// Devices that the root gives to partitions.
@Suite struct DeviceAttachmentTests {
    @Test func statusesOfAttaching() throws {
        let bench = try Bench()
        let id = try bench.activePartition()
        let client = bench.client
        func attach(_ change: (inout AttachDeviceInput) -> Void) -> HypercallStatus {
            var input = AttachDeviceInput(partition: id, device: physical, logicalID: .logical(5))
            change(&input)
            return status { try client.attachDevice(input) }
        }
        #expect(attach { _ in } == .invalidDeviceId)
        bench.hypervisor.registerDevice(physical)
        bench.hypervisor.registerDevice(.ioAPIC(0))
        for bit in [1, 8, 31] as [UInt32] {
            #expect(attach { $0.flags.insert(.init(rawValue: 1 << bit)) } == .invalidParameter)
        }
        #expect(attach { $0.vtl = 1 } == .invalidParameter)
        #expect(attach { $0.partition = .own } == .invalidPartitionId)
        #expect(attach { $0.partition = PartitionID(rawValue: 55) } == .invalidPartitionId)
        let young = try client.createPartition(CreatePartitionInput(flags: []))
        #expect(attach { $0.partition = young } == .invalidPartitionState)
        #expect(attach { $0.device = .ioAPIC(0) } == .invalidDeviceId)
        #expect(attach { $0.logicalID = physical } == .invalidParameter)
        #expect(attach { $0.flags = [] } == .invalidParameter, "a name without the flag")
        #expect(attach { $0.flags = [.logicalID, .atsSupported] } == .success)
        #expect(attach { $0.logicalID = .logical(6) } == .invalidDeviceState, "it is attached")
        let other = DeviceID.pci(bus: 1, device: 2, function: 4)
        bench.hypervisor.registerDevice(other)
        #expect(attach { $0.device = other } == .keyAlreadyExists)
        #expect(
            attach {
                $0.device = other; $0.flags = []; $0.logicalID = .logical(0)
            } == .success)
        #expect(try client.logicalDeviceProperty(.init(partition: id, device: other, code: 10)) == 1)
        // The root has it no more.
        let map = MapDeviceInterruptInput(
            partition: .own, device: physical, target: InterruptTarget(vector: 0x30, mask: 1))
        #expect(status { _ = try client.mapDeviceInterrupt(map) } == .invalidDeviceId)

        #expect(status { try client.detachDevice(physical, from: id) } == .invalidDeviceId)
        #expect(status { try client.detachDevice(.logical(5), from: .own) } == .invalidPartitionId)
        try client.detachDevice(.logical(5), from: id)
        #expect(status { try client.detachDevice(.logical(5), from: id) } == .invalidDeviceId)
        // With an interrupt it has to stay with the root.
        let entry = try client.mapDeviceInterrupt(map)
        #expect(attach { _ in } == .invalidDeviceState)
        try client.unmapDeviceInterrupt(UnmapDeviceInterruptInput(partition: .own, device: physical, entry: entry))
        #expect(attach { _ in } == .success)
    }

    @Test func interruptsReachThePartition() throws {
        let bench = try Bench()
        bench.hypervisor.registerDevice(physical)
        let id = try bench.activePartition()
        let client = bench.client
        for index in 0..<4 as Range<VPIndex> { try client.createVP(CreateVPInput(partition: id, index: index)) }
        let device = DeviceID.logical(9)
        try client.attachDevice(AttachDeviceInput(partition: id, device: physical, logicalID: device))
        let entry = try client.mapDeviceInterrupt(
            MapDeviceInterruptInput(
                partition: id, device: device, type: 1, target: InterruptTarget(vector: 0x60, mask: 0b1100)))
        #expect(entry == InterruptEntry(source: .msi, value: 0x160 << 32 | 0xFEE0_2000))
        func raise() throws -> [UInt64] {
            #expect(try bench.hypervisor.raiseInterrupt(of: physical, entry))
            return try #require(bench.engine.partition(id)).state.withLock { state in
                defer { (state.messages, state.addresses) = ([], []) }
                return zip(state.addresses, state.messages).map { $0 | UInt64($1) << 32 }
            }
        }
        #expect(try raise() == [0x160 << 32 | 0xFEE0_2000])
        let (target, header) = InterruptTarget.set(vector: 0x61, .these([0, 3]), multicast: true)
        try client.retargetInterrupt(
            RetargetInterruptInput(partition: id, device: device, entry: entry, target: target), header: header)
        #expect(try raise() == [0x161 << 32 | 0xFEE0_0000, 0x161 << 32 | 0xFEE0_3000])
        let wrong = InterruptEntry(source: .msi, value: 1)
        #expect(try !bench.hypervisor.raiseInterrupt(of: physical, wrong))
        let missing = MapDeviceInterruptInput(
            partition: id, device: device, target: InterruptTarget(vector: 0x62, mask: 1 << 4))
        #expect(status { _ = try client.mapDeviceInterrupt(missing) } == .invalidVpIndex)
        #expect(status { try client.detachDevice(device, from: id) } == .invalidDeviceState)
        // The partition's end takes all of it.
        try client.finalizePartition(id)
        #expect(try !bench.hypervisor.raiseInterrupt(of: physical, entry))
        #expect(try client.logicalDeviceProperty(.init(partition: .own, device: physical, code: 10)) == 1)
        #expect(try #require(bench.engine.partition(id)).state.withLock { $0.complaints } == [])
    }

    @Test func whatTheIOMMUIs() throws {
        let bench = try Bench()
        let client = bench.client
        bench.hypervisor.registerDevice(physical)
        let expected = IOMMUCapabilities(
            addressWidth: 48, pasidWidth: 0, features: [.present, .secondStage], pageSizes: 4096)
        #expect(try client.iommuCapabilities(of: .own) == expected)
        let id = try bench.activePartition()
        #expect(try client.iommuCapabilities(of: id) == expected)
        #expect(status { _ = try client.iommuCapabilities(of: .invalid) } == .invalidPartitionId)
        func property(_ change: (inout LogicalDevicePropertyInput) -> Void) -> HypercallStatus {
            var input = LogicalDevicePropertyInput(partition: .own, device: physical, code: 10)
            change(&input)
            return status { _ = try client.logicalDeviceProperty(input) }
        }
        #expect(property { _ in } == .success)
        #expect(property { $0.partition = id } == .invalidDeviceId)
        #expect(property { $0.partition = .invalid } == .invalidPartitionId)
        #expect(property { $0.code = 9 } == .unknownProperty)
    }
}
