import Glibc
import JSON
import LinuxSystem
import TestHTTP
import Testing

extension EndToEnd {
    /// What was answered is kept, although the server is killed with the answer hardly sent.
    @Suite struct DurabilityTests {
        @Test(.timeLimit(.minutes(2))) func acceptedVMsSurviveKill() async throws {
            let fixture = try ServerFixture(hypervisor: "simulated")
            var accepted: [String] = []
            for round in 0..<10 {
                let api = try await fixture.start()
                let list = try await api.json("/v1/vms")["vms"]?.array ?? []
                #expect(list.compactMap { $0["id"]?.string } == accepted.sorted())
                let client = try api.connection()
                for number in 0..<3 {
                    let name = "round-\(round)-\(number)"
                    let body = #"{"id": "\#(name)", "boot": {"kernel": "builtin:demo"}}"#
                    #expect(try await client.request("POST", "/v1/vms", json: body).status == 201)
                    accepted.append(name)
                }
                #expect(try await fixture.end(SIGKILL) == .killed(signal: SIGKILL))
            }
            let api = try await fixture.start()
            for name in accepted { #expect(try await api.state(name) == "defined") }
        }

        @Test(.timeLimit(.minutes(2))) func acceptedStartsSurviveKill() async throws {
            let fixture = try ServerFixture(hypervisor: "simulated")
            var names: [String] = []
            for round in 0..<10 {
                let api = try await fixture.start()
                // Those of the rounds before, first of all.
                for name in names { try await api.waitForState("running", of: name) }
                let client = try api.connection()
                let name = "start-\(round)"
                try await api.create(name)
                names.append(name)
                #expect(try await client.request("POST", "/v1/vms/\(name):start").status == 202)
                try await fixture.end(SIGKILL)
            }
            let api = try await fixture.start()
            for name in names { try await api.waitForState("running", of: name) }
        }

        @Test(.timeLimit(.minutes(2))) func acceptedChangesAndDeletesSurviveKill() async throws {
            let fixture = try ServerFixture(hypervisor: "simulated")
            for round in 0..<5 {
                let api = try await fixture.start()
                if round > 0 {
                    #expect(try await api.vm("kept-\(round - 1)")["labels"]?["round"]?.string == "\(round - 1)")
                    try await api.request("GET", "/v1/vms/gone-\(round - 1)", expecting: 404)
                }
                try await api.create("kept-\(round)")
                try await api.create("gone-\(round)")
                let client = try api.connection()
                let patch = try await client.request(
                    "PATCH", "/v1/vms/kept-\(round)", json: #"{"labels": {"round": "\#(round)"}}"#)
                #expect(patch.status == 200)
                #expect(try await client.request("DELETE", "/v1/vms/gone-\(round)").status == 204)
                try await fixture.end(SIGKILL)
            }
        }

        /// A worker may be born just when the server dies: the VM runs afterwards, and once only.
        @Test(
            .enabled(if: Programs.hasKvm, "needs /dev/kvm"), .timeLimit(.minutes(2)),
            arguments: Programs.realHypervisors)
        func acceptedStartsOfRealGuestsSurviveKill(_ hypervisor: String) async throws {
            let fixture = try ServerFixture(hypervisor: hypervisor)
            for round in 0..<4 {
                let api = try await fixture.start()
                let name = "start-\(round)"
                try await api.create(name)
                let client = try api.connection()
                #expect(try await client.request("POST", "/v1/vms/\(name):start").status == 202)
                try await Task.sleep(nanoseconds: UInt64(round) * 15_000_000)
                try await fixture.end(SIGKILL)
                let next = try await fixture.start()
                try await next.waitForState("running", of: name)
                try await next.waitForConsole("ready>", of: name)
                #expect(fixture.workerCount == 1)
                let operation = try await next.request("DELETE", "/v1/vms/\(name)?force=true", expecting: 202).json()
                #expect(try await next.waitForEnd(of: operation)["status"]?.string == "succeeded")
                try await eventually("the worker's end") { fixture.workerCount == 0 }
                try await fixture.end(SIGTERM)
            }
        }
    }
}
