import Glibc
import JSON
import LinuxSystem
import TestHTTP
import Testing

extension EndToEnd {
    /// A thousand VMs on one server.
    @Suite struct SimulatedFleetTests {
        static let count = 1000
        static let names = (0..<count).map { "vm-" + String(10_000 + $0).dropFirst() }

        @Test(.timeLimit(.minutes(3))) func aThousandVMsOutliveTheServer() async throws {
            let fixture = try ServerFixture(hypervisor: "simulated")
            let first = try await fixture.start()
            try await Self.inParallel(first, Self.names) { client, name in
                let body = #"{"id": "\#(name)", "boot": {"kernel": "builtin:demo"}, "labels": {"fleet": "a"}}"#
                let created = try await client.request("POST", "/v1/vms", json: body)
                #expect(created.status == 201, "\(created.text)")
                let started = try await client.request("POST", "/v1/vms/\(name):start")
                #expect(started.status == 202, "\(started.text)")
            }
            try await Self.waitForAll(first)
            try await Self.checkList(first)
            for name in ["vm-0000", "vm-0499", "vm-0999"] {
                try await first.waitForConsole("hvroot simulated guest", of: name)
            }
            let before = try await Self.identities(first)
            #expect(before.count == Self.count)

            try await fixture.end(SIGKILL)
            let second = try await fixture.start()
            try await Self.waitForAll(second)
            try await Self.checkList(second)
            #expect(try await Self.identities(second) == before)
            #expect(try await second.console("vm-0000").occurrences(of: "hvroot simulated guest") == 1)

            try await Self.deleteSome(second)
            #expect(try await second.json("/v1/host")["vmCount"]?.uint64 == UInt64(Self.count - 20))
            #expect(try await fixture.end(SIGTERM) == .exited(status: 0))
        }

        private static func deleteSome(_ api: API) async throws {
            try await api.request("DELETE", "/v1/vms/vm-0000", expecting: 409)
            for name in names.prefix(10) {
                try await api.perform("stop", on: name)
                try await api.request("DELETE", "/v1/vms/\(name)", expecting: 204)
            }
            for name in names.suffix(10) {
                let operation = try await api.request("DELETE", "/v1/vms/\(name)?force=true", expecting: 202).json()
                #expect(try await api.waitForEnd(of: operation)["status"]?.string == "succeeded")
            }
            for name in names.prefix(10) + names.suffix(10) {
                try await api.request("GET", "/v1/vms/\(name)", expecting: 404)
            }
        }

        /// `body` for each of `names`, over eight connections that are kept.
        private static func inParallel(
            _ api: API, _ names: [String], _ body: @escaping @Sendable (HTTPConnection, String) async throws -> Void
        ) async throws {
            let lanes = 8
            try await withThrowingTaskGroup(of: Void.self) { group in
                for lane in 0..<lanes {
                    group.addTask {
                        let client = try api.connection()
                        for index in stride(from: lane, to: names.count, by: lanes) {
                            try await body(client, names[index])
                        }
                    }
                }
                try await group.waitForAll()
            }
        }

        private static func waitForAll(_ api: API) async throws {
            try await eventually("all to run") {
                let list = try await api.json("/v1/vms?state=running&pageSize=1000")
                return list["vms"]?.array?.count == count
            }
        }

        /// All pages of the list.
        private static func all(_ api: API) async throws -> [JSONValue] {
            let client = try api.connection()
            var vms: [JSONValue] = []
            var token = ""
            for page in 0..<4 {
                let answer = try await client.request("GET", "/v1/vms?pageSize=300&label=fleet%3Da\(token)").json()
                let members = try #require(answer["vms"]?.array)
                #expect(members.count == (page < 3 ? 300 : 100))
                vms += members
                let next = answer["nextPageToken"]?.string
                #expect((next == nil) == (page == 3))
                token = "&pageToken=\(next ?? "")"
            }
            return vms
        }

        private static func checkList(_ api: API) async throws {
            let vms = try await all(api)
            #expect(vms.compactMap { $0["id"]?.string } == names)
            #expect(vms.allSatisfy { $0["state"]?.string == "running" && $0["simulated"]?.bool == true })
            #expect(vms.allSatisfy { $0["hypervisor"]?.string == "simulated" })
        }

        /// What has to be the same after the server's end.
        private static func identities(_ api: API) async throws -> [String: UInt64] {
            var result: [String: UInt64] = [:]
            for vm in try await all(api) { result[vm["id"]?.string ?? ""] = vm["partitionId"]?.uint64 }
            return result
        }
    }
}
