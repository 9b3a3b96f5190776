import Synchronization

/// The requests and streams that are open, so that the server can end them. Its lock is never held while
/// libmicrohttpd is called.
final class RequestRegistry: Sendable {
    /// Something that sleeps in libmicrohttpd until it is woken.
    protocol Sleeper: AnyObject, Sendable {
        /// Ends it with what a client should see when the server goes.
        func serverIsStopping()
    }

    private struct State {
        var isStopping = false
        var sleepers: [ObjectIdentifier: any Sleeper] = [:]
        var openRequests = 0
    }

    private let state = Mutex(State())

    /// Requests whose context is alive.
    var openRequests: Int { state.withLock { $0.openRequests } }
    /// Answers that are being made and streams that are open.
    var sleeperCount: Int { state.withLock { $0.sleepers.count } }
    var isStopping: Bool { state.withLock { $0.isStopping } }

    func requestOpened() { state.withLock { $0.openRequests += 1 } }
    func requestClosed() { state.withLock { $0.openRequests -= 1 } }

    /// False when the server is stopping: the caller ends at once.
    func insert(_ sleeper: any Sleeper) -> Bool {
        state.withLock { state in
            guard !state.isStopping else { return false }
            state.sleepers[ObjectIdentifier(sleeper)] = sleeper
            return true
        }
    }

    func remove(_ sleeper: any Sleeper) {
        // The object is released after the lock: its end may take other locks.
        _ = state.withLock { $0.sleepers.removeValue(forKey: ObjectIdentifier(sleeper)) }
    }

    /// From here on `insert` refuses.
    func beginStopping() { state.withLock { $0.isStopping = true } }

    func all() -> [any Sleeper] { state.withLock { Array($0.sleepers.values) } }
}
