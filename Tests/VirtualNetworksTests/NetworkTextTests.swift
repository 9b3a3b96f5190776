import LinuxSystem
import NetworkBackends
import Testing

@testable import VirtualNetworks

/// What dnsmasq and nft are told.
@Suite("Texts for the host's programs")
struct NetworkTextTests {
    static func network(
        _ id: String = "default", _ mode: NetworkDefinition.Mode = .nat, subnet: String = "10.9.0.0/24",
        metadata: Bool = false
    ) throws -> NetworkDefinition {
        let subnet = try #require(IPv4Subnet(subnet))
        var network = NetworkDefinition(id: id, mode: mode, bridge: NetworkDefinition.bridgeName(for: id))
        network.addressing = .init(
            subnet: subnet, range: try #require(NetworkDefinition.Addressing.wholeRange(of: subnet)),
            domain: "\(id).internal")
        network.metadata = metadata
        return network
    }

    static func reservation(
        _ vm: String, _ number: UInt8, _ interface: String = "net0", spoofs: Bool = false
    ) throws -> NetworkReservation {
        NetworkReservation(
            vm: vm, interface: interface, mac: try #require(MACAddress([2, 0, 0, 0, 0, number])),
            address: IPv4Address(0x0A09_0000 | UInt32(number)), allowsSpoofing: spoofs)
    }

    private func lines(_ text: String) -> Set<String> { Set(text.split(separator: "\n").map(String.init)) }

    @Test("dnsmasq knows every interface's address and name, and gives no other")
    func reservations() throws {
        let reservations = [
            try Self.reservation("a", 2), try Self.reservation("b", 3), try Self.reservation("b", 4, "net1"),
        ]
        let text = DnsmasqConfiguration.text(try Self.network(), reservations, user: "nobody")
        let lines = lines(text)
        for line in [
            "interface=hv-default", "bind-interfaces", "except-interface=lo", "no-hosts", "user=nobody",
            "dhcp-range=10.9.0.0,static,255.255.255.0,3600", "domain=default.internal", "local=/default.internal/",
            "dhcp-host=02:00:00:00:00:02,10.9.0.2,a", "host-record=a,a.default.internal,10.9.0.2",
            "dhcp-host=02:00:00:00:00:03,10.9.0.3,b", "dhcp-host=02:00:00:00:00:04,10.9.0.4,b-net1",
            "host-record=b-net1,b-net1.default.internal,10.9.0.4", "dhcp-option=option:mtu,1500",
        ] {
            #expect(lines.contains(line), "\(line) in \(text)")
        }
        // The router is the default of dnsmasq, and names of the outside are asked of the host's servers.
        #expect(!text.contains("option:router") && !lines.contains("no-resolv"))
        #expect(!DnsmasqConfiguration.text(try Self.network(), [], user: nil).contains("user="))
    }

    @Test("an isolated network has no router and asks nobody; metadata has a route of its own")
    func routes() throws {
        func text(_ mode: NetworkDefinition.Mode, _ metadata: Bool) throws -> Set<String> {
            lines(DnsmasqConfiguration.text(try Self.network("n", mode, metadata: metadata), [], user: nil))
        }
        let isolated = try text(.isolated, false)
        #expect(isolated.contains("dhcp-option=option:router") && isolated.contains("no-resolv"))
        let route = "dhcp-option=option:classless-static-route,169.254.169.254/32,10.9.0.1"
        #expect(try text(.isolated, true).isSuperset(of: [route, "dhcp-option=option:router"]))
        // Who reads this option does not read the router's.
        #expect(try text(.nat, true).contains(route + ",0.0.0.0/0,10.9.0.1"))
    }

    @Test("a name is one VM's, and no longer than a label of the DNS")
    func names() throws {
        let long = String(repeating: "x", count: 60)
        let names = DnsmasqConfiguration.names([
            try Self.reservation("a", 2), try Self.reservation("a", 3, "b"), try Self.reservation("a-b", 4),
            try Self.reservation(long, 5), try Self.reservation(long, 6, "net1"),
        ])
        #expect(names == ["a", nil, "a-b", long, nil])
    }

    @Test("rules are replaced as a whole, and go away with the last network")
    func wholeTables() throws {
        let install = "0123456789abcdef"
        let empty = NetworkRules.text([], [:], install: install)
        #expect(
            empty == """
                table inet hvroot_0123456789ab
                delete table inet hvroot_0123456789ab
                table bridge hvroot_0123456789ab
                delete table bridge hvroot_0123456789ab

                """)
        let host = NetworkDefinition(id: "office", mode: .bridge, bridge: "br0")
        #expect(NetworkRules.text([host], [:], install: install) == empty)
        let text = NetworkRules.text([try Self.network()], [:], install: install)
        #expect(text.hasPrefix(empty) && text.utf8.count > empty.utf8.count)
    }

    @Test("only a network with nat has a way out; none leads to another; the host is reached for what it serves")
    func routing() throws {
        let networks = [
            try Self.network("out"), try Self.network("in", .isolated, subnet: "10.10.0.0/24", metadata: true),
        ]
        let text = NetworkRules.text(networks, [:], install: "i")
        let lines = text.split(separator: "\n").map(String.init)
        #expect(lines.filter { $0.contains("masquerade") } == ["ip saddr 10.9.0.0/24 oifname != \"hv-out\" masquerade"])
        let forward = try #require(lines.firstIndex { $0.contains("hook forward") })
        #expect(
            Array(lines[(forward + 1)...(forward + 6)]) == [
                "iifname @bridges oifname @bridges drop", "iifname @bridges ip daddr 169.254.0.0/16 drop",
                "iifname \"hv-out\" ip saddr 10.9.0.0/24 accept",
                "oifname \"hv-out\" ip daddr 10.9.0.0/24 ct state established,related accept",
                "iifname @bridges drop", "oifname @bridges drop",
            ])
        // What comes from a network and is not let in is dropped at the end.
        let incoming = try #require(lines.firstIndex { $0.contains("hook input") })
        let end = try #require(lines[incoming...].firstIndex(of: "}"))
        #expect(lines[end - 1] == "drop")
        #expect(lines.filter { $0.contains("169.254.169.254") }.count == 1)
    }

    @Test("a guest sends with its own addresses and is no DHCP server")
    func guests() throws {
        let reservations = ["default": [try Self.reservation("a", 2), try Self.reservation("b", 3, spoofs: true)]]
        let text = NetworkRules.text([try Self.network()], reservations, install: "i")
        #expect(text.contains("set guests { type ether_addr; elements = { 02:00:00:00:00:02 } }"))
        #expect(text.contains("elements = { 02:00:00:00:00:02 . 10.9.0.2 }"))
        #expect(!text.contains("02:00:00:00:00:03"))
        #expect(text.contains("udp sport 67 drop"))
        // An empty list of elements is an error to nft.
        #expect(!NetworkRules.text([try Self.network()], [:], install: "i").contains("elements = {  }"))
    }
}
