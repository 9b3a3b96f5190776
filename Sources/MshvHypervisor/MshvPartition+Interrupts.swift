import CMshv
import Glibc
import HypercallABI
import HypercallCore
import Hypervisor
import LinuxSystem
import Synchronization

/// Which messages interrupts are.
struct InterruptRoutes {
    /// Of the I/O APIC's pins, which are the first global interrupts.
    var pins: [IOAPICMessage?] = []
    /// Of the devices' eventfds.
    var devices = EventInterrupts()

    /// Whether the I/O APIC sends this message as a level-triggered one.
    func isLevelTriggered(address: UInt64, data: UInt32) -> Bool {
        pins.contains { pin in
            guard let pin, pin.isLevelTriggered else { return false }
            return pin.address == address && (pin.data ^ data) & ~MSIMessage.triggerBits == 0
        }
    }
}

/// The fields of a message-signalled interrupt (Intel SDM 3A, 11.11).
struct MSIMessage {
    /// Trigger mode and level.
    static let triggerBits: UInt32 = 0xC000

    var destination: UInt64
    var vector: UInt32
    /// HV_INTERRUPT_TYPE has the numbers of delivery modes.
    var type: UInt32
    var isLogical: Bool
    var isLevelTriggered: Bool

    init(address: UInt64, data: UInt32) {
        // The upper 24 bits of a 32-bit APIC id stand in the high half, as Linux's drivers have them.
        destination = address >> 12 & 0xFF | address >> 32 & 0xFFFF_FF00
        vector = data & 0xFF
        type = data >> 8 & 7
        isLogical = address & 1 << 2 != 0
        isLevelTriggered = data & 1 << 15 != 0
    }
}

extension MshvPartition: PartitionEvents {
    /// HvCallAssertVirtualInterrupt: the hypervisor's local APICs get the message. A level-triggered one (that of an I/O
    /// APIC pin that is, or with bit 15 of its data) ends with an `apicEOI` exit.
    package func signalMSI(address: UInt64, data: UInt32) throws(HypervisorError) {
        var message = MSIMessage(address: address, data: data)
        if interrupts.withLock({ $0.isLevelTriggered(address: address, data: data) }) {
            message.isLevelTriggered = true
        }
        // Partition (the driver's), control, destination, vector, trust level and reserved bytes.
        let control =
            UInt64(message.type) | (message.isLevelTriggered ? 1 << 32 : 0) | (message.isLogical ? 1 << 33 : 0)
        let input = [0, control, message.destination, UInt64(message.vector)]
        var output: [UInt64] = []
        let status = RootHypercall(descriptor: descriptor, report: report)
            .words(.assertVirtualInterrupt, input, output: &output)
        guard status == .success else {
            throw HypervisorError(
                "partition \(id): the hypervisor refuses the interrupt message 0x\(hex(data)) to 0x\(hex(address)): "
                    + "\(status)")
        }
    }

    package func setIOAPICMessages(_ messages: [IOAPICMessage?]) throws(HypervisorError) {
        guard messages.count <= Int(EventInterrupts.pinCount) else {
            throw HypervisorError("an I/O APIC of \(messages.count) pins; there are \(EventInterrupts.pinCount)")
        }
        try route { $0.pins = messages }
    }

    package var events: (any PartitionEvents)? { self }

    package func setMessage(_ message: InterruptMessage?, of event: EventFD) throws(HypervisorError) {
        guard let message else {
            return try route { routes throws(HypervisorError) in
                guard let entry = routes.devices.entry(of: event) else { return }
                try unregisterIrqfd(eventfd: event.raw, gsi: entry.number)
                routes.devices.remove(event)
            }
        }
        // The driver looks the route up when it is given the eventfd: so that goes first.
        let isNew = interrupts.withLock { $0.devices.entry(of: event) == nil }
        try route { routes throws(HypervisorError) in try routes.devices.set(message, of: event) }
        guard isNew, let entry = interrupts.withLock({ $0.devices.entry(of: event) }) else { return }
        do throws(HypervisorError) {
            try registerIrqfd(eventfd: event.raw, gsi: entry.number)
        } catch {
            try? route { $0.devices.remove(event) }
            throw error
        }
    }

    /// Changes the routes and tells the driver all of them.
    private func route(
        _ change: (inout InterruptRoutes) throws(HypervisorError) -> Void
    ) throws(HypervisorError) {
        try interrupts.withLock { current throws(HypervisorError) in
            var routes = current
            try change(&routes)
            var entries: [mshv_user_irq_entry] = []
            for (pin, message) in routes.pins.enumerated() {
                guard let message else { continue }
                let data = message.data & ~MSIMessage.triggerBits
                entries.append(
                    Self.entry(
                        UInt32(pin), message.address,
                        message.isLevelTriggered ? data | MSIMessage.triggerBits : data))
            }
            for entry in routes.devices.all {
                entries.append(Self.entry(entry.number, entry.message.address, entry.message.data))
            }
            do throws(Errno) {
                try send(entries)
            } catch {
                throw HypervisorError("partition \(id): the driver refuses \(entries.count) interrupt routes: \(error)")
            }
            current = routes
        }
    }

    private static func entry(_ number: UInt32, _ address: UInt64, _ data: UInt32) -> mshv_user_irq_entry {
        mshv_user_irq_entry(
            gsi: number, address_lo: UInt32(truncatingIfNeeded: address),
            address_hi: UInt32(truncatingIfNeeded: address >> 32), data: data)
    }

    private func send(_ entries: [mshv_user_irq_entry]) throws(Errno) {
        let header = MemoryLayout<mshv_user_irq_table>.size
        let step = MemoryLayout<mshv_user_irq_entry>.stride
        let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: header + step * entries.count, alignment: 8)
        defer { bytes.deallocate() }
        bytes.initializeMemory(as: UInt8.self, repeating: 0)
        bytes.storeBytes(of: UInt32(entries.count), as: UInt32.self)
        for (place, entry) in entries.enumerated() {
            bytes.storeBytes(of: entry, toByteOffset: header + step * place, as: mshv_user_irq_entry.self)
        }
        while true {
            do throws(Errno) {
                _ = try descriptor.ioctl(HV_MSHV_PARTITION_SET_MSI_ROUTING, bytes.baseAddress)
                return
            } catch {
                if error.code != EINTR { throw error }
            }
        }
    }

    // MARK: Event descriptors

    /// From now on a signal of `eventfd` is the global interrupt `gsi`, whose route must be set.
    ///
    /// - Parameter resamplefd: is signalled when the guest ends the interrupt, which must be level-triggered then. The
    ///   end comes as no `apicEOI` exit any more.
    package func registerIrqfd(eventfd: Int32, gsi: UInt32, resamplefd: Int32? = nil) throws(HypervisorError) {
        try irqfd(eventfd, gsi, resamplefd, flags: resamplefd == nil ? 0 : HV_MSHV_IRQFD_RESAMPLE)
    }

    /// The end of `registerIrqfd`; when it returns, no interrupt comes of it any more.
    package func unregisterIrqfd(eventfd: Int32, gsi: UInt32) throws(HypervisorError) {
        try irqfd(eventfd, gsi, nil, flags: HV_MSHV_IRQFD_DEASSIGN)
    }

    private func irqfd(_ eventfd: Int32, _ gsi: UInt32, _ resample: Int32?, flags: UInt32) throws(HypervisorError) {
        var request = mshv_user_irqfd(fd: eventfd, resamplefd: resample ?? 0, gsi: gsi, flags: flags)
        do throws(Errno) {
            try descriptor.call(HV_MSHV_PARTITION_IRQFD, &request)
        } catch {
            throw HypervisorError(
                "partition \(id): the driver refuses eventfd \(eventfd) as interrupt \(gsi): \(error)")
        }
    }

    package func addDoorbell(_ doorbell: DoorbellWrite, _ event: EventFD) throws(HypervisorError) {
        try ring(doorbell, event, flags: 0)
    }

    package func removeDoorbell(_ doorbell: DoorbellWrite, _ event: EventFD) throws(HypervisorError) {
        try ring(doorbell, event, flags: HV_MSHV_IOEVENTFD_DEASSIGN)
    }

    private func ring(_ doorbell: DoorbellWrite, _ event: EventFD, flags: UInt32) throws(HypervisorError) {
        var request = mshv_user_ioeventfd()
        request.addr = doorbell.gpa
        request.len = UInt32(doorbell.size)
        request.fd = event.raw
        request.datamatch = doorbell.value ?? 0
        request.flags = flags | (doorbell.value == nil ? 0 : HV_MSHV_IOEVENTFD_DATAMATCH)
        do throws(Errno) {
            try descriptor.call(HV_MSHV_PARTITION_IOEVENTFD, &request)
        } catch {
            throw HypervisorError("partition \(id): the driver refuses a doorbell at 0x\(hex(doorbell.gpa)): \(error)")
        }
    }
}
