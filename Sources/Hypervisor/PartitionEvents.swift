import LinuxSystem

/// A message-signalled interrupt: a write of `data` to `address` (Intel SDM 3A, 11.11).
package struct InterruptMessage: Hashable, Sendable {
    package var address: UInt64
    package var data: UInt32

    package init(address: UInt64, data: UInt32) {
        self.address = address
        self.data = data
    }
}

/// A guest's write that is no exit but the signal of an eventfd.
package struct DoorbellWrite: Hashable, Sendable {
    package var gpa: UInt64
    /// 1, 2, 4 or 8 bytes; 0 for a write of any size.
    package var size: UInt8
    /// Nil for every value.
    package var value: UInt64?

    package init(gpa: UInt64, size: UInt8, value: UInt64?) {
        self.gpa = gpa
        self.size = size
        self.value = value
    }
}

/// Eventfds that the kernel joins with a partition, so that neither side waits for a thread of ours: what vhost and VFIO
/// signal becomes an interrupt, and what a guest writes wakes the thread of a device. Methods may be called from any
/// thread.
package protocol PartitionEvents: AnyObject, Sendable {
    /// From now on a signal of `event` is the interrupt message; nil ends that, and when it returns no interrupt comes
    /// of the event any more.
    func setMessage(_ message: InterruptMessage?, of event: EventFD) throws(HypervisorError)

    /// From now on a guest's write signals `event` instead of being an exit. No memory may be there.
    func addDoorbell(_ doorbell: DoorbellWrite, _ event: EventFD) throws(HypervisorError)

    /// The end of `addDoorbell`, with the same arguments.
    func removeDoorbell(_ doorbell: DoorbellWrite, _ event: EventFD) throws(HypervisorError)
}

/// Which global interrupt each eventfd of a partition is, and which message that sends. The I/O APIC's pins are the
/// first global interrupts. Descriptors stay open while they are here.
package struct EventInterrupts: Sendable {
    /// Pins of the I/O APIC.
    package static let pinCount: UInt32 = 24
    /// KVM_MAX_IRQ_ROUTES and MSHV_MAX_GUEST_IRQS.
    package static let limit: UInt32 = 4096

    package struct Entry: Sendable {
        package let event: EventFD
        package let number: UInt32
        package var message: InterruptMessage
    }

    private var entries: [Int32: Entry] = [:]
    private var freed: [UInt32] = []
    private var next = Self.pinCount

    package init() {}

    package func entry(of event: EventFD) -> Entry? { entries[event.raw] }

    /// All of them, by number.
    package var all: [Entry] { entries.values.sorted { $0.number < $1.number } }

    /// Keeps the message of an event, which gets a number where it has none.
    ///
    /// - Throws: `HypervisorError` where all numbers are taken.
    package mutating func set(_ message: InterruptMessage, of event: EventFD) throws(HypervisorError) {
        if entries[event.raw] != nil {
            entries[event.raw]?.message = message
            return
        }
        let number: UInt32
        if let last = freed.popLast() {
            number = last
        } else if next < Self.limit {
            number = next
            next += 1
        } else {
            throw HypervisorError("all \(Self.limit - Self.pinCount) interrupts of devices are taken")
        }
        entries[event.raw] = Entry(event: event, number: number, message: message)
    }

    package mutating func remove(_ event: EventFD) {
        guard let entry = entries.removeValue(forKey: event.raw) else { return }
        freed.append(entry.number)
    }
}
