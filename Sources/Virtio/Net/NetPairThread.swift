import GuestMemory
import LinuxSystem
import NetworkBackends
import Synchronization

/// The thread of one pair of queues of a network device.
final class NetPairThread: NetPair {
    /// Wakes the thread: the doorbell of both queues.
    let wake: EventFD
    private let shared: Shared
    private let thread: SystemThread

    private final class Shared: Sendable {
        let isStopping = Atomic(false)
        let queues: Mutex<NetPairQueues>
        init(_ queues: NetPairQueues) { self.queues = Mutex(queues) }
    }

    /// - Parameter before: what woke the thread that this one goes on for; nil: there was none.
    /// - Throws: `Errno` where the host has no descriptors or threads left.
    init(
        _ queues: NetPairQueues, wake before: EventFD? = nil, pair: Int, target: NetTarget, memory: GuestMemory,
        features: UInt64, signals: any VirtioSignals
    ) throws(Errno) {
        let wake: EventFD
        if let before { wake = before } else { wake = try EventFD() }
        let shared = Shared(queues)
        self.wake = wake
        self.shared = shared
        thread = try SystemThread(name: "net queues \(pair)") {
            let loop = NetPairLoop(
                queues, pair: pair, target: target, backend: target.backend.queues[pair], memory: memory,
                features: features, signals: signals)
            loop.run(wake: wake) { shared.isStopping.load(ordering: .acquiring) }
            let left = loop.queues
            shared.queues.withLock { $0 = left }
        }
        // What the driver made available before it said that it is ready, or a saved state has left.
        wake.signal()
    }

    func requestStop() {
        shared.isStopping.store(true, ordering: .releasing)
        wake.signal()
    }

    /// Waits for the thread's end, which `requestStop` has asked for. Once.
    ///
    /// - Returns: the queues as the thread left them.
    func finish() -> NetPairQueues {
        thread.join()
        return shared.queues.withLock { $0 }
    }
}
