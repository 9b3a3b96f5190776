import DeviceSources
import LinuxSystem
import Log
import NetworkBackends
import Synchronization
import Vhost
import Virtio

/// A machine's network interface: what it has of the host, and the device of each of the machine's lives.
final class MachineNetworkInterface: MachineDevice {
    private let current: Mutex<DeviceSource>
    private let id: String
    private let allowsSpoofing: Bool
    let place: Int
    private let mac: MACAddress
    private let backend: any NetworkBackend
    var backing: AnyObject { backend }
    /// Nil where this process moves all packets.
    private let kernel: NetKernelPath?
    private let isLimited: LimitFlag
    /// The device of this life.
    private let device = Mutex<NetDevice?>(nil)
    /// One for each direction and all lives: a reset grants nothing.
    private let limiters: (receive: RateLimiter, send: RateLimiter)
    private let account: @Sendable (NetAccount) -> Void

    /// Whether packets are counted against a limit, which the kernel does not know.
    private final class LimitFlag: Sendable {
        let isSet: Atomic<Bool>
        init(_ source: NetworkSource) { isSet = Atomic(source.rateLimit != nil) }
    }

    private init(
        _ source: NetworkSource, mac: MACAddress, _ backend: any NetworkBackend, kernel: KernelUse?, place: Int,
        account: @escaping @Sendable (NetAccount) -> Void
    ) {
        current = Mutex(.networkInterface(source))
        let isLimited = LimitFlag(source)
        self.isLimited = isLimited
        self.kernel = kernel.map { use in
            NetKernelPath(tap: use.tap, filter: use.filter) { !isLimited.isSet.load(ordering: .relaxed) }
        }
        id = source.id
        allowsSpoofing = source.allowsSpoofing
        self.place = place
        self.mac = mac
        self.backend = backend
        self.account = account
        func limiter() -> RateLimiter {
            RateLimiter(
                bytesPerSecond: source.rateLimit?.bytesPerSecond,
                operationsPerSecond: source.rateLimit?.packetsPerSecond)
        }
        limiters = (limiter(), limiter())
    }

    var source: DeviceSource { current.withLock { $0 } }

    /// Opens what it is to have of the host.
    ///
    /// - Parameters:
    ///   - place: by which the observer is told of what went through.
    ///   - lockDirectory: as for `TapDevice`.
    ///   - vpCount: how many pairs of queues it gets where it does not say it.
    /// - Throws: `MachineError` that names the interface.
    static func open(
        _ source: NetworkSource, place: Int, lockDirectory: String, vpCount: Int, observer: any MachineObserver
    ) throws(MachineError) -> MachineNetworkInterface {
        guard let mac = source.mac else {
            throw MachineError("network interface '\(source.id)': it has no MAC address")
        }
        do throws(NetworkError) {
            let queues = min(source.queues ?? vpCount, NetworkSource.queueCounts.upperBound)
            let backend = try backend(source, mac, lockDirectory: lockDirectory, queues: queues)
            let kernel = try kernelUse(source, backend, mac)
            Log.info(
                "a network interface is there",
                [
                    "interface": source.id,
                    "tap": backend.tap ?? source.tap.parent.map { "a macvtap on \($0)" } ?? "none",
                    "mac": mac.description, "mtu": String(backend.mtu), "vhost": kernel == nil ? "no" : "yes",
                ])
            return MachineNetworkInterface(source, mac: mac, backend, kernel: kernel, place: place) { [weak observer] in
                observer?.machineDidUse(networkInterface: place, $0)
            }
        } catch {
            throw MachineError("network interface '\(source.id)': \(error)")
        }
    }

    private static func backend(
        _ source: NetworkSource, _ mac: MACAddress, lockDirectory: String, queues: Int
    ) throws(NetworkError) -> any NetworkBackend {
        if let user = source.user {
            let id = source.id
            return try PasstNetwork(user, mtu: source.mtu, mac: mac) {
                Log.warning("the user-mode network of an interface", ["interface": id, "news": $0])
            }
        }
        if let parent = source.tap.parent {
            return try MacvtapDevice(
                on: parent, mac: mac, lockDirectory: lockDirectory, mtu: source.mtu, queues: queues,
                usesOffloads: source.offloads)
        }
        return try TapDevice(
            source.tap, lockDirectory: lockDirectory, mtu: source.mtu, queues: queues, usesOffloads: source.offloads)
    }

    /// That the host's kernel is to move the packets.
    private struct KernelUse {
        var tap: String
        var filter: SourceFilter?
    }

    /// - Returns: nil where this process moves them.
    /// - Throws: `NetworkError` where the kernel can't, and has to.
    private static func kernelUse(
        _ source: NetworkSource, _ backend: any NetworkBackend, _ mac: MACAddress
    ) throws(NetworkError) -> KernelUse? {
        guard source.vhost != .off else { return nil }
        guard let tap = backend.tap else {
            guard source.vhost == .on else { return nil }
            throw NetworkError(
                "its vhost is 'on', and it is on no tap, whose packets alone the kernel can check and move")
        }
        guard VhostDevice.isThere(VhostDevice.netPath) else {
            guard source.vhost == .on else { return nil }
            throw NetworkError(
                "its vhost is 'on', and \(VhostDevice.netPath) is not there or not for this user (modprobe vhost_net)")
        }
        guard !source.allowsSpoofing else { return KernelUse(tap: tap) }
        do throws(NetworkError) {
            return KernelUse(tap: tap, filter: try SourceFilter(tap: tap, allowing: mac))
        } catch {
            guard source.vhost == .auto else { throw error }
            Log.info(
                "this process moves the packets of a network interface, not vhost",
                ["interface": source.id, "reason": error.description])
            return nil
        }
    }

    /// With the pairs of queues that the tap has, however many processors there are.
    func virtioDevice(vpCount: Int) -> any VirtioDevice {
        let id = id
        let device = NetDevice(
            backend, mac: mac, allowsSpoofing: allowsSpoofing, limiters: limiters, kernel: kernel,
            report: {
                Log.warning("a network interface lacks something of the host", ["interface": id, "reason": $0])
            },
            account: account)
        self.device.withLock { $0 = device }
        return device
    }

    func machineHasEnded() {
        kernel?.filter?.remove()
        backend.end()
    }

    func limit(_ limit: DeviceLimit?) {
        current.withLock { $0.limit = limit }
        for limiter in [limiters.receive, limiters.send] {
            limiter.change(bytesPerSecond: limit?.bytesPerSecond, operationsPerSecond: limit?.operationsPerSecond)
        }
        isLimited.isSet.store(limit != nil, ordering: .relaxed)
        device.withLock { $0 }?.reconsider()
    }
}
