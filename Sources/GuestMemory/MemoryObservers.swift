import Synchronization

/// Who wants to know when blocks of a `GrowthRegion` come and go: devices that keep the guest's memory by addresses of
/// this process.
final class MemoryObservers: Sendable {
    private let state = Mutex(State())

    private struct State {
        var next: UInt64 = 0
        var bodies: [UInt64: @Sendable () -> Void] = [:]
    }

    func add(_ body: @escaping @Sendable () -> Void) -> UInt64 {
        state.withLock { state in
            defer { state.next += 1 }
            state.bodies[state.next] = body
            return state.next
        }
    }

    func remove(_ token: UInt64) { state.withLock { $0.bodies[token] = nil } }

    /// Tells all; returns when the last has returned.
    func tell() {
        for body in state.withLock({ Array($0.bodies.values) }) { body() }
    }
}
