import Glibc
import JSON
import LinuxSystem
import NetworkBackends
import Testing
import WorkerProtocol

@Suite("Network interfaces between server and worker")
struct NetworkTests {
    @Test func launchFilesSayAllOfAnInterface() throws {
        var whole = NetworkSource(
            id: "net0", mac: MACAddress([2, 0, 0, 0, 0, 1]), tap: .init(name: "t0", bridge: "br0"))
        whole.mtu = 9000
        whole.queues = 4
        whole.rateLimit = .init(bytesPerSecond: 100_000, packetsPerSecond: 7)
        whole.allowsSpoofing = true
        whole.offloads = false
        whole.vhost = .on
        var user = NetworkSource(id: "net2")
        user.user = .init(forwards: [
            .init(.tcp, hostPort: 2222, guestPort: 22), .init(.udp, hostPort: 65535, guestPort: 1),
        ])
        user.user?.forwards[1].hostAddress = IPv4Address(0)
        var plain = user
        plain.user = .init()
        let list = [
            whole, NetworkSource(id: "net1"), user, plain, NetworkSource(id: "net3", tap: .init(parent: "eth0")),
        ]
        let text = JSONValue.array(list.map(\.json)).serialized()
        #expect(try NetworkSource.list(try JSONValue.parse(text)) == list)
        #expect(try NetworkSource.list(nil).isEmpty)
        for (name, value): (String, JSONValue) in [
            ("mac", .string("2")), ("mtu", 67), ("mtu", 1_000_000), ("queues", 0), ("queues", 17), ("id", 5),
            ("offloads", .null), ("vhost", "maybe"), ("tap", ["name": 5]),
            ("user", 5), ("user", [["protocol": "tcp", "hostAddress": "127.0.0.1", "hostPort": 0, "guestPort": 1]]),
            ("user", [["protocol": "sctp", "hostAddress": "127.0.0.1", "hostPort": 1, "guestPort": 1]]),
        ] {
            var object = try #require(whole.json.object)
            object[name] = value
            #expect(throws: MessageError.self, "\(name)") { try NetworkSource(.object(object)) }
        }
        #expect(throws: MessageError.self) {
            try NetworkSource.list(.array([JSONValue](repeating: whole.json, count: 9)))
        }
    }

    @Test func countersAreRead() throws {
        let directory = try TemporaryDirectory()
        let writer = try StatisticsPage.Writer(directory: directory.path, runID: "run-1", vpCount: 1)
        var counters = NetworkCounters()
        counters.received = .init(packets: 1, bytes: 2, dropped: 3)
        counters.sent = .init(packets: 4, bytes: 5, dropped: 6)
        counters.spoofed = 7
        for _ in 0..<2 { writer.countNetwork(7, counters) }
        writer.countNetwork(0, counters)
        writer.countNetwork(8, counters)
        writer.countNetwork(-1, counters)
        let page = try StatisticsPage.Reader("\(directory.path)/statistics").read()
        #expect(page.networkInterfaces.count == 8)
        #expect(page.networkInterfaces[0] == counters)
        #expect(page.networkInterfaces[7].received == .init(packets: 2, bytes: 4, dropped: 6))
        #expect(page.networkInterfaces[7].sent == .init(packets: 8, bytes: 10, dropped: 12))
        #expect(page.networkInterfaces[7].spoofed == 14)
        #expect(page.networkInterfaces[1...6].allSatisfy { $0 == NetworkCounters() })
        // Neither the disks before nor the processors behind are touched.
        #expect(page.exits.allSatisfy { $0.allSatisfy { $0 == 0 } } && page.vpThreads == [0])
    }
}
