import CMicroHTTPD
import LinuxSystem
import ManagementService
import PartitionManager
import Synchronization

/// One client's server-sent events. It keeps no events of its own: a slow client reads from the service's list at its
/// own pace, and a connection without news sleeps.
final class EventStream: Sendable, RequestRegistry.Sleeper {
    private struct State {
        /// Encoded and not yet sent; `sent` bytes of it are.
        var pending: [UInt8]
        var sent = 0
        var cursor: UInt64
        var lastSent: UInt64
        /// Something happened since the service was last asked.
        var hasNews = true
        var isEnded = false
        /// Set while the connection sleeps; taken away by the one who wakes it.
        var sleeping: ConnectionHandle?
        // Read by the callback only, while the connection lives.
        var connection: ConnectionHandle?
        var observation: Observation?
        var registry: RequestRegistry?
    }

    /// Events encoded at one time.
    private static let batch = 64

    private let service: any ManagementAPI
    private let vmID: String?
    private let heartbeat: UInt64
    private let state: Mutex<State>

    /// - Parameters:
    ///   - after: the sequence after which to begin.
    ///   - vmID: leave out events of others.
    ///   - heartbeat: seconds of silence after which a comment is sent.
    init(service: any ManagementAPI, after: UInt64, vmID: String?, heartbeat: Double) {
        self.service = service
        self.vmID = vmID
        self.heartbeat = UInt64(heartbeat * 1_000_000_000)
        // The first bytes tell the client that it is connected, how soon to come again and where it stands.
        let greeting = "retry: 2000\nid: \(after)\n\n"
        state = Mutex(State(pending: Array(greeting.utf8), cursor: after, lastSent: monotonicNanoseconds()))
    }

    /// Before the answer is queued.
    func open(on connection: OpaquePointer, registry: RequestRegistry) {
        let handle = ConnectionHandle(raw: connection)
        let isStopping = !registry.insert(self)
        state.withLock { state in
            state.connection = handle
            state.registry = registry
            if isStopping { state.isEnded = true }
        }
        // Weak: the service must not keep a stream whose client has gone.
        let observation = service.observeEvents { [weak self] in self?.wake { $0.hasNews = true } }
        state.withLock { $0.observation = observation }
    }

    /// The client has gone or the stream has ended; the connection is no longer used.
    func closed() {
        let (observation, registry) = state.withLock { state in
            let result = (state.observation, state.registry)
            state.observation = nil
            state.registry = nil
            state.connection = nil
            state.sleeping = nil
            state.isEnded = true
            return result
        }
        observation?.cancel()
        registry?.remove(self)
    }

    func serverIsStopping() { wake { $0.isEnded = true } }

    /// Called about once a second.
    func beat() {
        let now = monotonicNanoseconds()
        let isDue = state.withLock { now - min($0.lastSent, now) >= heartbeat && $0.sent == $0.pending.count }
        if isDue { wake { $0.pending += Array(": heartbeat\n\n".utf8) } }
    }

    /// Fills `buffer` for libmicrohttpd, on the connection's thread: the number of bytes, 0 when the connection was
    /// put to sleep, or the end.
    func read(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        while true {
            if let count = takePending(into: buffer) { return count }
            let cursor = state.withLock { state in
                state.hasNews = false
                return state.cursor
            }
            // Asked without the lock: the service may hold a lock of its own while it calls `wake`.
            let events = service.events(after: cursor, limit: Self.batch)
            let bytes = events.filter { vmID == nil || $0.vmID == vmID }.flatMap(EventOutput.message)
            let mustLookAgain = state.withLock { state in
                if let last = events.last { state.cursor = last.sequence }
                state.pending += bytes
                if !events.isEmpty || state.hasNews || state.isEnded || state.sent < state.pending.count { return true }
                // Under the same lock that `wake` takes, so that a wake-up is never lost between look and sleep.
                if let connection = state.connection {
                    MHD_suspend_connection(connection.raw)
                    state.sleeping = connection
                }
                return false
            }
            if !mustLookAgain { return 0 }
        }
    }

    private func takePending(into buffer: UnsafeMutableRawBufferPointer) -> Int? {
        state.withLock { state in
            let left = state.pending.count - state.sent
            guard left > 0 else { return state.isEnded ? hv_mhd_end_of_stream : nil }
            let count = min(left, buffer.count)
            buffer.copyBytes(from: state.pending[state.sent..<(state.sent + count)])
            state.sent += count
            if state.sent == state.pending.count {
                state.pending.removeAll(keepingCapacity: true)
                state.sent = 0
            }
            state.lastSent = monotonicNanoseconds()
            return count
        }
    }

    private func wake(_ change: (inout State) -> Void) {
        state.withLock { state in
            change(&state)
            guard let connection = state.sleeping else { return }
            state.sleeping = nil
            // A sleeping connection is not freed, and only here does one wake it.
            MHD_resume_connection(connection.raw)
        }
    }
}
