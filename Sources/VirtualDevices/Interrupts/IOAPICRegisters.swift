/// The registers of an 82093AA I/O APIC: no lock, no bus, no delivery.
package struct IOAPICRegisters: Equatable, Sendable {
    package static let pinCount = 24
    /// Version 0x11 has no EOI register: the end of a level-triggered interrupt comes from the local APIC.
    static let version: UInt32 = 0x11

    private enum RedirectionBit {
        static let logicalDestination: UInt64 = 1 << 11
        static let deliveryStatus: UInt64 = 1 << 12
        static let remoteIRR: UInt64 = 1 << 14
        static let level: UInt64 = 1 << 15
        static let masked: UInt64 = 1 << 16
        static let readOnly = deliveryStatus | remoteIRR
        /// Vector, delivery mode, destination mode, polarity, trigger mode, mask, destination and the read-only two.
        static let defined: UInt64 = 0xFF00_0000_0001_FFFF
    }

    private enum DeliveryMode {
        static let fixed: UInt64 = 0
        static let lowestPriority: UInt64 = 1
    }

    private var select: UInt8 = 0
    private var identifier: UInt8 = 0
    private var redirection = [UInt64](repeating: RedirectionBit.masked, count: pinCount)
    /// A bit per pin. The wires belong to the devices, so a reset of this chip leaves them.
    private var levels: UInt32 = 0

    package init() {}

    /// Back to masked pins; the wires keep their levels.
    mutating func reset() {
        let wires = levels
        self = IOAPICRegisters()
        levels = wires
    }

    // MARK: Registers

    func readSelect() -> UInt32 { UInt32(select) }

    mutating func writeSelect(_ value: UInt8) { select = value }

    /// The register that `select` names; undefined ones read 0.
    func readWindow() -> UInt32 {
        switch select {
        case 0x00, 0x02: return UInt32(identifier) << 24
        case 0x01: return UInt32(Self.pinCount - 1) << 16 | Self.version
        default:
            guard let (pin, isHigh) = selectedPin else { return 0 }
            return UInt32(truncatingIfNeeded: isHigh ? redirection[pin] >> 32 : redirection[pin])
        }
    }

    /// Writes the register that `select` names.
    ///
    /// - Returns: the pin whose redirection may have changed, and the message that the change sets free.
    mutating func writeWindow(_ value: UInt32) -> (changedPin: Int?, message: InterruptMessage?) {
        if select == 0 {
            identifier = UInt8(value >> 24) & 0x0F
            return (nil, nil)
        }
        guard let (pin, isHigh) = selectedPin else { return (nil, nil) }
        let old = redirection[pin]
        var new = isHigh ? UInt64(value) << 32 | old & 0xFFFF_FFFF : old & ~0xFFFF_FFFF | UInt64(value)
        new = new & RedirectionBit.defined & ~RedirectionBit.readOnly | old & RedirectionBit.readOnly
        // An edge-triggered entry has no remote IRR. Linux ends interrupts of this version by switching to edge and back.
        if new & RedirectionBit.level == 0 { new &= ~RedirectionBit.remoteIRR }
        redirection[pin] = new
        return (pin, deliverPendingLevel(pin))
    }

    private var selectedPin: (pin: Int, isHigh: Bool)? {
        guard select >= 0x10 else { return nil }
        let pin = Int(select - 0x10) / 2
        return pin < Self.pinCount ? (pin, select & 1 == 1) : nil
    }

    // MARK: Pins

    /// Moves a wire; the message is what must be delivered for it.
    ///
    /// An edge on a masked pin is lost, as in the 82093AA; a level waits for the unmasking.
    mutating func setLevel(pin: Int, asserted: Bool) -> InterruptMessage? {
        guard redirection.indices.contains(pin) else { return nil }
        let bit: UInt32 = 1 << UInt32(pin)
        let wasAsserted = levels & bit != 0
        levels = asserted ? levels | bit : levels & ~bit
        guard asserted, redirection[pin] & RedirectionBit.masked == 0 else { return nil }
        if isLevelTriggered(pin) { return deliverPendingLevel(pin) }
        return wasAsserted ? nil : message(pin)
    }

    /// Ends the level-triggered interrupts with `vector`.
    ///
    /// - Returns: the pins that this ended, and the messages of those still asserted.
    mutating func endOfInterrupt(vector: UInt8) -> (ended: [Int], messages: [InterruptMessage]) {
        var ended: [Int] = []
        var messages: [InterruptMessage] = []
        for pin in redirection.indices
        where redirection[pin] & RedirectionBit.remoteIRR != 0 && UInt8(truncatingIfNeeded: redirection[pin]) == vector
        {
            redirection[pin] &= ~RedirectionBit.remoteIRR
            ended.append(pin)
            if let message = deliverPendingLevel(pin) { messages.append(message) }
        }
        return (ended, messages)
    }

    /// The message to keep known for a pin's routing; nil while nothing can come from it.
    ///
    /// A pin masked while its interrupt is in service keeps its message, or the hypervisor would stop telling of the
    /// end of the interrupt and the remote IRR would stay for ever.
    func routedMessage(_ pin: Int) -> InterruptMessage? {
        guard redirection.indices.contains(pin) else { return nil }
        let isIdle = redirection[pin] & RedirectionBit.remoteIRR == 0
        return redirection[pin] & RedirectionBit.masked != 0 && isIdle ? nil : message(pin)
    }

    private mutating func deliverPendingLevel(_ pin: Int) -> InterruptMessage? {
        let entry = redirection[pin]
        guard isLevelTriggered(pin), levels & (1 << UInt32(pin)) != 0,
            entry & (RedirectionBit.masked | RedirectionBit.remoteIRR) == 0
        else { return nil }
        redirection[pin] |= RedirectionBit.remoteIRR
        return message(pin)
    }

    /// SMI, NMI, INIT and ExtINT are edges whatever the trigger mode says.
    private func isLevelTriggered(_ pin: Int) -> Bool {
        let mode = redirection[pin] >> 8 & 7
        return redirection[pin] & RedirectionBit.level != 0
            && (mode == DeliveryMode.fixed || mode == DeliveryMode.lowestPriority)
    }

    private func message(_ pin: Int) -> InterruptMessage {
        let entry = redirection[pin]
        let mode = entry >> 8 & 7
        var address = Platform.localAPICBase | (entry >> 56) << 12
        if entry & RedirectionBit.logicalDestination != 0 { address |= 1 << 2 }
        if mode == DeliveryMode.lowestPriority { address |= 1 << 3 }
        let isLevel = isLevelTriggered(pin)
        // Bit 15: level-triggered; bit 14: asserted.
        let data = UInt32(truncatingIfNeeded: entry & 0x7FF) | (isLevel ? 0xC000 : 0)
        return InterruptMessage(address: address, data: data, isLevelTriggered: isLevel)
    }
}
