import Glibc
import GuestMemory
import LinuxSystem
import NetworkBackends
import Synchronization

/// A pair of queues between two of its threads.
struct NetPairQueues: Sendable {
    var receive: VirtQueue?
    var send: VirtQueue?
    /// That was received and waits for the driver's buffers, with its header; empty: none.
    var packet: [UInt8] = []
}

/// Serves a pair of queues, one for each direction. For the pair's own thread.
final class NetPairLoop {
    private let pair: Int
    private let target: NetTarget
    private let backend: any NetworkQueue
    private let signals: any VirtioSignals
    private let receiver: NetReceiver?
    private let sender: NetSender?
    /// The driver broke a rule: nothing more is taken from it.
    private var isBroken = false

    /// - Parameter pair: which one; its queues have twice the number, and one more.
    init(
        _ queues: NetPairQueues, pair: Int, target: NetTarget, backend: any NetworkQueue, memory: GuestMemory,
        features: UInt64, signals: any VirtioSignals
    ) {
        self.pair = pair
        self.target = target
        self.backend = backend
        self.signals = signals
        receiver = queues.receive.map {
            NetReceiver(
                $0, packet: queues.packet, target: target, backend: backend, memory: memory, features: features)
        }
        sender = queues.send.map { NetSender($0, target: target, backend: backend, memory: memory, features: features) }
    }

    /// The queues as the loop left them.
    var queues: NetPairQueues {
        NetPairQueues(receive: receiver?.queue, send: sender?.queue, packet: receiver?.waitingPacket ?? [])
    }

    private var isActive: Bool { pair < target.activePairs.load(ordering: .acquiring) }

    /// Serves until `isStopping` says so.
    func run(wake: EventFD, isStopping: () -> Bool) {
        while true {
            wake.drain()
            if isStopping() { return }
            guard isActive, !isBroken else {
                wait(wake, forWork: false)
                continue
            }
            do throws(VirtQueueError) {
                if try step() { continue }
                // Notifications are wanted only by one who is about to sleep, and can take what they tell of.
                let (more, packets) = (try receiver?.prepareToSleep(), try sender?.prepareToSleep())
                if more == true || packets == true { continue }
                wait(wake, forWork: true)
                // While this thread is awake it looks by itself.
                try receiver?.wokeUp()
                try sender?.wokeUp()
            } catch {
                isBroken = true
                signals.needsReset(error)
            }
        }
    }

    /// - Returns: whether something was sent or received.
    private func step() throws(VirtQueueError) -> Bool {
        var account = NetAccount()
        defer { if account != NetAccount() { target.account(account) } }
        var didWork = false
        if let sender, try sender.step(&account) {
            didWork = true
            if try sender.needsInterrupt() { signals.queueWasUsed(2 * pair + 1) }
        }
        if let receiver, try receiver.step(&account) {
            didWork = true
            if try receiver.needsInterrupt() { signals.queueWasUsed(2 * pair) }
        }
        return didWork
    }

    private func wait(_ wake: EventFD, forWork: Bool) {
        var entries = [pollfd(fd: wake.raw, events: Int16(POLLIN), revents: 0)]
        var milliseconds: Int32 = -1
        if forWork {
            if receiver?.waitsForPackets == true {
                entries.append(pollfd(fd: backend.descriptor, events: Int16(POLLIN), revents: 0))
            }
            if let until = [receiver?.until, sender?.until].compactMap({ $0 }).min() {
                let now = monotonicNanoseconds()
                milliseconds = until > now ? Int32(clamping: (until - now) / 1_000_000 + 1) : 0
            }
        }
        _ = poll(&entries, nfds_t(entries.count), milliseconds)
    }
}
