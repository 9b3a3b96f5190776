import Glibc
import JSON
import TestHTTP
import Testing

extension EndToEnd {
    /// Network interfaces that come and go, as a client sees it. With a guest that has a network Tests/Host shows it.
    @Suite struct NetworkHotplugTests {
        private static let path = "/v1/vms/a/networkInterfaces"
        private static let net = #"{"id": "net1", "tap": {"name": "t1"}, "mac": "02:00:00:00:00:0a"}"#

        private func ended(_ answer: HTTPAnswer, _ verb: String, _ api: API) async throws -> JSONValue {
            let operation = try answer.json()
            #expect(operation["verb"]?.string == verb && operation["networkInterface"]?.string == "net1")
            #expect(operation["disk"] == nil)
            return try await api.waitForEnd(of: operation)
        }

        @Test(.timeLimit(.minutes(2))) func comeAndGo() async throws {
            let fixture = try ServerFixture(hypervisor: "simulated")
            var api = try await fixture.start()
            try await api.create("a")
            for isRunning in [false, true] {
                if isRunning { try await api.perform("start", on: "a") }
                let attach = try await api.request("POST", Self.path, Self.net, expecting: 202)
                #expect(try await ended(attach, "attachNetworkInterface", api)["status"]?.string == "succeeded")
                #expect(try await api.json(Self.path)["networkInterfaces"]?.array?.count == 1)
                #expect(try await api.json("\(Self.path)/net1")["mac"]?.string == "02:00:00:00:00:0a")
                let twice = try await api.request("POST", Self.path, Self.net, expecting: 409)
                #expect(twice.text.contains("'net1' already"), "\(twice.text)")
                let limit = #"{"rateLimit": {"packetsPerSecond": 9}}"#
                let limited = try await api.request("PATCH", "\(Self.path)/net1", limit, expecting: 200).json()
                #expect(limited["rateLimit"]?["packetsPerSecond"]?.uint64 == 9)
                let more = #"{"rateLimit": {"bytesPerSecond": 65536}}"#
                let both = try await api.request("PATCH", "\(Self.path)/net1", more, expecting: 200).json()
                #expect(both["rateLimit"]?["packetsPerSecond"]?.uint64 == 9)
                #expect(both["rateLimit"]?["bytesPerSecond"]?.uint64 == 65536)
                // They outlive the server.
                try await fixture.end(SIGKILL)
                api = try await fixture.start()
                #expect(try await api.json("\(Self.path)/net1") == both)
                let none = #"{"rateLimit": null}"#
                let free = try await api.request("PATCH", "\(Self.path)/net1", none, expecting: 200).json()
                #expect(free["rateLimit"] == nil)
                let detach = try await api.request("DELETE", "\(Self.path)/net1", expecting: 202)
                #expect(try await ended(detach, "detachNetworkInterface", api)["status"]?.string == "succeeded")
                #expect(try await api.request("GET", "\(Self.path)/net1").status == 404)
                #expect(try await api.json(Self.path)["networkInterfaces"]?.array?.isEmpty == true)
            }
        }

        @Test(.timeLimit(.minutes(2))) func whatIsWrongIsSaid() async throws {
            let fixture = try ServerFixture(hypervisor: "simulated")
            let api = try await fixture.start()
            try await api.create("a")
            try await api.perform("start", on: "a")
            func refused(_ body: String, _ status: Int, _ field: String) async throws {
                let answer = try await api.request("POST", Self.path, body)
                #expect(answer.status == status, "\(answer.text)")
                #expect(try answer.json()["field"]?.string == field, "\(answer.text)")
            }
            try await refused(#"{"tap": {}}"#, 400, "/id")
            try await refused(#"{"id": "net1"}"#, 400, "/tap")
            try await refused(#"{"id": "net1", "tap": {"name": "a/b"}}"#, 400, "/tap/name")
            try await refused(#"{"id": "net1", "tap": {}, "speed": 1}"#, 400, "/speed")
            for query in ["?timeout=0", "?force=perhaps", "?now=1"] {
                let answer = try await api.request("DELETE", "\(Self.path)/net1\(query)")
                #expect(answer.status == 400, "\(answer.text)")
            }
            #expect(try await api.request("DELETE", "\(Self.path)/net1").status == 404)
            #expect(try await api.request("POST", "/v1/vms/none/networkInterfaces", Self.net).status == 404)
            #expect(try await api.request("PATCH", "\(Self.path)/net1", "{}").status == 404)
            _ = try await ended(
                try await api.request("POST", Self.path, Self.net, expecting: 202), "attachNetworkInterface", api)
            let mtu = try await api.request("PATCH", "\(Self.path)/net1", #"{"mtu": 1400}"#)
            #expect(mtu.status == 400 && mtu.text.contains("cannot be given"), "\(mtu.text)")
            // The address is the VM's, whoever asks.
            try await api.create("b")
            let taken = try await api.request("POST", "/v1/vms/b/networkInterfaces", Self.net, expecting: 409)
            #expect(try taken.json()["field"]?.string == "/mac", "\(taken.text)")
        }
    }
}
