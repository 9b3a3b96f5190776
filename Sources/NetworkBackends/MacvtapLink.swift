import Glibc
import LinuxSystem

/// A macvtap of ours: a tap with a MAC address of its own on an interface of the host. Unlike other taps it does not go
/// away with the process that uses it, so its name says whose it is, and those that a killed process left are swept.
package struct MacvtapLink: Sendable {
    // linux/if_link.h
    private enum Attribute {
        static let address: UInt16 = 1
        static let name: UInt16 = 3
        static let link: UInt16 = 5
        static let linkInfo: UInt16 = 18
        static let kind: UInt16 = 1
        static let data: UInt16 = 2
        static let mode: UInt16 = 1
    }
    // linux/rtnetlink.h
    private static let newLink: UInt16 = 16
    private static let deleteLink: UInt16 = 17
    /// MACVLAN_MODE_BRIDGE: guests on one interface reach each other.
    private static let bridgeMode: UInt32 = 4
    private static let prefix = "hvm"

    let name: String
    let index: UInt32

    /// The name of the one for a guest's address, which no other VM has: as long as a name can be.
    static func name(for mac: MACAddress) -> String {
        prefix + mac.bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    /// Makes it; one that is there is what a killed process left, since its lock is ours.
    init(on parent: String, mac: MACAddress) throws(NetworkError) {
        name = Self.name(for: mac)
        guard let lower = HostInterface.index(of: parent) else {
            throw NetworkError("there is no interface \(parent) on this host")
        }
        if HostInterface.index(of: name) != nil {
            guard Self.isMacvtap(name) else {
                throw NetworkError("this host has an interface \(name) that is no macvtap")
            }
            Self.remove(name)
        }
        var request = NetlinkRequest(
            type: Self.newLink, flags: [.acknowledge, .create, .exclusive], header: Self.header(index: 0))
        request.add(Attribute.name, Array(name.utf8) + [0])
        request.add(Attribute.address, mac.bytes)
        request.add(Attribute.link, NetlinkRequest.bytes(lower))
        let mode = NetlinkRequest.attribute(Attribute.mode, NetlinkRequest.bytes(Self.bridgeMode))
        request.add(
            Attribute.linkInfo,
            NetlinkRequest.attribute(Attribute.kind, Array("macvtap".utf8))
                + NetlinkRequest.attribute(Attribute.data, mode))
        do throws(Errno) {
            _ = try request.perform()
        } catch {
            switch error.code {
            case EPERM: throw NetworkError("a macvtap can't be made without the capability CAP_NET_ADMIN")
            case EOPNOTSUPP: throw NetworkError("this host's kernel knows no macvtap (modprobe macvtap)")
            case EBUSY: throw NetworkError("\(parent) takes no macvtap: it is a bridge's port, or used by another kind")
            default: throw NetworkError("a macvtap on \(parent) can't be made: \(error)")
            }
        }
        guard let index = HostInterface.index(of: name) else {
            throw NetworkError("the macvtap \(name) was taken away by somebody")
        }
        self.index = index
    }

    /// Where its packets are read and written.
    var path: String { "/dev/tap\(index)" }

    func remove() { Self.remove(name) }

    private static func remove(_ name: String) {
        guard let index = HostInterface.index(of: name) else { return }
        let request = NetlinkRequest(type: deleteLink, flags: .acknowledge, header: header(index: index))
        _ = try? request.perform()
    }

    /// `ifinfomsg` of any family, for an interface.
    private static func header(index: UInt32) -> [UInt8] {
        [UInt8](repeating: 0, count: 4) + NetlinkRequest.bytes(index) + [UInt8](repeating: 0, count: 8)
    }

    private static func isMacvtap(_ name: String) -> Bool { access("/sys/class/net/\(name)/macvtap", F_OK) == 0 }

    /// Takes away those whose process ended without doing it.
    ///
    /// - Parameter lockDirectory: where their users keep others from them: what has no lock there is not ours.
    package static func sweep(lockDirectory: String) {
        guard let entries = try? DirectoryNames.list("/sys/class/net") else { return }
        for name in entries where name.hasPrefix(prefix) && name.utf8.count == prefix.utf8.count + 12 {
            guard access("\(lockDirectory)/.tap-\(name)", F_OK) == 0, isMacvtap(name) else { continue }
            // Whoever uses it holds its lock.
            guard let lock = try? TapLock(name, in: lockDirectory) else { continue }
            withExtendedLifetime(lock) { remove(name) }
        }
    }
}
