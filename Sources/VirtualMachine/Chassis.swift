import DeviceSources
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
    /// Nil where the guest's processors neither come nor go.
    let processors: ProcessorHotplug?
    private let memory: GuestMemory
    private let partition: any PartitionHotPath
    /// Further memory; nil where the guest's can't grow.
    let growth: MemoryDevice?
    let watchdog: WatchdogTimer?
    /// The console beside the serial port, where there is one.
    private let console: ConsoleDevice?

    /// What a machine is told of its devices in slots: see `PCISlots`.
    struct SlotEvents {
        var leaving: @Sendable (SlotName) -> Void = { _ in }
        var gone: @Sendable (SlotName) -> Void = { _ in }
        /// The guest gave a processor back.
        var processorEjected: @Sendable (Int) -> Void = { _ in }
    }

    /// - Throws: `BusError` where two devices claim one address.
    init(
        memory: GuestMemory, partition: any PartitionHotPath, devices: [any MachineDevice] = [], vpCount: Int = 1,
        processors: (present: Int, maximum: Int)? = nil, withheldFeatures: [String: UInt64] = [:],
        growth: MemoryDevice? = nil, fixed: FixedDevices.Life = FixedDevices.Life(),
        output: @escaping @Sendable (UnsafeRawBufferPointer) -> Void,
        request: @escaping @Sendable (PowerRequest) -> Void, panic: @escaping @Sendable (PanicDevice.Events) -> Void,
        slotEvents: SlotEvents = SlotEvents()
    ) throws {
        self.memory = memory
        self.partition = partition
        self.growth = growth
        watchdog = fixed.watchdog
        console = fixed.console
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
        self.processors = processors.map { [events] in
            ProcessorHotplug(
                present: $0.present, maximum: $0.maximum, events: events, onEject: slotEvents.processorEjected)
        }
        if let processors = self.processors {
            try ports.insert(
                processors, at: UInt64(Platform.processorHotplugPort), count: Platform.processorHotplugCount)
        }
        slots = PCISlots(
            pci, hotplug, withheld: withheldFeatures, leaving: slotEvents.leaving, gone: slotEvents.gone)
        try pci.insert(PanicDevice(onEvents: panic).function)
        try slots.plug(onPCI(EntropyDevice(), .other), .fixed("rng"), announced: false)
        if let growth { try slots.plug(onPCI(growth, .memory), .fixed("memory"), announced: false) }
        if let watchdog {
            try ports.insert(watchdog, at: UInt64(Platform.watchdogPort), count: WatchdogRegisters.size)
        }
        if let console { try slots.plug(onPCI(console, .serial), .fixed("console"), announced: false) }
        if let balloon = fixed.balloon {
            try slots.plug(onPCI(balloon, .other), .fixed("balloon"), announced: false)
        }
        if let vsock = fixed.vsock { try slots.plug(onPCI(vsock, .other), .fixed("vsock"), announced: false) }
        for device in devices { try plug(device, vpCount: vpCount, announced: false) }
    }

    /// Gives the guest a device that can go again.
    func plug(_ device: any MachineDevice, vpCount: Int, announced: Bool) throws(PCIError) {
        let classCode: ClassCode =
            switch device.name.kind {
            case .disk: .storage
            case .networkInterface: .network
            }
        try slots.plug(
            onPCI(device.virtioDevice(vpCount: vpCount), classCode), .device(device.name), announced: announced)
    }

    /// What a function says it is.
    private enum ClassCode {
        case storage, network, memory, serial, other

        var bytes: (base: UInt8, sub: UInt8) {
            switch self {
            case .storage: (base: 0x01, sub: 0x80)
            case .network: (base: 0x02, sub: 0x00)
            case .memory: (base: 0x05, sub: 0x80)
            case .serial: (base: 0x07, sub: 0x80)
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

    /// Gives bytes to the console; returns how many it took. One without a driver leaves them to the serial port.
    func receive(_ bytes: [UInt8]) -> Int {
        if let console, console.isRunning { return console.receive(bytes) }
        return serial.receive(bytes)
    }

    /// Ends what devices do with guest memory.
    func stop() { slots.stop() }

    /// The end of this life: nothing is on the buses any more, and no device keeps what it used. No processor may run.
    func dismantle() {
        watchdog?.end()
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
