import LinuxSystem
import NetworkBackends
import Synchronization

/// What all queues of one network device share while they run.
final class NetTarget: Sendable {
    let backend: any NetworkBackend
    let mac: MACAddress
    let allowsSpoofing: Bool
    /// By direction: a limit holds for each.
    let receiveLimiter: RateLimiter
    let sendLimiter: RateLimiter
    let account: @Sendable (NetAccount) -> Void
    /// Each change of a tap takes the lock that all of the host's networks share: a guest gets it only so often.
    private let changes = RateLimiter(bytesPerSecond: nil, operationsPerSecond: 100)
    /// Pairs of queues in use, from the first one on.
    let activePairs = Atomic(1)
    /// What received packets may leave to the driver (`NetworkOffloads`).
    private let offloads = Atomic<UInt32>(0)

    init(
        _ backend: any NetworkBackend, mac: MACAddress, allowsSpoofing: Bool, receiveLimiter: RateLimiter,
        sendLimiter: RateLimiter, account: @escaping @Sendable (NetAccount) -> Void
    ) {
        self.backend = backend
        self.mac = mac
        self.allowsSpoofing = allowsSpoofing
        self.receiveLimiter = receiveLimiter
        self.sendLimiter = sendLimiter
        self.account = account
    }

    /// Whether the driver may change the backend's settings now; one that does it all the time is told that it failed.
    func mayChangeBackend() -> Bool { changes.take(bytes: 0, now: monotonicNanoseconds()) == nil }

    var receiveOffloads: NetworkOffloads {
        get { NetworkOffloads(rawValue: offloads.load(ordering: .relaxed)) }
        set { offloads.store(newValue.rawValue, ordering: .relaxed) }
    }
}
