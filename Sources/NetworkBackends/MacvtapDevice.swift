import CLinux
import Glibc
import LinuxSystem

/// A macvtap with a queue for each pair of a device's; it goes away with this object.
package final class MacvtapDevice: NetworkBackend {
    package var offloads: NetworkOffloads { taps.offloads }
    package let mtu: Int
    package var queues: [any NetworkQueue] { taps.queues }
    private let taps: TapQueues
    private let link: MacvtapLink
    /// Held as long as this object lives.
    private let lock: TapLock?

    /// - Parameters:
    ///   - parent: the interface of the host's.
    ///   - mac: the guest's address.
    ///   - lockDirectory: as for `TapDevice`.
    ///   - mtu: nil: the parent's, which it can't exceed.
    package init(
        on parent: String, mac: MACAddress, lockDirectory: String?, mtu: Int? = nil, queues: Int = 1,
        usesOffloads: Bool = true
    ) throws(NetworkError) {
        lock = try TapLock(MacvtapLink.name(for: mac), in: lockDirectory)
        let link = try MacvtapLink(on: parent, mac: mac)
        do throws(NetworkError) {
            self.mtu = try Self.configure(link, parent, mtu)
            var opened: [TapQueue] = []
            while opened.count < max(queues, 1) { opened.append(try Self.open(link, wantsQueues: queues > 1)) }
            do throws(Errno) {
                taps = try TapQueues(opened, usesOffloads: usesOffloads)
            } catch {
                throw NetworkError("the macvtap \(link.name) does not take its settings: \(error)")
            }
        } catch {
            link.remove()
            throw error
        }
        self.link = link
    }

    // While it is still locked.
    deinit { link.remove() }

    /// - Returns: the MTU.
    private static func configure(_ link: MacvtapLink, _ parent: String, _ mtu: Int?) throws(NetworkError) -> Int {
        do throws(Errno) {
            let interface = try HostInterface(link.name)
            if let mtu, try interface.mtu != mtu { try interface.setMTU(mtu) }
            try interface.setUp(true)
            return try interface.mtu
        } catch {
            let what = mtu.map { " with an MTU of \($0)" } ?? ""
            throw NetworkError("the macvtap on \(parent) can't be brought up\(what): \(error)")
        }
    }

    private static func open(_ link: MacvtapLink, wantsQueues: Bool) throws(NetworkError) -> TapQueue {
        let file: FileDescriptor
        do throws(Errno) {
            file = try FileDescriptor(opening: link.path, O_RDWR | O_NONBLOCK)
        } catch {
            throw NetworkError("the macvtap's \(link.path) can't be opened: \(error)")
        }
        var joined = hv_interface_name()
        if hv_tap_join(file.raw, link.name, wantsQueues ? 1 : 0, &joined) != 0 {
            throw NetworkError("the macvtap \(link.name) can't be joined: \(Errno.last)")
        }
        try TapQueues.setHeaders(file, of: link.name)
        return TapQueue(name: link.name, consume file)
    }

    package func setReceiveOffloads(_ offloads: NetworkOffloads) throws(Errno) {
        try taps.setReceiveOffloads(offloads)
    }

    package func setActive(queues count: Int) throws(Errno) { try taps.setActive(queues: count) }
}
