import Glibc
import JSON
import LinuxSystem
import TestHTTP
import Testing

extension EndToEnd {
    /// Networks through the API: what is refused, whose an address is, and that they outlive the server. Nothing is made on
    /// the host for simulated guests.
    @Suite struct NetworkResourceTests {
        static func vm(_ id: String, _ network: String, _ more: String = "") -> String {
            #"{"id": "\#(id)", "memory": {"size": "64MiB"}, "boot": {"kernel": "builtin:demo"}, "networkInterfaces": [{"id": "net0", "network": "\#(network)"\#(more)}]}"#
        }

        static func patch(_ api: API, _ path: String, _ body: String) async throws -> HTTPAnswer {
            try await api.connection().request(
                "PATCH", path, headers: [("Content-Type", "application/merge-patch+json")], body: Array(body.utf8))
        }

        @Test(.timeLimit(.minutes(2))) func whatIsNoNetworkIsRefused() async throws {
            let fixture = try ServerFixture(hypervisor: "simulated")
            let api = try await fixture.start()
            func refused(
                _ body: String, _ field: String, _ fragment: String, status: Int = 400,
                type: String = "invalid-argument"
            ) async throws {
                let answer = try await api.request("POST", "/v1/networks", body)
                let problem = try answer.json()
                #expect(
                    answer.status == status && problem["type"]?.string == "urn:hvroot:problem:\(type)", "\(answer.text)"
                )
                #expect(problem["field"]?.string == field, "\(answer.text)")
                #expect(problem["detail"]?.string?.contains(fragment) == true, "\(answer.text)")
            }
            func nat(_ more: String, _ field: String, _ fragment: String) async throws {
                try await refused(#"{"id": "n", "mode": "nat"\#(more)}"#, field, fragment)
            }
            try await refused(#"{"mode": "nat"}"#, "/id", "is missing")
            try await refused(#"{"id": "n"}"#, "/mode", "is missing")
            try await refused(#"{"id": "No", "mode": "nat"}"#, "/id", "is not one")
            try await refused(#"{"id": "n", "mode": "vxlan"}"#, "/mode", "none of nat, isolated, bridge")
            try await refused(#"{"id": "n", "mode": "nat", "vlan": 1}"#, "/vlan", "vlan", type: "unknown-field")
            try await refused(
                #"{"id": "n", "mode": "nat", "gateway": "10.0.0.1"}"#, "/gateway", "set by the server",
                type: "unknown-field")
            for subnet in ["10.0.0.0", "10.0.0.0/33", "fd00::/64", "ten"] {
                try await nat(#", "subnet": "\#(subnet)""#, "/subnet", "no IPv4 subnet")
            }
            try await nat(#", "subnet": "10.0.0.1/24""#, "/subnet", "bits behind its prefix")
            for subnet in ["10.0.0.0/8", "10.0.0.0/30"] {
                try await nat(#", "subnet": "\#(subnet)""#, "/subnet", "/16 to /29")
            }
            for subnet in ["127.0.0.0/16", "169.254.0.0/16", "224.1.0.0/16", "255.255.0.0/16", "0.0.0.0/16"] {
                try await nat(#", "subnet": "\#(subnet)""#, "/subnet", "a meaning of its own")
            }
            let subnet = #", "subnet": "10.0.0.0/24", "dhcp": "#
            try await nat(subnet + #"{"start": "x"}"#, "/dhcp/start", "no IPv4 address")
            try await nat(subnet + #"{"start": "10.0.0.1"}"#, "/dhcp/start", "none that an interface")
            try await nat(subnet + #"{"end": "10.0.0.255"}"#, "/dhcp/end", "none that an interface")
            try await nat(subnet + #"{"start": "10.0.0.9", "end": "10.0.0.8"}"#, "/dhcp/start", "behind its end")
            for domain in ["", "a..b", "-a", "A.b", "a b", "x\\nserver=1.2.3.4", "a/b"] {
                try await nat(#", "domain": "\#(domain)""#, "/domain", "no domain")
            }
            for bridge in ["", "a/b", "sixteen-letters-", "a\\nb"] {
                try await nat(#", "bridge": "\#(bridge)""#, "/bridge", "no name of a network interface")
            }
            for mtu in [575, 65522] { try await nat(#", "mtu": \#(mtu)"#, "/mtu", "none of 576") }
            try await refused(#"{"id": "n", "mode": "bridge"}"#, "/bridge", "names the bridge")
            let bridge = #"{"id": "n", "mode": "bridge", "bridge": "br0", "#
            try await refused(bridge + #""subnet": "10.0.0.0/24"}"#, "/subnet", "has no subnet")
            try await refused(bridge + #""mtu": 1500}"#, "/mtu", "has no mtu")
            try await refused(bridge + #""metadata": true}"#, "/metadata", "no metadata service")
            #expect(
                try await api.json("/v1/networks")["networks"]?.array?.isEmpty == true, "a refused request left one")
            // One name, one bridge, one subnet: one network.
            let first = #"{"id": "first", "mode": "nat", "subnet": "10.0.0.0/24"}"#
            try await api.request("POST", "/v1/networks", first, expecting: 201)
            try await refused(first, "/id", "network with the id 'first'", status: 409, type: "already-exists")
            try await refused(
                #"{"id": "n", "mode": "isolated", "subnet": "10.0.0.0/16"}"#, "/subnet", "network 'first'", status: 409,
                type: "already-exists")
            try await refused(
                #"{"id": "n", "mode": "isolated", "bridge": "hv-first"}"#, "/bridge", "network 'first'", status: 409,
                type: "already-exists")
            try await refused(
                #"{"id": "n", "mode": "bridge", "bridge": "hv-first"}"#, "/bridge", "network 'first'", status: 409,
                type: "already-exists")
        }

        @Test(.timeLimit(.minutes(2))) func networksAreShownKeptAndChanged() async throws {
            let fixture = try ServerFixture(hypervisor: "simulated")
            let api = try await fixture.start()
            let body = #"{"id": "lab", "mode": "nat", "labels": {"team": "a"}, "mtu": 9000, "metadata": true}"#
            let made = try await api.request("POST", "/v1/networks", body, expecting: 201).json()
            #expect(made["bridge"]?.string == "hv-lab" && made["domain"]?.string == "lab.internal")
            #expect(made["subnet"]?.string?.hasSuffix(".0/24") == true && made["status"]?["state"]?.string == "ready")
            #expect(made["mtu"]?.uint64 == 9000 && made["metadata"]?.bool == true)
            let other = #"{"id": "other", "mode": "isolated"}"#
            let second = try await api.request("POST", "/v1/networks", other, expecting: 201).json()
            #expect(second["subnet"]?.string != made["subnet"]?.string)
            let list = try await api.json("/v1/networks?pageSize=1")
            #expect(list["networks"]?.array?.count == 1 && list["nextPageToken"]?.string != nil)
            #expect(try await api.json("/v1/networks?label=team%3Da")["networks"]?.array?.count == 1)
            let stale = try await api.connection().request(
                "PATCH", "/v1/networks/lab", headers: [("If-Match", "\"7\"")], body: Array("{}".utf8))
            #expect(stale.status == 412, "\(stale.text)")
            let changed = try await Self.patch(
                api, "/v1/networks/lab", #"{"metadata": false, "labels": {"team": null, "x": "y"}}"#)
            let now = try changed.json()
            #expect(now["metadata"]?.bool == false && now["labels"]?.object?.names == ["x"], "\(changed.text)")
            #expect(now["revision"]?.uint64 == 2)
            let refused = try await Self.patch(api, "/v1/networks/lab", #"{"subnet": "10.0.0.0/24"}"#)
            #expect(refused.status == 400 && refused.text.contains("set by the server"), "\(refused.text)")
            try await fixture.end(SIGKILL)
            let next = try await fixture.start()
            #expect(try await next.json("/v1/networks/lab") == now)
            for id in ["lab", "other"] { try await next.request("DELETE", "/v1/networks/\(id)", expecting: 204) }
            try await next.request("DELETE", "/v1/networks/lab", expecting: 404)
            try await next.request("GET", "/v1/networks/lab", expecting: 404)
            let events = try await next.request(
                "GET", "/v1/events?after=0", headers: [("Accept", "application/json")], expecting: 200
            ).json()
            let types = events["events"]?.array?.compactMap { $0["type"]?.string } ?? []
            for type in ["created", "updated", "deleted", "state-changed"] {
                #expect(types.contains("network.\(type)"))
            }
        }

        @Test(.timeLimit(.minutes(2))) func anAddressHasOneOwner() async throws {
            let fixture = try ServerFixture(hypervisor: "simulated")
            let api = try await fixture.start()
            let small = #"{"id": "small", "mode": "nat", "subnet": "10.1.0.0/29"}"#
            try await api.request("POST", "/v1/networks", small, expecting: 201)
            let missing = try await api.request("POST", "/v1/vms", Self.vm("x", "none"), expecting: 400)
            #expect(missing.text.contains("/networkInterfaces/0/network"), "\(missing.text)")
            let both = try await api.request("POST", "/v1/vms", Self.vm("x", "small", #", "tap": {}"#), expecting: 400)
            #expect(both.text.contains("one of a network, a tap"), "\(both.text)")
            let given = try await api.request(
                "POST", "/v1/vms", Self.vm("x", "small", #", "addresses": ["10.1.0.2"]"#), expecting: 400)
            #expect(given.text.contains("set by the server"), "\(given.text)")
            // Five addresses for eight that ask at the same time.
            let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
                for index in 0..<8 {
                    group.addTask { try await api.request("POST", "/v1/vms", Self.vm("vm-\(index)", "small")).status }
                }
                var statuses: [Int] = []
                for try await status in group { statuses.append(status) }
                return statuses.sorted()
            }
            #expect(statuses.filter { $0 == 201 }.count == 5 && Set(statuses).count == 2, "\(statuses)")
            func addresses(_ api: API) async throws -> [String: String] {
                var result: [String: String] = [:]
                for vm in try await api.json("/v1/vms")["vms"]?.array ?? [] {
                    result[vm["id"]?.string ?? ""] =
                        vm["networkInterfaces"]?.array?.first?["addresses"]?.array?.first?.string
                }
                return result
            }
            let before = try await addresses(api)
            #expect(Set(before.values) == Set((2...6).map { "10.1.0.\($0)" }))
            let shown = try await api.json("/v1/networks/small")["interfaces"]?.array ?? []
            #expect(shown.compactMap { $0["address"]?.string }.sorted() == before.values.sorted())
            let used = try await api.request("DELETE", "/v1/networks/small", expecting: 409)
            for vm in before.keys { #expect(used.text.contains("'\(vm)'"), "\(used.text)") }
            // They outlive the server, and a change of something else.
            try await fixture.end(SIGKILL)
            let next = try await fixture.start()
            #expect(try await addresses(next) == before)
            let some = try #require(before.keys.sorted().first)
            let labelled = try await Self.patch(next, "/v1/vms/\(some)", #"{"labels": {"a": "b"}}"#)
            let again = try await Self.patch(
                next, "/v1/vms/\(some)", #"{"networkInterfaces": [{"id": "net0", "network": "small"}]}"#)
            #expect(labelled.status == 200 && again.status == 200, "\(again.text)")
            #expect(try await addresses(next) == before)
            // One that is given up is another's.
            let left = try await Self.patch(next, "/v1/vms/\(some)", #"{"networkInterfaces": null}"#)
            #expect(left.status == 200, "\(left.text)")
            let late = try await next.request("POST", "/v1/vms", Self.vm("late", "small"), expecting: 201).json()
            let address = late["networkInterfaces"]?.array?.first?["addresses"]?.array?.first?.string
            #expect(address == before[some])
            let full = try await Self.patch(
                next, "/v1/vms/\(some)", #"{"networkInterfaces": [{"id": "net0", "network": "small"}]}"#)
            #expect(full.text.contains("insufficient-resources") && full.text.contains("are taken"), "\(full.text)")
            for vm in before.keys where vm != some { try await next.request("DELETE", "/v1/vms/\(vm)", expecting: 204) }
            try await next.request("DELETE", "/v1/vms/late", expecting: 204)
            try await next.request("DELETE", "/v1/networks/small", expecting: 204)
        }
    }
}
