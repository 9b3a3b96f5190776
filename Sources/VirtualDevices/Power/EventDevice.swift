import Synchronization

/// What the ACPI generic event device reads: a byte of pending events, cleared by reading, and an edge per event.
package final class EventDevice: BusDevice {
    /// The pending events.
    package struct State: OptionSet, Equatable, Sendable {
        package let rawValue: UInt8
        package init(rawValue: UInt8) { self.rawValue = rawValue }
        package static let powerButton = State(rawValue: 1)
        package static let pciHotplug = State(rawValue: 2)
        package static let processorHotplug = State(rawValue: 4)
    }

    private let pending = Mutex(State())
    private let interrupt: any InterruptLine

    package init(interrupt: any InterruptLine) { self.interrupt = interrupt }

    /// Asks the guest to shut down. A guest that has not started its ACPI driver yet misses the edge: press again.
    package func pressPowerButton() { raise(.powerButton) }

    package func raise(_ event: State) {
        pending.withLock { pending in pending.formUnion(event) }
        interrupt.pulse()
    }

    /// Repeats the edge of a hotplug event that nobody has read: while a guest starts, its interrupt controller loses
    /// edges. The owner calls it now and then.
    package func remind() {
        if !pending.withLock({ $0.isDisjoint(with: [.pciHotplug, .processorHotplug]) }) { interrupt.pulse() }
    }

    package func read(offset: UInt64, size: Int) -> UInt64 {
        guard offset == 0 else { return 0 }
        return UInt64(
            pending.withLock { pending in
                defer { pending = [] }
                return pending.rawValue
            })
    }

    /// The register is read-only.
    package func write(offset: UInt64, size: Int, value: UInt64) {}

    package func reset() { state = [] }

    package var state: State {
        get { pending.withLock { pending in pending } }
        set { pending.withLock { pending in pending = newValue } }
    }
}
