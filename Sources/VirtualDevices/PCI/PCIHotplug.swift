import Synchronization

/// Who has the functions that a guest ejects.
package protocol PCIHotplugTarget: AnyObject, Sendable {
    /// The guest has done with the function in `slot`, whether it was asked to or not. Called on a processor's thread
    /// without a lock of the controller's; there may be nothing in the slot.
    func slotWasEjected(_ slot: Int)
}

/// Tells a guest through ACPI which slots of the root bus have a new function and which it shall give back.
///
/// Three registers of 32 bits at `Platform.pciHotplugPort`, a bit for each slot: slots with something new (read clears),
/// slots to be ejected (read clears), and the slots that the guest ejects (written). `_EVT` of the generic event device
/// reads the first two, a slot's `_EJ0` writes the third. Accesses of other sizes have no meaning.
package final class PCIHotplug: BusDevice {
    package enum Register {
        package static let inserted: UInt64 = 0
        package static let ejecting: UInt64 = 4
        package static let eject: UInt64 = 8
    }

    /// Slots that `_EJ0` is there for: what stands below them is the machine's own.
    package static let slots = 8..<PCIHostBridge.slots
    static let mask = slots.reduce(UInt32(0)) { $0 | 1 << UInt32($1) }

    /// The pending bits, for saving.
    package struct State: Equatable, Sendable {
        package var inserted: UInt32 = 0
        package var ejecting: UInt32 = 0
        package init() {}
    }

    private let pending = Mutex(State())
    private let events: EventDevice
    private let target = Mutex(Target())
    private struct Target { weak var value: (any PCIHotplugTarget)? }

    /// - Parameter events: how the guest is told to look.
    package init(events: EventDevice) { self.events = events }

    /// Sets who is told of ejections; it is not kept alive.
    package func connect(_ target: any PCIHotplugTarget) { self.target.withLock { $0.value = target } }

    package var state: State {
        get { pending.withLock { $0 } }
        set { pending.withLock { $0 = newValue } }
    }

    /// Tells the guest that there is a function in the slot.
    package func announce(_ slot: Int) { raise { $0.inserted |= Self.bit(slot) } }

    /// Asks the guest to eject the function in the slot.
    package func requestEject(_ slot: Int) { raise { $0.ejecting |= Self.bit(slot) } }

    /// Takes back what the guest was to be told of the slot and has not read.
    package func withdraw(_ slot: Int) {
        pending.withLock { state in
            state.inserted &= ~Self.bit(slot)
            state.ejecting &= ~Self.bit(slot)
        }
    }

    private func raise(_ change: (inout State) -> Void) {
        pending.withLock { change(&$0) }
        events.raise(.pciHotplug)
    }

    private static func bit(_ slot: Int) -> UInt32 { slots.contains(slot) ? 1 << UInt32(slot) : 0 }

    // MARK: Registers

    package func read(offset: UInt64, size: Int) -> UInt64 {
        guard size == 4 else { return 0 }
        return pending.withLock { state in
            switch offset {
            case Register.inserted:
                defer { state.inserted = 0 }
                return UInt64(state.inserted)
            case Register.ejecting:
                defer { state.ejecting = 0 }
                return UInt64(state.ejecting)
            default: return 0
            }
        }
    }

    package func write(offset: UInt64, size: Int, value: UInt64) {
        guard offset == Register.eject, size == 4, let target = target.withLock({ $0.value }) else { return }
        let ejected = UInt32(truncatingIfNeeded: value) & Self.mask
        for slot in Self.slots where ejected & Self.bit(slot) != 0 {
            withdraw(slot)
            target.slotWasEjected(slot)
        }
    }

    package func reset() { state = State() }
}
