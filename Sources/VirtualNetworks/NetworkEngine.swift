import Glibc
import LinuxSystem
import Log
import NetworkBackends
import Synchronization

/// Makes the networks of this host what they are to be, and keeps them so: one thread does everything, so that no two
/// changes of the host meet.
package final class NetworkEngine: Sendable {
    /// What is to be.
    package struct Wish: Sendable {
        package var networks: [NetworkDefinition]
        /// By the networks' ids.
        package var reservations: [String: [NetworkReservation]]

        package init(networks: [NetworkDefinition], reservations: [String: [NetworkReservation]]) {
            self.networks = networks
            self.reservations = reservations
        }
    }

    private struct Requests {
        /// Goes up with each `wake`.
        var asked: UInt64 = 0
        var done: UInt64 = 0
        var isClosed = false
        var waiting: [(number: UInt64, continuation: CheckedContinuation<Void, Never>)] = []
    }

    private let requests = Mutex(Requests())
    private let wakeup: EventFD
    private let directory: String
    private let lockDirectory: String
    private let install: String
    private let wish: @Sendable () -> Wish
    private let changed: @Sendable ([String: NetworkStatus]) -> Void

    /// - Parameters:
    ///   - directory: where what runs is kept; gone after a start of the host, as are the networks.
    ///   - lockDirectory: where the users of taps keep others from them.
    ///   - install: tells networks of this server from those of others on the same host.
    ///   - wish: asked whenever it may have changed, from the engine's thread.
    ///   - changed: told how each network is, from the engine's thread.
    package init(
        directory: String, lockDirectory: String, install: String, wish: @escaping @Sendable () -> Wish,
        changed: @escaping @Sendable ([String: NetworkStatus]) -> Void
    ) throws(Errno) {
        self.directory = directory
        self.lockDirectory = lockDirectory
        self.install = install
        self.wish = wish
        self.changed = changed
        wakeup = try EventFD()
    }

    /// Begins. The thread keeps this object until `close`.
    package func start() throws(Errno) {
        let epoll = try EpollSet()
        try epoll.add(wakeup.raw, token: 0)
        try SystemThread(name: "networks") { [self] in work(epoll) }.detach()
    }

    /// Says that something may have changed.
    package func wake() {
        requests.withLock { $0.asked += 1 }
        wakeup.signal()
    }

    /// Waits until all that was wished for before this has been tried.
    package func settle() async {
        await withCheckedContinuation { continuation in
            let isClosed = requests.withLock { state in
                guard !state.isClosed else { return true }
                state.asked += 1
                state.waiting.append((state.asked, continuation))
                return false
            }
            if isClosed { continuation.resume() } else { wakeup.signal() }
        }
    }

    /// Ends the thread. Networks and what serves them stay.
    package func close() {
        let waiting = requests.withLock { state in
            state.isClosed = true
            defer { state.waiting = [] }
            return state.waiting
        }
        for waiter in waiting { waiter.continuation.resume() }
        wakeup.signal()
    }

    private func work(_ epoll: EpollSet) {
        let reconciler = NetworkReconciler(
            directory: directory, lockDirectory: lockDirectory, install: install, epoll: epoll)
        while true {
            // First taken, then looked: what is said after the look wakes the thread again.
            wakeup.drain()
            let (asked, isClosed) = requests.withLock { ($0.asked, $0.isClosed) }
            if isClosed { return }
            reconciler.run(wish())
            changed(reconciler.statuses)
            let done = requests.withLock { state in
                state.done = asked
                let done = state.waiting.filter { $0.number <= asked }
                state.waiting.removeAll { $0.number <= asked }
                return done
            }
            for waiter in done { waiter.continuation.resume() }
            let now = monotonicNanoseconds()
            let next = reconciler.nextDeadline
            let pause = next <= now ? 0 : Int(min(next - now, 3_600_000_000_000) / 1_000_000) + 1
            _ = epoll.wait(milliseconds: pause)
        }
    }
}
