import Glibc
import JSON
import LinuxSystem
import TestHTTP
import Testing

extension EndToEnd {
    /// Bad requests and bad files: each gets its own problem, and the server is as it was.
    @Suite struct BadInputTests {
        @Test(.timeLimit(.minutes(2))) func eachGetsItsProblem() async throws {
            let fixture = try ServerFixture(hypervisor: "simulated")
            let api = try await fixture.start()
            try await api.create("good")
            let before = try await api.vm("good")
            // All that time another client watches, and must not be forgotten.
            let stream = try await EventStreamClient(api.address, "/v1/events?after=0")
            #expect(try await stream.nextEvent()?.event == "vm.created")

            for bad in BadRequest.bodies + BadRequest.requests { try await Self.check(bad, api) }
            let directory = try TemporaryDirectory()
            for bad in BadImage.files + BadImage.kernels { try await Self.check(bad, api, directory) }
            try await Self.breakConnections(api)
            #expect(BadRequest.bodies.count + BadRequest.requests.count >= 60)
            #expect(BadImage.files.count + BadImage.kernels.count >= 40)

            #expect(try await api.vm("good") == before, "a refused request changed the VM")
            #expect(try await api.json("/v1/vms")["vms"]?.array?.count == 1, "a refused request left a VM")
            try await Self.checkHealth(api, "after")
            #expect(try await stream.nextEvent()?.event == "vm.created")
            stream.abort()
            #expect(!fixture.log.contains(" error "), "\(fixture.log)")
            #expect(try await fixture.end(SIGTERM) == .exited(status: 0))
        }

        /// The table's good images are good: each refusal above has its one fault and no other.
        @Test func theUnchangedImagesAreTaken() async throws {
            let fixture = try ServerFixture(hypervisor: "simulated")
            let api = try await fixture.start()
            let directory = try TemporaryDirectory()
            let bzImage = try directory.file("bz", BadImage.bzImage())
            let elf = try directory.file("elf", BadImage.elf())
            let initrd = try directory.file("initrd", Array("070701".utf8), size: 4096)
            for boot in [
                #""kernel": "\#(bzImage)", "initrd": "\#(initrd)", "commandLine": "console=ttyS0""#,
                #""kernel": "\#(elf)""#, #""kernel": "\#(elf)", "format": "linux64""#,
                #""kernel": "\#(initrd)", "format": "flat", "loadAddress": 1048576"#,
            ] {
                let answer = try await api.request(
                    "POST", "/v1/vms?validateOnly=true", #"{"boot": {\#(boot)}}"#, expecting: 200)
                #expect(try answer.json()["state"]?.string == "defined")
            }
        }

        /// An image that is gone or spoilt when the VM is to start.
        @Test func imagesAreCheckedAgainAtStart() async throws {
            let fixture = try ServerFixture(hypervisor: "simulated")
            let api = try await fixture.start()
            let directory = try TemporaryDirectory()
            let kernel = try directory.file("bz", BadImage.bzImage())
            let body = #"{"id": "a", "boot": {"kernel": "\#(kernel)"}}"#
            try await api.request("POST", "/v1/vms", body, expecting: 201)
            try directory.file("bz", Array(BadImage.bzImage().prefix(3000)))
            let problem = try await api.request("POST", "/v1/vms/a:start", expecting: 422).json()
            #expect(problem["type"]?.string == "urn:hvroot:problem:invalid-image")
            #expect(problem["field"]?.string == "/boot/kernel")
            #expect(try await api.state("a") == "defined")
            try directory.file("bz", BadImage.bzImage())
            try await api.perform("start", on: "a")
        }

        private static func check(_ bad: BadRequest, _ api: API) async throws {
            let answer = try await api.connection().request(
                bad.method, bad.path, headers: bad.headers, body: bad.body)
            try check(answer, bad.name, status: bad.status, type: bad.type, field: bad.field)
        }

        private static func check(_ bad: BadImage, _ api: API, _ directory: TemporaryDirectory) async throws {
            let body = #"{"id": "bad", "memory": {"size": "64MiB"}, "boot": {\#(try bad.members(directory))}}"#
            let answer = try await api.request("POST", "/v1/vms", body)
            try check(answer, bad.name, status: 422, type: "invalid-image", field: "/boot/\(bad.field)")
            let detail = try answer.json()["detail"]?.string ?? ""
            #expect(detail.contains(bad.fragment), "\(bad.name): \(detail)")
        }

        private static func check(
            _ answer: HTTPAnswer, _ name: String, status: Int, type: String, field: String?
        ) throws {
            #expect(answer.status == status, "\(name): \(answer.text)")
            #expect(answer.header("Content-Type") == "application/problem+json", "\(name)")
            let problem = try answer.json()
            #expect(problem["type"]?.string == "urn:hvroot:problem:\(type)", "\(name): \(answer.text)")
            #expect(problem["status"]?.uint64 == UInt64(status), "\(name)")
            #expect(problem["detail"]?.string?.isEmpty == false, "\(name)")
            if let field { #expect(problem["field"]?.string == field, "\(name): \(answer.text)") }
        }

        /// What is not HTTP or breaks off, and clients that say nothing.
        private static func breakConnections(_ api: API) async throws {
            var silent: [HTTPConnection] = []
            for _ in 0..<20 { silent.append(try api.connection()) }
            for text in [
                "\r\n\r\n", "GET\r\n\r\n", "\u{1}\u{2}\u{3}\u{16}\u{3}\u{1}", "GET / HTTP/9.9\r\n\r\n",
                "GET /v1/host HTTP/1.1\r\nno colon\r\n\r\n",
                "POST /v1/vms HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{",
                "POST /v1/vms HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n{}",
                "POST /v1/vms HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
                "GET /" + String(repeating: "z", count: 200_000) + " HTTP/1.1\r\n\r\n",
            ] {
                let client = try api.connection()
                // A server that has heard enough may close before all is sent.
                try? await client.send(Array(text.utf8))
                client.finishWriting()
                client.abort()
            }
            try await checkHealth(api, "meanwhile")
            for client in silent { client.abort() }
        }

        /// The server answers, and a good VM lives its whole life.
        private static func checkHealth(_ api: API, _ name: String) async throws {
            for _ in 0..<50 { try await api.request("GET", "/healthz", expecting: 200) }
            try await api.create(name)
            try await api.perform("start", on: name)
            try await api.waitForConsole("hvroot simulated guest", of: name)
            #expect(try await api.state(name) == "running")
            try await api.perform("stop", on: name)
            try await api.request("DELETE", "/v1/vms/\(name)", expecting: 204)
        }
    }
}
