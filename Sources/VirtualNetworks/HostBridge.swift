import Glibc
import JSON
import LinuxSystem
import NetworkBackends

/// The bridge of a network on this host. Blocks.
struct HostBridge {
    let network: NetworkDefinition
    /// The installation whose bridges are ours.
    let install: String

    /// An interface as `ip` shows it.
    struct Link: Equatable {
        var name: String
        var kind: String
        var address: String
        var alias: String?
        var mtu: Int
        var isUp: Bool
    }

    /// Whether the bridge is as it was made; else `make` has work to do. Costs a program's start.
    func isThere() -> Bool {
        guard let link = (try? Self.link(network.bridge)) ?? nil else { return false }
        return isOurs(link) && link.isUp && link.mtu == network.mtu ?? 1500
    }

    /// Makes what is missing of the bridge, down to its addresses. What is there stays: guests keep their connections.
    ///
    /// - Throws: `NetworkFailure`, where an interface that is not ours has the name too.
    func make() throws(NetworkFailure) {
        guard let addressing = network.addressing else { return }
        let name = network.bridge
        let mac = network.bridgeAddress(install: install).description
        let mtu = String(network.mtu ?? 1500)
        if let link = try Self.link(name) {
            guard isOurs(link) else { throw Self.foreign(link) }
        } else {
            try NetworkTool.ip.run([
                "link", "add", "name", name, "address", mac, "mtu", mtu, "type", "bridge", "stp_state", "0",
                "forward_delay", "0",
            ])
        }
        try NetworkTool.ip.run(["link", "set", "dev", name, "alias", network.alias(install: install)])
        // Where the kernel knows no IPv6 there is nothing to turn off.
        try? Self.set("/proc/sys/net/ipv6/conf/\(name)/disable_ipv6", "1")
        try NetworkTool.ip.run([
            "address", "replace", "\(addressing.gateway)/\(addressing.subnet.prefix)", "dev", name,
        ])
        let metadata = "\(MetadataAddress.address)/32"
        if network.metadata {
            try NetworkTool.ip.run(["address", "replace", metadata, "dev", name, "scope", "link"])
        } else {
            _ = try? NetworkTool.ip.run(["address", "delete", metadata, "dev", name])
        }
        try NetworkTool.ip.run(["link", "set", "dev", name, "mtu", mtu, "up"])
        if network.mode == .nat { try Self.forward() }
    }

    /// Whether an interface that is there may be taken for this network's: it has our mark, or, where the server ended
    /// before it could be marked, the address that we gave it when it was made.
    func isOurs(_ link: Link) -> Bool {
        guard link.kind == "bridge" else { return false }
        if let alias = link.alias { return alias == network.alias(install: install) }
        return link.address == network.bridgeAddress(install: install).description
    }

    /// The host's interface of a network that makes none.
    static func checkExisting(_ network: NetworkDefinition) throws(NetworkFailure) {
        let name = network.bridge
        let kind = network.mode == .macvtap ? "interface" : "bridge"
        guard let link = try link(name) else { throw NetworkFailure("there is no \(kind) \(name) on this host") }
        guard network.mode == .macvtap || link.kind == "bridge" else { throw NetworkFailure("\(name) is no bridge") }
    }

    static func foreign(_ link: Link) -> NetworkFailure {
        NetworkFailure(
            "this host has an interface \(link.name) that is not of this server's making"
                + (link.alias.map { " (its alias is '\($0)')" } ?? ""))
    }

    static func remove(_ name: String) throws(NetworkFailure) {
        guard try link(name) != nil else { return }
        try NetworkTool.ip.run(["link", "delete", "dev", name, "type", "bridge"])
    }

    /// The bridges on this host with the mark of networks of `install`, by the networks' ids.
    static func marked(install: String) throws(NetworkFailure) -> [(id: String, name: String)] {
        let prefix = NetworkDefinition.aliasPrefix(install: install)
        return links(try NetworkTool.ip.run(["-json", "-details", "link", "show", "type", "bridge"])).compactMap {
            guard let alias = $0.alias, alias.hasPrefix(prefix) else { return nil }
            return (String(alias.dropFirst(prefix.count)), $0.name)
        }
    }

    /// nil where there is no interface of that name.
    static func link(_ name: String) throws(NetworkFailure) -> Link? {
        guard if_nametoindex(name) != 0 else { return nil }
        return links(try NetworkTool.ip.run(["-json", "-details", "link", "show", "dev", name])).first
    }

    /// What `ip -json -details link` says.
    static func links(_ bytes: [UInt8]) -> [Link] {
        guard let list = (try? JSONValue.parse(bytes))?.array else { return [] }
        return list.compactMap { value in
            guard let name = value["ifname"]?.string else { return nil }
            return Link(
                name: name, kind: value["linkinfo"]?["info_kind"]?.string ?? "",
                address: value["address"]?.string ?? "", alias: value["ifalias"]?.string,
                mtu: value["mtu"]?.uint64.map { Int(clamping: $0) } ?? 0,
                isUp: value["flags"]?.array?.contains { $0.string == "UP" } ?? false)
        }
    }

    /// Lets the host pass packets on between its interfaces, which a network with a way out needs.
    private static func forward() throws(NetworkFailure) {
        let path = "/proc/sys/net/ipv4/ip_forward"
        do throws(Errno) {
            if String(decoding: try FileDescriptor(opening: path, O_RDONLY).read(count: 8), as: UTF8.self).first == "1"
            {
                return
            }
            try set(path, "1")
        } catch {
            throw NetworkFailure("\(path) is not 1 and can't be set: \(error)")
        }
    }

    private static func set(_ path: String, _ value: String) throws(Errno) {
        let file = try FileDescriptor(opening: path, O_WRONLY)
        try file.writeAll(Array(value.utf8))
    }
}
