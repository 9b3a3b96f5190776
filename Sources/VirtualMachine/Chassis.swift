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
    let slots: PCISlots
    private let memory: GuestMemory
    private let partition: any PartitionHotPath
    /// Further memory; nil where the guest's can't grow.
    let growth: MemoryDevice?

    /// What a machine is told of its devices in slots: see `PCISlots`.
    struct SlotEvents {
        var leaving: @Sendable (SlotName) -> Void = { _ in }
        var gone: @Sendable (SlotName) -> Void = { _ in }
    }

    /// - Throws: `BusError` where two devices claim one address.
    init(
        memory: GuestMemory, partition: any PartitionHotPath, disks: [MachineDisk] = [],
        networkInterfaces: [MachineNetworkInterface] = [], vpCount: Int = 1, growth: MemoryDevice? = nil,
        output: @escaping @Sendable (UnsafeRawBufferPointer) -> Void,
        request: @escaping @Sendable (PowerRequest) -> Void, panic: @escaping @Sendable (PanicDevice.Events) -> Void,
        slotEvents: SlotEvents = SlotEvents()
    ) throws {
        self.memory = memory
        self.partition = partition
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
        let hotplug = PCIHotplug(events: events)
        try ports.insert(hotplug, at: UInt64(Platform.pciHotplugPort), count: Platform.pciHotplugCount)
        slots = PCISlots(pci, hotplug, leaving: slotEvents.leaving, gone: slotEvents.gone)
        try pci.insert(PanicDevice(onEvents: panic).function)
        try slots.plug(onPCI(EntropyDevice(), .other), .fixed("rng"), announced: false)
        if let growth { try slots.plug(onPCI(growth, .memory), .fixed("memory"), announced: false) }
        for disk in disks { try plug(disk, vpCount: vpCount, announced: false) }
        for interface in networkInterfaces {
            try slots.plug(onPCI(interface.device(), .network), .networkInterface(interface.id), announced: false)
        }
    }

    /// Gives the guest a disk with a queue for each processor.
    func plug(_ disk: MachineDisk, vpCount: Int, announced: Bool) throws(PCIError) {
        try slots.plug(onPCI(disk.device(vpCount: vpCount), .storage), .disk(disk.id), announced: announced)
    }

    /// What a function says it is.
    private enum ClassCode {
        case storage, network, memory, other

        var bytes: (base: UInt8, sub: UInt8) {
            switch self {
            case .storage: (base: 0x01, sub: 0x80)
            case .network: (base: 0x02, sub: 0x00)
            case .memory: (base: 0x05, sub: 0x80)
            case .other: (base: 0xFF, sub: 0x00)
            }
        }
    }

    private func onPCI(_ device: any VirtioDevice, _ classCode: ClassCode) -> VirtioPCI {
        let partition = partition
        return VirtioPCI(
            device, classCode: classCode.bytes, memory: memory, events: partition.events.map(MachineEvents.init),
            deliver: { address, data in Self.deliver(address, data, to: partition) },
            report: { Log.warning("a virtio driver broke a rule", ["reason": $0]) })
    }

    /// Ends what devices do with guest memory.
    func stop() { slots.stop() }

    /// The end of this life: nothing is on the buses any more, and no device keeps what it used. No processor may run.
    func dismantle() {
        slots.stop()
        slots.removeAll()
        ports.removeAll()
        mmio.removeAll()
    }

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
