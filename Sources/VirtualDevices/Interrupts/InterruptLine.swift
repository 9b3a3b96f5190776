/// A wire from a device to an interrupt controller.
///
/// `true` means asserted, whatever the electrical polarity. A device may call it with its own lock held: an interrupt
/// controller never calls back into a device.
package protocol InterruptLine: Sendable {
    func setLevel(_ asserted: Bool)
}

extension InterruptLine {
    /// One edge.
    package func pulse() {
        setLevel(true)
        setLevel(false)
    }
}

/// An interrupt as a write to the local APICs' address range (Intel SDM volume 3, "Message Signalled Interrupts").
package struct InterruptMessage: Equatable, Sendable {
    package var address: UInt64
    package var data: UInt32
    /// Whether the local APIC's end of interrupt must come back to the I/O APIC.
    package var isLevelTriggered: Bool

    package init(address: UInt64, data: UInt32, isLevelTriggered: Bool) {
        self.address = address
        self.data = data
        self.isLevelTriggered = isLevelTriggered
    }
}
