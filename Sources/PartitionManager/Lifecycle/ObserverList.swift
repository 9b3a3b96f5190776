import Synchronization

/// Those who want to know of a change. They are called on the thread that made it and only take note.
package final class ObserverList: Sendable {
    private struct State {
        var next: UInt64 = 0
        var observers: [UInt64: @Sendable () -> Void] = [:]
    }

    private let state = Mutex(State())

    package init() {}

    /// Calls `changed` at each change until the closure that is returned is called (any number of times).
    package func add(_ changed: @escaping @Sendable () -> Void) -> @Sendable () -> Void {
        let key = state.withLock { state in
            state.next += 1
            state.observers[state.next] = changed
            return state.next
        }
        return { [weak self] in _ = self?.state.withLock { $0.observers.removeValue(forKey: key) } }
    }

    /// Calls all outside the lock: an observer may cancel itself or others meanwhile.
    package func notify() {
        let observers = state.withLock { $0.observers.isEmpty ? [] : Array($0.observers.values) }
        for observer in observers { observer() }
    }
}
