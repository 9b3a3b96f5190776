import LinuxSystem
import Synchronization
import VirtualDevices

/// Joins nothing, and knows what it was told.
final class RecordedEvents: DeviceEvents {
    struct State {
        var refuses = false
        /// Address and data by eventfd.
        var messages: [Int32: [UInt64]] = [:]
    }
    let state = Mutex(State())
    var messages: [[UInt64]] { state.withLock { $0.messages.values.sorted { $0.lexicographicallyPrecedes($1) } } }

    func setMessage(address: UInt64, data: UInt32, of event: EventFD) -> Bool {
        state.withLock { state in
            if !state.refuses { state.messages[event.raw] = [address, UInt64(data)] }
            return !state.refuses
        }
    }

    func removeMessage(of event: EventFD) { state.withLock { $0.messages[event.raw] = nil } }
    func addDoorbell(at address: UInt64, _ event: EventFD) -> Bool { false }
    func removeDoorbell(at address: UInt64, _ event: EventFD) {}
}
