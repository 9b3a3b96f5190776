import Glibc
import JSON
import TestHTTP
import Testing

extension EndToEnd {
    /// Disks that come and go under a guest that never ejects one: what a client sees, and that images are free again.
    @Suite(.enabled(if: Programs.hasKvm, "needs /dev/kvm")) struct HotplugTests {
        private struct Bench {
            let fixture: ServerFixture
            let directory: TemporaryDirectory
            let image: String

            init() throws {
                fixture = try ServerFixture(hypervisor: "kvm")
                directory = try TemporaryDirectory()
                image = try directory.file("a.img", [], size: 1 << 20)
            }

            var disk: String { #"{"id": "data", "path": "\#(image)"}"# }
        }

        private func attach(_ disk: String, _ api: API, to id: String = "a") async throws {
            let operation = try await api.request("POST", "/v1/vms/\(id)/disks", disk, expecting: 202).json()
            #expect(operation["verb"]?.string == "attachDisk" && operation["disk"]?.string == "data")
            let ended = try await api.waitForEnd(of: operation)
            #expect(ended["status"]?.string == "succeeded", "\(String(decoding: ended.serialized(), as: UTF8.self))")
        }

        private func detach(_ query: String, _ api: API) async throws -> JSONValue {
            let operation = try await api.request("DELETE", "/v1/vms/a/disks/data\(query)", expecting: 202).json()
            return try await api.waitForEnd(of: operation)
        }

        private func problem(_ answer: HTTPAnswer, _ status: Int, _ type: String, _ fragment: String) throws {
            let problem = try answer.json()
            #expect(
                answer.status == status && problem["type"]?.string == "urn:hvroot:problem:\(type)", "\(answer.text)")
            #expect(problem["detail"]?.string?.contains(fragment) == true, "\(answer.text)")
        }

        @Test(.timeLimit(.minutes(3))) func aGuestThatNeverAnswers() async throws {
            let bench = try Bench()
            let api = try await bench.fixture.start()
            for id in ["a", "b"] {
                try await api.create(id)
                try await api.perform("start", on: id)
            }
            try await attach(bench.disk, api)
            #expect(try await api.vm("a")["disks"]?.array?.first?["id"]?.string == "data")
            #expect(try await api.json("/v1/vms/a/disks")["disks"]?.array?.count == 1)
            #expect(try await api.json("/v1/vms/a/disks/data")["path"]?.string == bench.image)
            try problem(
                try await api.request("POST", "/v1/vms/a/disks", bench.disk), 409, "already-exists", "'data' already")
            try problem(
                try await api.request("POST", "/v1/vms/b/disks", bench.disk), 409, "wrong-state", "VM 'a'")
            let other = #"{"id": "x", "path": "\#(bench.image)"}"#
            try problem(try await api.request("POST", "/v1/vms/a/disks", other), 409, "wrong-state", "disk 'data'")

            let running = try await api.request("DELETE", "/v1/vms/a/disks/data?timeout=2", expecting: 202).json()
            #expect(running["status"]?.string == "running")
            try problem(
                try await api.request("DELETE", "/v1/vms/a/disks/data"), 409, "operation-conflict", "disk 'data'")
            let ended = try await api.waitForEnd(of: running)
            #expect(ended["status"]?.string == "failed")
            #expect(ended["error"]?["type"]?.string == "urn:hvroot:problem:deadline-exceeded")
            #expect(try await api.json("/v1/vms/a/disks")["disks"]?.array?.count == 1)
            try problem(
                try await api.request("POST", "/v1/vms/b/disks", bench.disk), 409, "wrong-state", "VM 'a'")

            for _ in 0..<3 {
                #expect(try await detach("?force=true", api)["status"]?.string == "succeeded")
                try problem(try await api.request("GET", "/v1/vms/a/disks/data"), 404, "not-found", "no disk")
                try problem(try await api.request("DELETE", "/v1/vms/a/disks/data"), 404, "not-found", "no disk")
                try await attach(bench.disk, api)
            }
            // Freed, it goes to another VM.
            #expect(try await detach("?force=true", api)["status"]?.string == "succeeded")
            try await attach(bench.disk, api, to: "b")
        }

        @Test(.timeLimit(.minutes(3))) func aResetEndsADetach() async throws {
            let bench = try Bench()
            let api = try await bench.fixture.start()
            try await api.create("a")
            // Off: at once, and there at the start.
            try await attach(bench.disk, api)
            try await api.perform("start", on: "a")
            try await api.waitForConsole("ready> ", of: "a")
            let detach = try await api.request("DELETE", "/v1/vms/a/disks/data?timeout=60", expecting: 202).json()
            _ = try await api.connection().request(
                "POST", "/v1/vms/a/console", headers: [("Content-Type", "application/octet-stream")],
                body: Array("reset\n".utf8))
            #expect(try await api.waitForEnd(of: detach)["status"]?.string == "succeeded")
            try await api.waitForConsole("ready> ", of: "a", count: 2)
            #expect(try await api.json("/v1/vms/a/disks")["disks"]?.array?.isEmpty == true)
            try await attach(bench.disk, api)
        }

        @Test(.timeLimit(.minutes(3))) func theServerIsKilledMeanwhile() async throws {
            let bench = try Bench()
            let first = try await bench.fixture.start()
            try await first.create("a")
            try await first.perform("start", on: "a")
            try await attach(bench.disk, first)
            let patch = #"{"rateLimit": {"operationsPerSecond": 9}}"#
            let limited = try await first.request("PATCH", "/v1/vms/a/disks/data", patch, expecting: 200).json()
            #expect(limited["rateLimit"]?["operationsPerSecond"]?.uint64 == 9)
            let detach = try await first.request("DELETE", "/v1/vms/a/disks/data?timeout=6", expecting: 202).json()
            try await bench.fixture.end(SIGKILL)
            let second = try await bench.fixture.start()
            let ended = try await second.waitForEnd(of: detach)
            #expect(ended["error"]?["type"]?.string == "urn:hvroot:problem:deadline-exceeded")
            let disk = try await second.json("/v1/vms/a/disks/data")
            #expect(disk["rateLimit"]?["operationsPerSecond"]?.uint64 == 9)
            let forced = try await second.request("DELETE", "/v1/vms/a/disks/data?force=true", expecting: 202).json()
            try await bench.fixture.end(SIGKILL)
            let third = try await bench.fixture.start()
            #expect(try await third.waitForEnd(of: forced)["status"]?.string == "succeeded")
            try await attach(bench.disk, third)
            // The worker's end: the VM failed, the disk is the VM's and its image free.
            let process = try #require(try await third.vm("a")["processId"]?.uint64.flatMap { Int32(exactly: $0) })
            #expect(kill(process, SIGKILL) == 0)
            try await third.waitForState("failed", of: "a")
            #expect(try await third.json("/v1/vms/a/disks")["disks"]?.array?.count == 1)
            try await third.perform("start", on: "a")
        }

        @Test(.timeLimit(.minutes(2))) func whatIsWrongIsSaid() async throws {
            let bench = try Bench()
            let api = try await bench.fixture.start()
            try await api.create("a")
            try await api.perform("start", on: "a")
            let path = "/v1/vms/a/disks"
            func refused(_ disk: String, _ status: Int, _ field: String) async throws {
                let answer = try await api.request("POST", path, disk)
                #expect(answer.status == status, "\(answer.text)")
                #expect(try answer.json()["field"]?.string == field, "\(answer.text)")
            }
            try await refused(#"{"path": "/x"}"#, 400, "/id")
            try await refused(#"{"id": "data", "path": "x"}"#, 400, "/path")
            try await refused(#"{"id": "data", "path": "/none.img"}"#, 422, "/path")
            try await refused(#"{"id": "data", "path": "/x", "speed": 1}"#, 400, "/speed")
            for query in ["?timeout=0", "?timeout=x", "?timeout=100000", "?force=perhaps", "?now=1"] {
                let answer = try await api.request("DELETE", "\(path)/data\(query)")
                #expect(answer.status == 400, "\(answer.text)")
            }
            #expect(try await api.request("POST", "/v1/vms/none/disks", bench.disk).status == 404)
            #expect(try await api.request("PATCH", "\(path)/data", "{}").status == 404)
            try await attach(bench.disk, api)
            let answer = try await api.request("PATCH", "\(path)/data", #"{"path": "/y"}"#)
            #expect(answer.status == 400 && answer.text.contains("cannot be given"), "\(answer.text)")
        }
    }
}
