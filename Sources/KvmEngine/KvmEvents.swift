import CLinux
import HypercallABI
import Hypervisor
import LinuxSystem
import Synchronization

/// The interrupt routes of a KVM VM, its irqfds and ioeventfds (Linux's Documentation/virt/kvm/api.rst).
final class KvmEvents: PartitionEvents {
    private let machine: KvmMachine
    private let routes = Mutex(Routes())

    private struct Routes {
        var pins: [IOAPICMessage?] = []
        var devices = EventInterrupts()
    }

    init(_ machine: KvmMachine) { self.machine = machine }

    /// Which message each pin of the I/O APIC sends.
    func setPins(_ messages: [IOAPICMessage?]) throws(HypervisorError) {
        guard messages.count <= Int(HV_KVM_IOAPIC_PINS) else {
            throw HypervisorError("an I/O APIC of \(messages.count) pins; there are \(HV_KVM_IOAPIC_PINS)")
        }
        try change { $0.pins = messages }
    }

    func setMessage(_ message: InterruptMessage?, of event: EventFD) throws(HypervisorError) {
        guard let message else {
            return try change { routes throws(HypervisorError) in
                guard let entry = routes.devices.entry(of: event) else { return }
                try join(entry, flags: UInt32(KVM_IRQFD_FLAG_DEASSIGN))
                routes.devices.remove(event)
            }
        }
        try change { routes throws(HypervisorError) in
            let isNew = routes.devices.entry(of: event) == nil
            try routes.devices.set(message, of: event)
            // An irqfd without a route waits for one.
            if isNew, let entry = routes.devices.entry(of: event) { try join(entry, flags: 0) }
        }
    }

    private func join(_ entry: EventInterrupts.Entry, flags: UInt32) throws(HypervisorError) {
        var request = kvm_irqfd()
        request.fd = UInt32(bitPattern: entry.event.raw)
        request.gsi = entry.number
        request.flags = flags
        do {
            try machine.descriptor.ioctl(HV_KVM_IRQFD, &request)
        } catch {
            throw HypervisorError("KVM refuses an eventfd as interrupt \(entry.number): \(error)")
        }
    }

    /// Changes the routes and tells KVM all of them.
    private func change(_ body: (inout Routes) throws(HypervisorError) -> Void) throws(HypervisorError) {
        try routes.withLock { routes throws(HypervisorError) in
            var new = routes
            try body(&new)
            do throws(Errno) {
                try send(new)
            } catch {
                throw HypervisorError("KVM refuses the interrupts' messages: \(error)")
            }
            routes = new
        }
    }

    private func send(_ routes: Routes) throws(Errno) {
        var entries: [kvm_irq_routing_entry] = []
        for (pin, message) in routes.pins.enumerated() {
            guard let message else { continue }
            // KVM learns from the trigger mode in the message (bit 15, with "assert", bit 14) whose end must exit.
            let data = message.isLevelTriggered ? message.data | 0xC000 : message.data & ~0xC000
            entries.append(hv_kvm_msi_route(UInt32(pin), message.address, data))
        }
        for entry in routes.devices.all {
            entries.append(hv_kvm_msi_route(entry.number, entry.message.address, entry.message.data))
        }
        let header = MemoryLayout<kvm_irq_routing>.size
        let step = MemoryLayout<kvm_irq_routing_entry>.stride
        let table = UnsafeMutableRawBufferPointer.allocate(byteCount: header + step * entries.count, alignment: 8)
        defer { table.deallocate() }
        table.initializeMemory(as: UInt8.self, repeating: 0)
        table.storeBytes(of: UInt32(entries.count), as: UInt32.self)
        for (place, entry) in entries.enumerated() {
            table.storeBytes(of: entry, toByteOffset: header + step * place, as: kvm_irq_routing_entry.self)
        }
        guard let base = table.baseAddress else { return }
        // Sound: the table has as many entries as it says, and outlives the call.
        _ = try machine.descriptor.ioctl(HV_KVM_SET_GSI_ROUTING, UInt(bitPattern: base))
    }

    // MARK: Doorbells

    func addDoorbell(_ doorbell: DoorbellWrite, _ event: EventFD) throws(HypervisorError) {
        try ring(doorbell, event, flags: 0)
    }

    func removeDoorbell(_ doorbell: DoorbellWrite, _ event: EventFD) throws(HypervisorError) {
        try ring(doorbell, event, flags: HV_KVM_IOEVENTFD_DEASSIGN)
    }

    private func ring(_ doorbell: DoorbellWrite, _ event: EventFD, flags: UInt32) throws(HypervisorError) {
        var request = kvm_ioeventfd()
        request.addr = doorbell.gpa
        request.len = UInt32(doorbell.size)
        request.fd = event.raw
        request.datamatch = doorbell.value ?? 0
        request.flags = flags | (doorbell.value == nil ? 0 : HV_KVM_IOEVENTFD_DATAMATCH)
        do {
            try machine.descriptor.ioctl(HV_KVM_IOEVENTFD, &request)
        } catch {
            throw HypervisorError("KVM refuses a doorbell at 0x\(hex(doorbell.gpa)): \(error)")
        }
    }
}
