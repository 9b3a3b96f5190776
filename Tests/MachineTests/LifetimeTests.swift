import BootLoader
import EmbeddedHypervisor
import GuestMemory
import HypercallABI
import SimulatedEngine
import Testing

@testable import VirtualMachine

/// A guest reboots as often as it likes: nothing of the life before may stay.
@Suite struct LifetimeTests {
    @Test func aLifeLeavesNothing() throws {
        let backend = EmbeddedHypervisor(
            engine: SimulatedEngine(), firstPartitionID: PartitionID(rawValue: 7), vpCount: 2)
        let configuration = MachineConfiguration(
            vpCount: 2, memorySize: 16 << 20, boot: BootSource(kernel: BootSource.demoKernel))
        let memory = try GuestMemory(size: configuration.memorySize, growth: GrowthRegion.blockSize)
        weak var chassis: Chassis?
        weak var growth: AnyObject?
        weak var bridge: AnyObject?
        weak var bus: AnyObject?
        do {
            let core = try MachineCore(
                configuration, on: backend, memory: memory, image: nil, output: { _ in }, request: { _ in })
            chassis = core.chassis
            growth = core.chassis.growth
            bridge = core.chassis.pci
            bus = core.chassis.mmio
            #expect(chassis != nil && growth != nil && bridge != nil && bus != nil)
            core.tearDown()
        }
        #expect(chassis == nil && growth == nil && bridge == nil && bus == nil)
        #expect(backend.rootStatistics.allMapped == 0)
    }
}
