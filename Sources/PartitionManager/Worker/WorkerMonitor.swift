import LinuxSystem
import Synchronization

/// One thread that watches the sockets and processes of all workers. Everything a `WorkerConnection` does happens on
/// it.
final class WorkerMonitor: Sendable {
    typealias Job = @Sendable (MonitorLoop) -> Void

    private struct Inbox {
        var jobs: [Job] = []
        var isClosed = false
    }

    private let inbox = Mutex(Inbox())
    private let wake: EventFD

    init() throws(Errno) {
        wake = try EventFD()
        let epoll = try EpollSet()
        try epoll.add(wake.raw, token: MonitorLoop.wakeToken)
        // The thread keeps the monitor until `close`.
        try SystemThread(name: "worker-monitor") { self.run(MonitorLoop(epoll)) }.detach()
    }

    /// Has `job` done on the monitor's thread, after those given before.
    ///
    /// - Returns: false where the monitor is closed; `job` is not done then.
    func perform(_ job: @escaping Job) -> Bool {
        let accepted = inbox.withLock { inbox in
            if !inbox.isClosed { inbox.jobs.append(job) }
            return !inbox.isClosed
        }
        if accepted { wake.signal() }
        return accepted
    }

    /// Ends the thread. Workers and guests go on; nothing more is told of them.
    func close() {
        inbox.withLock { $0.isClosed = true }
        wake.signal()
    }

    private func run(_ loop: MonitorLoop) {
        while true {
            let woken = loop.serve()
            if woken { wake.drain() }
            let (jobs, isClosed) = inbox.withLock { inbox in
                defer { inbox.jobs = [] }
                return (inbox.jobs, inbox.isClosed)
            }
            for job in jobs { job(loop) }
            if isClosed { return loop.abandonAll() }
        }
    }
}

/// What the monitor's thread works with. Confined to it.
final class MonitorLoop {
    static let wakeToken: UInt64 = 0
    /// How exactly deadlines are kept, in milliseconds; nothing ticks where no deadline is set.
    private static let tick = 20

    let epoll: EpollSet
    private var connections: [UInt64: WorkerConnection] = [:]
    private var withDeadlines: Set<UInt64> = []
    private var nextID: UInt64 = 1

    init(_ epoll: EpollSet) { self.epoll = epoll }

    /// Gives a connection its id: `2 * id` is the token of its process, `2 * id + 1` that of its socket.
    func register(_ connection: WorkerConnection) -> UInt64 {
        let id = nextID
        nextID += 1
        connections[id] = connection
        return id
    }

    func unregister(_ id: UInt64) {
        connections[id] = nil
        withDeadlines.remove(id)
    }

    /// Asks for `checkDeadlines` until that says that none is left.
    func keepDeadlines(of id: UInt64) {
        if connections[id] != nil { withDeadlines.insert(id) }
    }

    /// Waits for something to happen and handles it.
    ///
    /// - Returns: whether there may be jobs.
    func serve() -> Bool {
        var isWoken = false
        for ready in epoll.wait(milliseconds: withDeadlines.isEmpty ? nil : Self.tick) {
            if ready.token == Self.wakeToken {
                isWoken = true
            } else if let connection = connections[ready.token / 2] {
                if ready.token % 2 == 0 {
                    connection.processEnded(self)
                } else {
                    connection.socketReady(ready, self)
                }
            }
        }
        if !withDeadlines.isEmpty {
            let now = monotonicNanoseconds()
            for id in withDeadlines {
                if connections[id]?.checkDeadlines(now, self) != true { withDeadlines.remove(id) }
            }
        }
        return isWoken
    }

    func abandonAll() {
        for connection in connections.values { connection.abandon(self) }
    }
}
