import NetworkBackends
import Testing

@testable import VirtualNetworks

@Suite("Addresses of networks")
struct AddressTests {
    @Test func textIsReadAndWritten() {
        #expect(IPv4Address("10.0.255.1")?.value == 0x0A00_FF01)
        #expect(IPv4Address(0x0A00_FF01).description == "10.0.255.1")
        for wrong in [
            "", "10.0.0", "10.0.0.256", "10.0.0.01", "10.0.0.1.1", " 10.0.0.1", "0x0a.0.0.1", "10.0.0.-1", "a",
        ] {
            #expect(IPv4Address(wrong) == nil, "\(wrong)")
        }
        let subnet = IPv4Subnet("10.9.1.0/24")
        #expect(subnet?.netmask.description == "255.255.255.0" && subnet?.broadcast.description == "10.9.1.255")
        #expect(IPv4Subnet("10.9.1.7/24") == subnet)
        for wrong in ["10.0.0.0", "10.0.0.0/33", "10.0.0.0/", "/8", "10.0.0.0/-1", "10.0.0.0/8/8", "10.0.0.0/08"] {
            #expect(IPv4Subnet(wrong) == nil, "\(wrong)")
        }
        #expect(IPv4Subnet("0.0.0.0/0")?.netmask.value == 0 && IPv4Subnet("1.2.3.4/32")?.broadcast.value == 0x0102_0304)
    }

    @Test func subnetsOverlapBothWays() throws {
        let large = try #require(IPv4Subnet("10.0.0.0/8"))
        let small = try #require(IPv4Subnet("10.9.0.0/24"))
        let other = try #require(IPv4Subnet("10.9.1.0/24"))
        #expect(large.overlaps(small) && small.overlaps(large) && !small.overlaps(other) && !other.overlaps(small))
    }

    @Test("an interface gets the same address again, and all of a range are given before it is full")
    func allocation() throws {
        let range = try #require(IPv4Range(IPv4Address(0x0A09_0002), IPv4Address(0x0A09_0011)))
        #expect(range.count == 16)
        var taken: [IPv4Address] = []
        for number in 0..<16 {
            let mac = MACAddress(derivedFrom: "n", vm: "vm-\(number)", interface: "net0")
            let address = try #require(range.free(for: mac) { taken.contains($0) })
            #expect(range.contains(address) && !taken.contains(address))
            #expect(range.free(for: mac) { taken.contains($0) } == address)
            taken.append(address)
        }
        let late = MACAddress(derivedFrom: "n", vm: "late", interface: "net0")
        #expect(range.free(for: late) { taken.contains($0) } == nil)
        #expect(range.free(for: late) { $0 != taken[3] } == taken[3])
        #expect(IPv4Range(IPv4Address(2), IPv4Address(1)) == nil)
    }

    @Test("a free subnet is none that a network or a route has")
    func choice() throws {
        #expect(SubnetChooser.choose(besides: [])?.description == "10.64.0.0/24")
        let taken = try ["10.64.0.0/24", "10.64.1.128/25", "192.168.0.0/16"].map { try #require(IPv4Subnet($0)) }
        #expect(SubnetChooser.choose(besides: taken)?.description == "10.64.2.0/24")
        let ten = try #require(IPv4Subnet("10.0.0.0/8"))
        #expect(SubnetChooser.choose(besides: [ten])?.description == "192.168.64.0/24")
        #expect(SubnetChooser.choose(besides: [ten, taken[2]]) == nil)
    }

    @Test("the host's routes are read, but for the default one")
    func routes() throws {
        let table = """
            Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
            eth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0
            eth0\t0000000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
            broken line
            """
        #expect(
            SubnetChooser.routes(table)
                == [SubnetChooser.Route(subnet: try #require(IPv4Subnet("10.0.0.0/24")), interface: "eth0")])
    }

    @Test("a bridge's name fits, and differs for networks that begin alike")
    func bridgeNames() {
        #expect(NetworkDefinition.bridgeName(for: "default") == "hv-default")
        #expect(NetworkDefinition.bridgeName(for: "twelve-chars") == "hv-twelve-chars")
        let long = ["a-very-long-network-1", "a-very-long-network-2"].map { NetworkDefinition.bridgeName(for: $0) }
        #expect(long[0] != long[1])
        for name in long { #expect(name.hasPrefix("hv-") && name.utf8.count == 15, "\(name)") }
    }

    @Test("a bridge is ours by its mark, or by its address before it has one")
    func ownership() throws {
        let network = try NetworkTextTests.network()
        let bridge = HostBridge(network: network, install: "me")
        let text = #"""
            [{},{"ifname":"hv-default","flags":["BROADCAST","UP"],"mtu":1500,"address":"02:00:00:00:00:01",
              "ifalias":"hvroot:me:default","linkinfo":{"info_kind":"bridge"}}]
            """#
        var link = try #require(HostBridge.links(Array(text.utf8)).first)
        #expect(link.name == "hv-default" && link.kind == "bridge" && link.mtu == 1500 && link.isUp)
        #expect(bridge.isOurs(link))
        link.alias = "hvroot:you:default"
        #expect(!bridge.isOurs(link))
        link.alias = nil
        #expect(!bridge.isOurs(link))
        link.address = network.bridgeAddress(install: "me").description
        #expect(bridge.isOurs(link))
        link.kind = "dummy"
        #expect(!bridge.isOurs(link))
        #expect(HostBridge.links(Array("no json".utf8)).isEmpty)
    }
}
