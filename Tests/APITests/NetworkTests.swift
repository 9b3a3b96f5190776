import Glibc
import JSON
import LinuxSystem
import TestHTTP
import Testing

extension EndToEnd {
    /// Network interfaces through the API: what is refused, whose an address is, and that they outlive the server.
    /// Whether packets get through is Tests/Host's to show.
    @Suite struct NetworkTests {
        private static func body(_ id: String, _ interfaces: String) -> String {
            #"{"id": "\#(id)", "memory": {"size": "64MiB"}, "boot": {"kernel": "builtin:demo"}, "networkInterfaces": \#(interfaces)}"#
        }

        private static func interface(_ id: String = "net0", _ more: String = #", "tap": {}"#) -> String {
            #"{"id": "\#(id)"\#(more)}"#
        }

        private static func patch(_ api: API, _ id: String, _ body: String) async throws -> HTTPAnswer {
            try await api.connection().request(
                "PATCH", "/v1/vms/\(id)", headers: [("Content-Type", "application/merge-patch+json")],
                body: Array(body.utf8))
        }

        @Test(.timeLimit(.minutes(2))) func whatIsNoInterfaceIsRefused() async throws {
            let fixture = try ServerFixture(hypervisor: "simulated")
            let api = try await fixture.start()
            func refused(
                _ interfaces: String, _ field: String, _ fragment: String, type: String = "invalid-argument"
            ) async throws {
                let answer = try await api.request("POST", "/v1/vms", Self.body("bad", interfaces))
                let problem = try answer.json()
                #expect(
                    answer.status == 400 && problem["type"]?.string == "urn:hvroot:problem:\(type)", "\(answer.text)")
                #expect(problem["field"]?.string == "/networkInterfaces\(field)", "\(answer.text)")
                #expect(problem["detail"]?.string?.contains(fragment) == true, "\(answer.text)")
            }
            func one(_ more: String, _ field: String, _ fragment: String) async throws {
                try await refused("[\(Self.interface("net0", more))]", "/0/\(field)", fragment)
            }
            try await refused("{}", "", "list of network interfaces")
            try await refused(#"[{"tap": {}}]"#, "/0/id", "is missing")
            try await refused(#"[{"id": "No", "tap": {}}]"#, "/0/id", "is not one")
            try await one("", "tap", "is missing")
            for mac in ["", "02:00", "02:00:00:00:00:0g", "02-00-00-00-00-01"] {
                try await one(#", "tap": {}, "mac": "\#(mac)""#, "mac", "no MAC address")
            }
            try await one(#", "tap": {}, "mac": "01:00:5e:00:00:01""#, "mac", "names a group")
            try await one(#", "tap": {}, "mac": "00:00:00:00:00:00""#, "mac", "names none")
            for name in ["", "a/b", "tap%d", "a name", "abcdefghijklmnop", "..", "t:1"] {
                try await one(#", "tap": {"name": "\#(name)"}"#, "tap/name", "no name of a network interface")
                try await one(#", "tap": {"bridge": "\#(name)"}"#, "tap/bridge", "no name of a network interface")
            }
            for mtu in [0, 67, 65522, 1 << 40] { try await one(#", "tap": {}, "mtu": \#(mtu)"#, "mtu", "none of 68") }
            for queues in [0, 17] { try await one(#", "tap": {}, "queues": \#(queues)"#, "queues", "none of 1 to 16") }
            try await one(#", "tap": {}, "allowSpoofing": 1"#, "allowSpoofing", "true or false")
            try await one(
                #", "tap": {}, "rateLimit": {"bytesPerSecond": 5}"#, "rateLimit/bytesPerSecond", "none of 65536")
            try await one(
                #", "tap": {}, "rateLimit": {"packetsPerSecond": 0}"#, "rateLimit/packetsPerSecond", "none of 1")
            try await one(#", "tap": {}, "vhost": "yes""#, "vhost", "none of auto, on, off")
            try await one(
                #", "tap": {}, "vhost": "on", "rateLimit": {"packetsPerSecond": 9}"#, "vhost", "knows no limit")
            let mac = #", "tap": {}, "mac": "02:00:00:00:00:01""#
            try await refused(
                "[\(Self.interface("a", mac)), \(Self.interface("b", mac))]", "/1/mac", "the same MAC address")
            try await refused("[\(Self.interface("a")), \(Self.interface("a"))]", "/1/id", "the same id")
            let tap = #", "tap": {"name": "t0"}"#
            try await refused(
                "[\(Self.interface("a", tap)), \(Self.interface("b", tap))]", "/1/tap/name", "the same tap")
            let many = (0..<9).map { Self.interface("n\($0)") }
            try await refused("[\(many.joined(separator: ","))]", "", "at most 8")
            try await refused(
                "[\(Self.interface("a", #", "tap": {}, "vlan": 1"#))]", "/0/vlan", "vlan", type: "unknown-field")
            #expect(try await api.json("/v1/vms")["vms"]?.array?.isEmpty == true, "a refused request left a VM")
        }

        @Test(.timeLimit(.minutes(2))) func interfacesAreShownKeptAndChanged() async throws {
            let fixture = try ServerFixture(hypervisor: "simulated")
            let api = try await fixture.start()
            let more =
                #", "tap": {"name": "t0", "bridge": "br0"}, "mtu": 9000, "queues": 2, "allowSpoofing": true,"#
                + #" "offloads": false, "vhost": "off", "rateLimit": {"bytesPerSecond": 1000000}"#
            let interfaces = "[\(Self.interface("net0")), \(Self.interface("net1", more))]"
            try await api.request("POST", "/v1/vms", Self.body("a", interfaces), expecting: 201)
            let shown = try #require(try await api.vm("a")["networkInterfaces"]?.array)
            // Derived, and locally administered.
            let mac = try #require(shown[0]["mac"]?.string)
            let first = try #require(UInt8(mac.prefix(2), radix: 16))
            #expect(mac.utf8.count == 17 && first & 3 == 2)
            #expect(shown[0]["allowSpoofing"]?.bool == false && shown[0]["offloads"]?.bool == true)
            #expect(shown[1]["tap"]?["name"]?.string == "t0" && shown[1]["tap"]?["bridge"]?.string == "br0")
            #expect(shown[1]["mtu"]?.uint64 == 9000 && shown[1]["queues"]?.uint64 == 2)
            #expect(shown[1]["allowSpoofing"]?.bool == true && shown[1]["offloads"]?.bool == false)
            #expect(shown[0]["vhost"]?.string == "auto" && shown[1]["vhost"]?.string == "off")
            #expect(shown[1]["rateLimit"]?["bytesPerSecond"]?.uint64 == 1_000_000)
            #expect(shown[1]["mac"]?.string != mac)
            // They outlive the server, and a simulated guest runs without them.
            try await fixture.end(SIGKILL)
            let next = try await fixture.start()
            #expect(try await next.vm("a")["networkInterfaces"]?.array == shown)
            try await next.perform("start", on: "a")
            let refused = try await Self.patch(next, "a", #"{"networkInterfaces": []}"#)
            #expect(refused.status == 409 && refused.text.contains("/networkInterfaces"), "\(refused.text)")
            try await next.perform("stop", on: "a")
            // The same interface gets the same address again.
            let changed = try await Self.patch(next, "a", #"{"networkInterfaces": [{"id": "net0", "tap": {}}]}"#)
            #expect(try changed.json()["networkInterfaces"]?.array?.first?["mac"]?.string == mac, "\(changed.text)")
            let none = try await Self.patch(next, "a", #"{"networkInterfaces": null}"#)
            #expect(try none.status == 200 && none.json()["networkInterfaces"] == nil, "\(none.text)")
        }

        @Test(.timeLimit(.minutes(2))) func anAddressHasOneOwner() async throws {
            let fixture = try ServerFixture(hypervisor: "simulated")
            let api = try await fixture.start()
            let mac = Self.interface("n", #", "tap": {}, "mac": "02:00:00:00:00:0A""#)
            // Of those that come at the same time one gets it.
            let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
                for index in 0..<8 {
                    group.addTask {
                        try await api.request("POST", "/v1/vms", Self.body("vm-\(index)", "[\(mac)]")).status
                    }
                }
                var statuses: [Int] = []
                for try await status in group { statuses.append(status) }
                return statuses.sorted()
            }
            #expect(statuses == [201] + [Int](repeating: 409, count: 7))
            let owner = try #require(try await api.json("/v1/vms")["vms"]?.array?.first?["id"]?.string)
            let refused = try await api.request("POST", "/v1/vms", Self.body("late", "[\(mac)]"), expecting: 409)
            #expect(refused.text.contains("VM '\(owner)' has it") && refused.text.contains("/networkInterfaces/0/mac"))
            try await api.request("POST", "/v1/vms", Self.body("late", "[]"), expecting: 201)
            let patched = try await Self.patch(api, "late", #"{"networkInterfaces": [\#(mac)]}"#)
            #expect(patched.status == 409, "\(patched.text)")
            // The owner keeps it in a change of its own, and gives it up with its end.
            let kept = try await Self.patch(api, owner, #"{"networkInterfaces": [\#(mac)]}"#)
            #expect(kept.status == 200, "\(kept.text)")
            _ = try await api.request("DELETE", "/v1/vms/\(owner)")
            let taken = try await Self.patch(api, "late", #"{"networkInterfaces": [\#(mac)]}"#)
            #expect(taken.status == 200, "\(taken.text)")
        }
    }
}
