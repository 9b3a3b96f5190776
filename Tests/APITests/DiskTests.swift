import Glibc
import JSON
import LinuxSystem
import TestHTTP
import Testing

extension EndToEnd {
    /// Disks through the API: what is refused, who may have an image, and that a lost worker gives it back.
    @Suite(.enabled(if: Programs.hasKvm, "needs /dev/kvm")) struct DiskTests {
        private static func body(_ id: String, _ disks: String) -> String {
            #"{"id": "\#(id)", "memory": {"size": "64MiB"}, "boot": {"kernel": "builtin:demo"}, "disks": \#(disks)}"#
        }

        private static func disk(_ path: String, id: String = "d", _ more: String = "") -> String {
            #"{"id": "\#(id)", "path": "\#(path)"\#(more)}"#
        }

        /// A VM with the disk is refused, in place of being made.
        private static func refuses(
            _ api: API, _ disks: String, _ status: Int, _ type: String, _ field: String, _ fragment: String,
            _ location: SourceLocation = #_sourceLocation
        ) async throws {
            let answer = try await api.request("POST", "/v1/vms", body("bad", disks))
            let problem = try answer.json()
            #expect(answer.status == status, "\(answer.text)", sourceLocation: location)
            #expect(problem["type"]?.string == "urn:hvroot:problem:\(type)", "\(answer.text)", sourceLocation: location)
            #expect(problem["field"]?.string == field, "\(answer.text)", sourceLocation: location)
            #expect(
                problem["detail"]?.string?.contains(fragment) == true, "\(answer.text)", sourceLocation: location)
        }

        @Test(.timeLimit(.minutes(2))) func whatIsNoDiskIsRefused() async throws {
            let fixture = try ServerFixture(hypervisor: "kvm")
            let api = try await fixture.start()
            let directory = try TemporaryDirectory()
            let good = try directory.file("good.img", [], size: 1 << 20)
            let path = "/disks/0/path"
            func image(_ path: String, _ fragment: String) async throws {
                try await Self.refuses(
                    api, "[\(Self.disk(path))]", 422, "invalid-image", "/disks/0/path", fragment)
            }
            try await image("\(directory.path)/none.img", "can't be opened")
            try await image(directory.path, "neither a regular file nor a block device")
            try await image("/dev/null", "neither a regular file nor a block device")
            let fifo = "\(directory.path)/fifo"
            #expect(mkfifo(fifo, 0o600) == 0)
            try await image(fifo, "neither a regular file nor a block device")
            try await image(try directory.file("small.img", [], size: 511), "too few for a disk")

            func argument(_ disks: String, _ field: String, _ fragment: String) async throws {
                try await Self.refuses(api, disks, 400, "invalid-argument", field, fragment)
            }
            try await argument("[\(Self.disk("relative.img"))]", path, "absolute path")
            try await argument("[\(Self.disk(good, id: "Not One"))]", "/disks/0/id", "is not one")
            try await argument(
                "[\(Self.disk(good)), \(Self.disk("\(good)2"))]", "/disks/1/id", "the same id")
            try await argument("[\(Self.disk(good)), \(Self.disk(good, id: "e"))]", "/disks/1/path", "same image")
            // Another name of the same file.
            let link = "\(directory.path)/link.img"
            #expect(Glibc.link(good, link) == 0)
            try await argument("[\(Self.disk(good)), \(Self.disk(link, id: "e"))]", "/disks/1/path", "are one file")
            let many = (0..<17).map { Self.disk(good, id: "d\($0)", #", "readOnly": true"#) }
            try await argument("[\(many.joined(separator: ","))]", "/disks", "at most 16")
            try await argument(
                "[\(Self.disk(good, #", "serial": "123456789012345678901""#))]", "/disks/0/serial", "at most 20")
            try await argument("[\(Self.disk(good, #", "format": "vmdk""#))]", "/disks/0/format", "raw")
            try await argument("[\(Self.disk(good, #", "cache": "unsafe""#))]", "/disks/0/cache", "writeback")
            try await argument("[\(Self.disk(good, #", "readOnly": "yes""#))]", "/disks/0/readOnly", "true or false")
            try await argument(
                "[\(Self.disk(good, #", "backing": "/b""#))]", "/disks/0/backing", "raw image has none")
            try await Self.refuses(
                api, "[\(Self.disk(good, #", "format": "qcow2""#))]", 501, "not-implemented", "/disks/0/format",
                "can't serve")
            try await argument(
                "[\(Self.disk(good, #", "rateLimit": {"bytesPerSecond": 5}"#))]",
                "/disks/0/rateLimit/bytesPerSecond", "none of 65536")
            try await argument(#"[{"path": "/x"}]"#, "/disks/0/id", "is missing")
            try await argument(#"{"id": "d"}"#, "/disks", "list of disks")
            try await Self.refuses(
                api, "[\(Self.disk(good, #", "speed": 1"#))]", 400, "unknown-field", "/disks/0/speed", "speed")
            #expect(try await api.json("/v1/vms")["vms"]?.array?.isEmpty == true, "a refused request left a VM")
        }

        @Test(.timeLimit(.minutes(2))) func disksAreShownAndChanged() async throws {
            let fixture = try ServerFixture(hypervisor: "kvm")
            let api = try await fixture.start()
            let directory = try TemporaryDirectory()
            let path = try directory.file("a.img", [], size: 1 << 20)
            let disks =
                "[\(Self.disk(path, id: "root", #", "serial": "S1", "rateLimit": {"operationsPerSecond": 100}"#))]"
            try await api.request("POST", "/v1/vms", Self.body("a", disks), expecting: 201)
            let disk = try await api.vm("a")["disks"]?.array?.first
            #expect(disk?["id"]?.string == "root" && disk?["path"]?.string == path && disk?["serial"]?.string == "S1")
            #expect(disk?["format"]?.string == "raw" && disk?["readOnly"]?.bool == false)
            #expect(disk?["rateLimit"]?["operationsPerSecond"]?.uint64 == 100)
            // They outlive the server.
            try await fixture.end(SIGKILL)
            let next = try await fixture.start()
            #expect(try await next.vm("a")["disks"]?.array?.first == disk)
            try await next.perform("start", on: "a")
            let merge = [("Content-Type", "application/merge-patch+json")]
            let refused = try await next.connection().request(
                "PATCH", "/v1/vms/a", headers: merge, body: Array(#"{"disks": []}"#.utf8))
            #expect(refused.status == 409 && refused.text.contains("/disks"), "\(refused.text)")
            try await next.perform("stop", on: "a")
            let changed = try await next.connection().request(
                "PATCH", "/v1/vms/a", headers: merge, body: Array(#"{"disks": null}"#.utf8))
            #expect(changed.status == 200, "\(changed.text)")
            #expect(try changed.json()["disks"] == nil)
        }

        @Test(.timeLimit(.minutes(2))) func oneWriterOrManyReaders() async throws {
            let fixture = try ServerFixture(hypervisor: "kvm")
            let api = try await fixture.start()
            let directory = try TemporaryDirectory()
            let path = try directory.file("a.img", [], size: 1 << 20)
            let readOnly = #", "readOnly": true"#
            for (id, more) in [("writer", ""), ("other", ""), ("reader", readOnly), ("reader2", readOnly)] {
                try await api.request("POST", "/v1/vms", Self.body(id, "[\(Self.disk(path, more))]"), expecting: 201)
            }
            try await api.perform("start", on: "writer")
            for id in ["other", "reader"] {
                let problem = try await api.request("POST", "/v1/vms/\(id):start", expecting: 409).json()
                #expect(problem["type"]?.string == "urn:hvroot:problem:wrong-state")
                #expect(problem["field"]?.string == "/disks/0/path")
                #expect(problem["detail"]?.string?.contains("VM 'writer'") == true)
                #expect(try await api.state(id) == "defined")
            }
            try await api.perform("stop", on: "writer")
            try await api.perform("start", on: "reader")
            try await api.perform("start", on: "reader2")
            try await api.request("POST", "/v1/vms/writer:start", expecting: 409)
            try await api.perform("stop", on: "reader")
            try await api.perform("stop", on: "reader2")
            try await api.perform("start", on: "writer")
        }

        /// Both at once: the server's look may see neither as running, but the lock is one's alone.
        @Test(.timeLimit(.minutes(2))) func twoStartsAtOnceHaveOneWinner() async throws {
            let fixture = try ServerFixture(hypervisor: "kvm")
            let api = try await fixture.start()
            let directory = try TemporaryDirectory()
            let path = try directory.file("a.img", [], size: 1 << 20)
            for id in ["a", "b"] {
                try await api.request("POST", "/v1/vms", Self.body(id, "[\(Self.disk(path))]"), expecting: 201)
            }
            let wins = try await withThrowingTaskGroup(of: Bool.self) { group in
                for id in ["a", "b"] {
                    group.addTask {
                        let answer = try await api.request("POST", "/v1/vms/\(id):start")
                        guard answer.status == 202 else { return false }
                        return try await api.waitForEnd(of: try answer.json())["status"]?.string == "succeeded"
                    }
                }
                return try await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
            }
            #expect(wins == 1)
        }

        /// Somebody else's program: nothing but the lock says that it has the image.
        @Test(.timeLimit(.minutes(2))) func anotherProgramsLockIsRespected() async throws {
            let fixture = try ServerFixture(hypervisor: "kvm")
            let api = try await fixture.start()
            let directory = try TemporaryDirectory()
            let path = try directory.file("a.img", [], size: 1 << 20)
            try await api.request("POST", "/v1/vms", Self.body("a", "[\(Self.disk(path))]"), expecting: 201)
            do {
                let file = try FileDescriptor(opening: path, O_RDWR)
                var lock = flock()
                lock.l_type = Int16(F_WRLCK)
                // F_OFD_SETLK, which the C library shows to GNU sources only.
                #expect(fcntl(file.raw, 37, &lock) == 0)
                let operation = try await api.request("POST", "/v1/vms/a:start", expecting: 202).json()
                let ended = try await api.waitForEnd(of: operation)
                #expect(ended["status"]?.string == "failed")
                let detail = ended["error"]?["detail"]?.string ?? ""
                #expect(detail.contains("disk 'd'") && detail.contains("is in use"), "\(detail)")
                withExtendedLifetime(file.raw) {}
            }
            try await api.perform("start", on: "a")
        }

        @Test(.timeLimit(.minutes(2))) func aKilledWorkerGivesTheImageBack() async throws {
            let fixture = try ServerFixture(hypervisor: "kvm")
            let api = try await fixture.start()
            let directory = try TemporaryDirectory()
            let path = try directory.file("a.img", [], size: 1 << 20)
            for id in ["a", "b"] {
                try await api.request("POST", "/v1/vms", Self.body(id, "[\(Self.disk(path))]"), expecting: 201)
            }
            try await api.perform("start", on: "a")
            let process = try #require(try await api.vm("a")["processId"]?.uint64.flatMap { Int32(exactly: $0) })
            #expect(kill(process, SIGKILL) == 0)
            try await api.waitForState("failed", of: "a")
            try await api.perform("start", on: "b")
            try await api.request("POST", "/v1/vms/a:start", expecting: 409)
        }
    }
}
