import BlockStorage
import LinuxSystem
import Log
import NetworkBackends
import Virtio

/// A machine's network interface: its tap, and the device of each of the machine's lives.
final class MachineNetworkInterface: Sendable {
    private let source: NetworkSource
    var id: String { source.id }
    private let mac: MACAddress
    private let tap: TapDevice
    /// One for each direction and all lives: a reset grants nothing.
    private let limiters: (receive: RateLimiter, send: RateLimiter)
    private let account: @Sendable (NetAccount) -> Void

    private init(
        _ source: NetworkSource, mac: MACAddress, _ tap: TapDevice, account: @escaping @Sendable (NetAccount) -> Void
    ) {
        self.source = source
        self.mac = mac
        self.tap = tap
        self.account = account
        func limiter() -> RateLimiter {
            RateLimiter(
                bytesPerSecond: source.rateLimit?.bytesPerSecond,
                operationsPerSecond: source.rateLimit?.packetsPerSecond)
        }
        limiters = (limiter(), limiter())
    }

    /// Opens the taps of all interfaces.
    ///
    /// - Parameters:
    ///   - lockDirectory: as for `TapDevice`.
    ///   - vpCount: how many pairs of queues those get that do not say it.
    ///   - account: is told of what went through, with the interface's place among `sources`.
    /// - Throws: `MachineError` that names the interface.
    static func open(
        _ sources: [NetworkSource], lockDirectory: String, vpCount: Int,
        account: @escaping @Sendable (Int, NetAccount) -> Void
    ) throws(MachineError) -> [MachineNetworkInterface] {
        var interfaces: [MachineNetworkInterface] = []
        for (index, source) in sources.enumerated() {
            guard let mac = source.mac else {
                throw MachineError("network interface '\(source.id)': it has no MAC address")
            }
            do throws(NetworkError) {
                let queues = min(source.queues ?? vpCount, NetworkSource.queueCounts.upperBound)
                let tap = try TapDevice(
                    source.tap, lockDirectory: lockDirectory, mtu: source.mtu, queues: queues,
                    usesOffloads: source.offloads)
                Log.info(
                    "a network interface is there",
                    ["interface": source.id, "tap": tap.name, "mac": mac.description, "mtu": String(tap.mtu)])
                interfaces.append(MachineNetworkInterface(source, mac: mac, tap) { account(index, $0) })
            } catch {
                throw MachineError("network interface '\(source.id)': \(error)")
            }
        }
        return interfaces
    }

    /// The device for one life of the machine.
    func device() -> NetDevice {
        let id = source.id
        return NetDevice(
            tap, mac: mac, allowsSpoofing: source.allowsSpoofing, limiters: limiters,
            report: { Log.warning("a network interface is not served", ["interface": id, "reason": $0]) },
            account: account)
    }
}
