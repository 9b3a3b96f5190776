import Synchronization

/// The machine's I/O APIC (82093AA, version 0x11): turns 24 wires into messages for the local APICs.
///
/// Polarity is ignored: a line says asserted or not. A pin has one wire; two devices can't share it.
package final class IOAPIC: BusDevice {
    package typealias State = IOAPICRegisters

    private struct Locked {
        var registers = IOAPICRegisters()
        var routed = [InterruptMessage?](repeating: nil, count: IOAPICRegisters.pinCount)
    }

    private enum Offset {
        static let select: UInt64 = 0x00
        static let window: UInt64 = 0x10
    }

    private let locked = Mutex(Locked())
    private let deliver: @Sendable (InterruptMessage) -> Void
    private let messagesChanged: @Sendable ([InterruptMessage?]) -> Void

    /// - Parameters:
    ///   - deliver: sends one interrupt now. Called without the lock of this device.
    ///   - messagesChanged: told all pins' messages (index = pin; nil = the pin sends none) after each change and
    ///     before an interrupt that depends on it is delivered. Called in order with the lock held: it must not call
    ///     back into this device.
    package init(
        deliver: @escaping @Sendable (InterruptMessage) -> Void,
        messagesChanged: @escaping @Sendable ([InterruptMessage?]) -> Void
    ) {
        self.deliver = deliver
        self.messagesChanged = messagesChanged
    }

    /// The wire into `pin`; one for a pin that isn't there leads nowhere.
    package func line(_ pin: Int) -> any InterruptLine { Line(controller: self, pin: pin) }

    /// A local APIC ended the level-triggered interrupt `vector`: a pin still asserted interrupts again.
    package func endOfInterrupt(vector: UInt8) {
        let messages = locked.withLock { locked in
            let (ended, messages) = locked.registers.endOfInterrupt(vector: vector)
            publish(ended, &locked)
            return messages
        }
        for message in messages { deliver(message) }
    }

    package func read(offset: UInt64, size: Int) -> UInt64 {
        locked.withLock { locked in
            switch offset {
            case Offset.select: UInt64(locked.registers.readSelect())
            case Offset.window: UInt64(locked.registers.readWindow())
            default: 0
            }
        }
    }

    package func write(offset: UInt64, size: Int, value: UInt64) {
        let message = locked.withLock { (locked) -> InterruptMessage? in
            switch offset {
            case Offset.select:
                locked.registers.writeSelect(UInt8(truncatingIfNeeded: value))
                return nil
            case Offset.window:
                let (pin, message) = locked.registers.writeWindow(UInt32(truncatingIfNeeded: value))
                if let pin { publish([pin], &locked) }
                return message
            default:
                return nil
            }
        }
        if let message { deliver(message) }
    }

    package func reset() {
        locked.withLock { locked in
            locked.registers.reset()
            publish(Array(0..<IOAPICRegisters.pinCount), &locked)
        }
    }

    /// Everything the device is. Setting it tells the messages anew but delivers nothing.
    package var state: State {
        get { locked.withLock { locked in locked.registers } }
        set {
            locked.withLock { locked in
                locked.registers = newValue
                publish(Array(0..<IOAPICRegisters.pinCount), &locked)
            }
        }
    }

    private func publish(_ pins: [Int], _ locked: inout Locked) {
        var changed = false
        for pin in pins {
            let message = locked.registers.routedMessage(pin)
            guard locked.routed[pin] != message else { continue }
            locked.routed[pin] = message
            changed = true
        }
        if changed { messagesChanged(locked.routed) }
    }

    private func setLevel(pin: Int, asserted: Bool) {
        let message = locked.withLock { locked in locked.registers.setLevel(pin: pin, asserted: asserted) }
        if let message { deliver(message) }
    }

    private struct Line: InterruptLine {
        let controller: IOAPIC
        let pin: Int
        func setLevel(_ asserted: Bool) { controller.setLevel(pin: pin, asserted: asserted) }
    }
}
