import GuestMemory
import Hypervisor
import LinuxSystem
import Log
import Virtio
import VirtualDevices

/// A machine's buses and the devices on them (`Platform` says where), wired to the partition's interrupt controller.
final class Chassis: Sendable {
    let ports: Bus
    let mmio: Bus
    let ioAPIC: IOAPIC
    let serial: Serial16550
    let events: EventDevice
    let pci: PCIHostBridge
    /// Further memory; nil where the guest's can't grow.
    let growth: MemoryDevice?
    private let virtio: [VirtioPCI]

    /// - Throws: `BusError` where two devices claim one address.
    init(
        memory: GuestMemory, partition: any PartitionHotPath, disks: [MachineDisk] = [],
        networkInterfaces: [MachineNetworkInterface] = [], vpCount: Int = 1, growth: MemoryDevice? = nil,
        output: @escaping @Sendable (UnsafeRawBufferPointer) -> Void,
        request: @escaping @Sendable (PowerRequest) -> Void, panic: @escaping @Sendable (PanicDevice.Events) -> Void
    ) throws {
        self.growth = growth
        ports = Bus(name: "port I/O")
        mmio = Bus(name: "MMIO")
        ioAPIC = IOAPIC(
            deliver: { message in
                Self.deliver(message.address, message.data, to: partition)
            },
            messagesChanged: { messages in
                do throws(HypervisorError) {
                    try partition.setIOAPICMessages(
                        messages.map { message in
                            message.map {
                                IOAPICMessage(
                                    address: $0.address, data: $0.data, isLevelTriggered: $0.isLevelTriggered)
                            }
                        })
                } catch {
                    Log.warning("the I/O APIC's routes were not taken", ["reason": error.description])
                }
            })
        serial = Serial16550(interrupt: ioAPIC.line(Platform.com1GSI), output: output)
        events = EventDevice(interrupt: ioAPIC.line(Platform.gedGSI))
        pci = PCIHostBridge(
            windows: PCIWindows(
                low: Platform.pciLowWindow, high: Platform.pciHighWindow(memoryEnd: memory.end),
                ports: Platform.pciPortWindow), ports: ports, mmio: mmio)
        try mmio.insert(PCIExpressConfiguration(pci), at: Platform.ecamBase, count: PCIHostBridge.ecamSize)
        let power = PowerControl(onRequest: request)
        try power.attach(to: ports)
        try ports.insert(
            PCIConfigurationPorts(pci, resetControl: power.resetControl), at: UInt64(Platform.pciConfigurationPort),
            count: Platform.pciConfigurationCount)
        try mmio.insert(ioAPIC, at: Platform.ioAPICBase, count: Platform.ioAPICSize)
        try ports.insert(serial, at: UInt64(Platform.com1Port), count: Platform.com1Count)
        try ports.insert(CMOSClock(memorySize: memory.size), at: UInt64(Platform.cmosPort), count: Platform.cmosCount)
        try ports.insert(events, at: UInt64(Platform.eventPort), count: 1)
        func onPCI(_ device: any VirtioDevice, _ classCode: (base: UInt8, sub: UInt8)) -> VirtioPCI {
            VirtioPCI(
                device, classCode: classCode, memory: memory, events: partition.events.map(MachineEvents.init),
                deliver: { address, data in Self.deliver(address, data, to: partition) },
                report: { Log.warning("a virtio driver broke a rule", ["reason": $0]) })
        }
        virtio =
            [onPCI(EntropyDevice(), (base: 0xFF, sub: 0x00))]
            + (growth.map { [onPCI($0, (base: 0x05, sub: 0x80))] } ?? [])
            + disks.map { onPCI($0.device(vpCount: vpCount), (base: 0x01, sub: 0x80)) }
            + networkInterfaces.map { onPCI($0.device(), (base: 0x02, sub: 0x00)) }
        try pci.insert(PanicDevice(onEvents: panic).function)
        for device in virtio { try pci.insert(device.function) }
    }

    /// Ends what devices do with guest memory.
    func stop() { for device in virtio { device.stop() } }

    private static func deliver(_ address: UInt64, _ data: UInt32, to partition: any PartitionHotPath) {
        do throws(HypervisorError) {
            try partition.signalMSI(address: address, data: data)
        } catch {
            // A guest can write any message into its I/O APIC or a device; what no processor takes is lost, as on
            // hardware.
            Log.debug("an interrupt was not delivered", ["reason": error.description])
        }
    }
}
