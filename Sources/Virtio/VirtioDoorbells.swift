import LinuxSystem
import Synchronization
import VirtualDevices

/// The notification registers of a device as doorbells: there while the device is started and its registers are
/// somewhere.
final class VirtioDoorbells: Sendable {
    private let host: any DeviceEvents
    private let state = Mutex(State())

    private struct State {
        var base: UInt64?
        /// By the place in the registers.
        var events: [(offset: UInt64, event: EventFD)] = []
        var added: [(address: UInt64, event: EventFD)] = []
    }

    init(_ host: any DeviceEvents) { self.host = host }

    /// The registers begin at `base` from now on; nil: they are nowhere.
    func move(to base: UInt64?) { change { $0.base = base } }

    /// What the registers signal from now on, by their places.
    func set(_ events: [(offset: UInt64, event: EventFD)]) { change { $0.events = events } }

    private func change(_ body: (inout State) -> Void) {
        state.withLock { state in
            for doorbell in state.added { host.removeDoorbell(at: doorbell.address, doorbell.event) }
            body(&state)
            guard let base = state.base else { return state.added = [] }
            state.added = state.events.map { (base &+ $0.offset, $0.event) }
                .filter { host.addDoorbell(at: $0.0, $0.1) }
        }
    }
}
