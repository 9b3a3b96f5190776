import CLinux
import Glibc
import LinuxSystem

/// A tap of the host with a queue for each pair of a device's. One that was made here goes away with it; one that was
/// there before stays, and gets back the MTU, the bridge and the state that it had.
package final class TapDevice: NetworkBackend {
    /// As the host knows it.
    package let name: String
    package var offloads: NetworkOffloads { taps.offloads }
    package let mtu: Int
    package var queues: [any NetworkQueue] { taps.queues }
    package var tap: String? { name }
    private let taps: TapQueues
    /// Held as long as this object lives; nil where nobody asked for it.
    private let lock: TapLock?
    /// Of a tap that was there before.
    private let settings: TapSettings?

    private static let path = "/dev/net/tun"

    /// Joins the tap, or makes it, and brings it up.
    ///
    /// - Parameters:
    ///   - lockDirectory: where those who use taps keep each other from the same one: two guests on one tap would get
    ///     each other's packets. Nil: nobody is kept off.
    ///   - mtu: nil: the tap's own, or for one that is made the bridge's.
    ///   - queues: at least one is made.
    ///   - usesOffloads: false: none are offered.
    package init(
        _ tap: NetworkSource.Tap, lockDirectory: String? = nil, mtu: Int? = nil, queues: Int = 1,
        usesOffloads: Bool = true
    ) throws(NetworkError) {
        let isNew = tap.name.map { HostInterface.index(of: $0) == nil } ?? true
        if let bridge = tap.bridge, HostInterface.index(of: bridge) == nil {
            throw NetworkError("there is no bridge \(bridge) on this host")
        }
        // A name that is known is locked before the tap is joined, one that the kernel chooses as soon as it is known.
        var early: TapLock?
        if let name = tap.name { early = try TapLock(name, in: lockDirectory) }
        var taps = [try Self.join(tap.name ?? "hvtap%d", wantsQueues: queues > 1, isNew: isNew)]
        let name = taps[0].name
        if early == nil { early = try TapLock(name, in: lockDirectory) }
        lock = early
        while taps.count < queues { taps.append(try Self.join(name, wantsQueues: true, isNew: isNew)) }
        self.name = name
        do throws(Errno) {
            settings = isNew ? nil : try TapSettings(of: try HostInterface(name))
        } catch {
            throw NetworkError("the tap \(name) can't be asked about: \(error)")
        }
        do throws(NetworkError) {
            self.mtu = try Self.configure(name, tap, mtu: mtu, isNew: isNew)
        } catch {
            settings?.restore()
            throw error
        }
        do throws(Errno) {
            self.taps = try TapQueues(taps, usesOffloads: usesOffloads)
        } catch {
            settings?.restore()
            throw NetworkError("the tap \(name) does not take its settings: \(error)")
        }
    }

    // While it is still locked.
    deinit { end() }

    /// Gives a tap that was there before what it had then.
    package func end() { settings?.restore() }

    private static func join(_ name: String, wantsQueues: Bool, isNew: Bool) throws(NetworkError) -> TapQueue {
        let descriptor: FileDescriptor
        do throws(Errno) {
            descriptor = try FileDescriptor(opening: path, O_RDWR | O_NONBLOCK)
        } catch {
            throw NetworkError("\(path) can't be opened: \(error)")
        }
        var joined = hv_interface_name()
        if hv_tap_join(descriptor.raw, name, wantsQueues ? 1 : 0, &joined) != 0 {
            let error = Errno.last
            // A tap that knows several queues wants to be joined so, also for one.
            guard error.code == EINVAL, !wantsQueues, !isNew,
                hv_tap_join(descriptor.raw, name, 1, &joined) == 0
            else { throw refusal(error, name, wantsQueues: wantsQueues, isNew: isNew) }
        }
        try TapQueues.setHeaders(descriptor, of: name)
        let text = withUnsafeBytes(of: joined) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        return TapQueue(name: text, consume descriptor)
    }

    private static func refusal(_ error: Errno, _ name: String, wantsQueues: Bool, isNew: Bool) -> NetworkError {
        switch error.code {
        case EPERM where isNew: NetworkError("a tap can't be made without the capability CAP_NET_ADMIN")
        case EPERM: NetworkError("the tap \(name) belongs to another user, and CAP_NET_ADMIN is missing")
        case EBUSY: NetworkError("the tap \(name) is in use by another program")
        case EINVAL where !isNew && wantsQueues:
            NetworkError(
                "\(name) is no tap with several queues (ip tuntap add mode tap multi_queue): give it one queue")
        case EINVAL where !isNew: NetworkError("\(name) is no tap")
        default: NetworkError("the tap \(name) can't be used: \(error)")
        }
    }

    /// - Returns: the MTU.
    private static func configure(
        _ name: String, _ tap: NetworkSource.Tap, mtu: Int?, isNew: Bool
    ) throws(NetworkError) -> Int {
        var step = "can't be asked about"
        do throws(Errno) {
            let interface = try HostInterface(name)
            let before = try interface.mtu
            var wanted = mtu ?? before
            if mtu == nil, isNew, let bridge = tap.bridge { wanted = try HostInterface(bridge).mtu }
            if wanted != before {
                step = "can't have an MTU of \(wanted)"
                try interface.setMTU(wanted)
            }
            if let bridge = tap.bridge {
                step = "can't be made a port of \(bridge)"
                try interface.join(bridge: bridge)
            }
            step = "can't be brought up"
            try interface.setUp(true)
            return wanted
        } catch {
            throw NetworkError("the tap \(name) \(step): \(error)")
        }
    }

    package func setReceiveOffloads(_ offloads: NetworkOffloads) throws(Errno) {
        try taps.setReceiveOffloads(offloads)
    }

    package func setActive(queues count: Int) throws(Errno) { try taps.setActive(queues: count) }
}
