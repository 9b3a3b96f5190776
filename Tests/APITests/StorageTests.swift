import Glibc
import JSON
import LinuxSystem
import TestHTTP
import Testing

extension EndToEnd {
    /// Images and volumes through the programs, as curl brings them.
    @Suite struct StorageTests {
        private static let merge = [("Content-Type", "application/merge-patch+json")]

        /// A disk with something on it: `seed` at its beginning and its end, and nothing between.
        private static func content(_ seed: UInt8, _ size: Int = 4 << 20) -> [UInt8] {
            var bytes = [UInt8](repeating: 0, count: size)
            for index in 0..<4096 {
                bytes[index] = UInt8(truncatingIfNeeded: index) ^ seed
                bytes[size - 1 - index] = seed
            }
            return bytes
        }

        private static func upload(
            _ api: API, _ id: String, _ bytes: [UInt8], query: String = "", expecting: Int = 201
        ) async throws -> HTTPAnswer {
            let answer = try await api.connection().request("PUT", "/v1/images/\(id)/content\(query)", body: bytes)
            #expect(answer.status == expecting, "\(answer.text)")
            return answer
        }

        private static func makeVolume(_ api: API, _ body: String) async throws -> JSONValue {
            let operation = try await api.request("POST", "/v1/volumes", body, expecting: 202).json()
            let ended = try await api.waitForEnd(of: operation)
            #expect(
                ended["status"]?.string == "succeeded", "\(String(decoding: ended.serialized(), as: UTF8.self))")
            return try await api.json("/v1/volumes/\(ended["volume"]?.string ?? "")")
        }

        private static func files(_ fixture: ServerFixture, _ folder: String) -> [String] {
            TemporaryDirectory.names(in: "\(fixture.stateDirectory)/\(folder)").sorted()
        }

        private static func bytes(_ fixture: ServerFixture, _ folder: String) throws -> [UInt8] {
            let name = try #require(files(fixture, folder).first)
            return try WholeFile.read("\(fixture.stateDirectory)/\(folder)/\(name)", limit: 64 << 20)
        }

        /// Debian's curl, as a user would: a file, its own checksum, and a pipe whose length nobody knows.
        @Test(.enabled(if: access("/usr/bin/curl", X_OK) == 0, "needs curl"), .timeLimit(.minutes(2)))
        func curlUploads() async throws {
            let fixture = try ServerFixture(hypervisor: "simulated")
            let api = try await fixture.start()
            let directory = try TemporaryDirectory()
            let content = Self.content(1, 24 << 20)
            let path = try directory.file("a.img", content)
            func curl(_ arguments: String) async throws -> String {
                let log = "\(directory.path)/curl.log"
                unlink(log)
                let process = try Programs.start(
                    "/bin/sh", ["-c", "curl -sS -w '%{http_code}' \(arguments)"], log: log)
                #expect(try await Programs.end(of: process) == .exited(status: 0))
                return Programs.text(of: log)
            }
            let digest = try await {
                let log = "\(directory.path)/sum.log"
                let process = try Programs.start("/usr/bin/sha256sum", [path], log: log)
                _ = try await Programs.end(of: process)
                return String(Programs.text(of: log).prefix(64))
            }()
            let url = "\(api.address)/v1/images"
            let first = try await curl("-T '\(path)' '\(url)/file/content?sha256=\(digest)&format=raw'")
            #expect(first.hasSuffix("201") && first.contains(digest), "\(first)")
            let piped = try await curl("-T - '\(url)/pipe/content' < '\(path)'")
            #expect(piped.hasSuffix("201") && piped.contains(digest), "\(piped)")
            let again = try await curl("-T '\(path)' '\(url)/file/content'")
            #expect(again.hasSuffix("409") && again.contains("already-exists"), "\(again)")
            let wrong = try await curl("-T '\(path)' '\(url)/x/content?sha256=\(String(repeating: "0", count: 64))'")
            #expect(wrong.hasSuffix("422") && wrong.contains(digest), "\(wrong)")
            #expect(try await api.json("/v1/images")["images"]?.array?.count == 2)
            let image = try await api.json("/v1/images/file")
            #expect(image["virtualBytes"]?.uint64 == 24 << 20 && image["virtualSize"]?.string == "24MiB")
            #expect(Self.files(fixture, "images").count == 2)
            #expect(try Self.bytes(fixture, "images") == content)
        }

        @Test(.timeLimit(.minutes(2))) func whatIsNotWhatWasSaidLeavesNothing() async throws {
            let fixture = try ServerFixture(hypervisor: "simulated")
            let api = try await fixture.start()
            func refused(_ bytes: [UInt8], _ query: String, _ fragment: String) async throws {
                let answer = try await Self.upload(api, "a", bytes, query: query, expecting: 422)
                #expect(try answer.json()["type"]?.string == "urn:hvroot:problem:invalid-image")
                #expect(answer.text.contains(fragment), "\(answer.text)")
            }
            var qcow2 = [UInt8](repeating: 0, count: 65536)
            // Version 3, a disk of a mebibyte.
            let header: [(Int, [UInt8])] = [(0, [0x51, 0x46, 0x49, 0xFB]), (4, [0, 0, 0, 3]), (29, [0x10])]
            for (offset, value) in header { qcow2.replaceSubrange(offset..<offset + value.count, with: value) }
            qcow2[103] = 104
            try await refused(qcow2, "?format=raw", "said to be raw and is a qcow2")
            try await refused(Self.content(1), "?format=qcow2", "said to be qcow2")
            var backed = qcow2
            backed[14] = 0x10
            backed[19] = 11
            backed.replaceSubrange(4096..<4107, with: Array("/etc/shadow".utf8))
            try await refused(backed, "", "/etc/shadow")
            var external = qcow2
            external[79] = 4
            try await refused(external, "?format=qcow2", "another file")
            try await refused(Self.content(1), "?sha256=\(String(repeating: "a", count: 64))", "SHA-256")
            try await refused([1, 2, 3], "", "too few")
            try await refused([], "", "too few")
            _ = try await Self.upload(api, "a", Self.content(1), query: "?sha256=xyz", expecting: 400)
            _ = try await Self.upload(api, "Not-One", Self.content(1), expecting: 400)
            #expect(try await api.json("/v1/images")["images"]?.array?.isEmpty == true)
            #expect(Self.files(fixture, "images").isEmpty, "a refused image left a file")
            let good = try await Self.upload(api, "a", qcow2).json()
            #expect(good["format"]?.string == "qcow2" && good["virtualBytes"]?.uint64 == 1 << 20)
        }

        /// However many bytes come just before the end: libmicrohttpd does not see each of these.
        @Test(.timeLimit(.minutes(2))) func anEndWithTheLastBytesIsSeen() async throws {
            let fixture = try ServerFixture(hypervisor: "simulated")
            let api = try await fixture.start()
            for number in 0..<30 {
                let client = try api.connection()
                try await client.send(
                    Array(
                        "PUT /v1/images/b\(number)/content HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n".utf8
                    ))
                try await client.send([UInt8](repeating: 7, count: 1 + number * 99_989))
                client.abort()
            }
            // They are all begun by now.
            try await Task.sleep(for: .seconds(1))
            try await eventually("the files' end") { Self.files(fixture, "images").isEmpty }
        }

        @Test(.timeLimit(.minutes(2))) func aBrokenConnectionLeavesNothing() async throws {
            let fixture = try ServerFixture(hypervisor: "simulated")
            let api = try await fixture.start()
            let client = try api.connection()
            try await client.send(
                Array("PUT /v1/images/a/content HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n".utf8))
            try await client.send([UInt8](repeating: 7, count: 8 << 20))
            try await eventually("the file") { Self.files(fixture, "images").count == 1 }
            // Nobody else can take its name.
            _ = try await Self.upload(api, "a", Self.content(1), expecting: 409)
            client.abort()
            try await eventually("the file's end") { Self.files(fixture, "images").isEmpty }
            #expect(try await api.request("GET", "/v1/images/a").status == 404)
            // And a server that is killed in the middle of one.
            let second = try api.connection()
            try await second.send(
                Array("PUT /v1/images/a/content HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n".utf8))
            try await second.send([UInt8](repeating: 7, count: 8 << 20))
            try await eventually("the file") { Self.files(fixture, "images").count == 1 }
            try await fixture.end(SIGKILL)
            #expect(Self.files(fixture, "images").count == 1)
            let next = try await fixture.start()
            #expect(Self.files(fixture, "images").isEmpty)
            _ = try await Self.upload(next, "a", Self.content(1))
        }

        @Test(.timeLimit(.minutes(2))) func importsFromTheHost() async throws {
            let fixture = try ServerFixture(hypervisor: "simulated")
            let api = try await fixture.start()
            let directory = try TemporaryDirectory()
            let path = try directory.file("a.img", Self.content(3))
            func perform(_ body: String) async throws -> JSONValue {
                let operation = try await api.request("POST", "/v1/images", body, expecting: 202).json()
                #expect(operation["verb"]?.string == "importImage" && operation["vm"] == nil)
                return try await api.waitForEnd(of: operation)
            }
            let done = try await perform(#"{"id": "a", "path": "\#(path)", "labels": {"team": "x"}}"#)
            #expect(done["status"]?.string == "succeeded" && done["image"]?.string == "a")
            let image = try await api.json("/v1/images/a")
            #expect(image["labels"]?["team"]?.string == "x" && image["fileBytes"]?.uint64 == 4 << 20)
            #expect(try Self.bytes(fixture, "images") == Self.content(3))
            for (bad, fragment) in [
                (#""path": "\#(directory.path)/none""#, "can't be read"),
                (#""path": "/dev/null""#, "neither a regular"),
                (#""path": "\#(path)", "format": "qcow2""#, "said to be qcow2"),
                (#""path": "\#(path)", "sha256": "\#(String(repeating: "0", count: 64))""#, "SHA-256"),
            ] {
                let failed = try await perform(#"{"id": "b", \#(bad)}"#)
                #expect(failed["status"]?.string == "failed")
                #expect(failed["error"]?["type"]?.string == "urn:hvroot:problem:invalid-image")
                #expect(failed["error"]?["detail"]?.string?.contains(fragment) == true, "\(failed)")
            }
            for (body, status) in [
                (#"{"id": "a", "path": "\#(path)"}"#, 409), (#"{"id": "c"}"#, 400),
                (#"{"id": "c", "path": "relative"}"#, 400), (#"{"id": "c", "path": "/x", "url": "y"}"#, 400),
            ] {
                #expect(try await api.request("POST", "/v1/images", body).status == status, "\(body)")
            }
            #expect(Self.files(fixture, "images").count == 1)
            let tag = try await api.request("GET", "/v1/images/a").header("ETag") ?? ""
            let patched = try await api.connection().request(
                "PATCH", "/v1/images/a", headers: Self.merge + [("If-Match", tag)],
                body: Array(#"{"labels": {"team": null, "os": "debian"}}"#.utf8))
            #expect(try patched.status == 200 && (patched.json()["labels"]?.object?.names) == ["os"])
            let stale = try await api.request("DELETE", "/v1/images/a", headers: [("If-Match", tag)])
            #expect(stale.status == 412)
            #expect(try await api.request("DELETE", "/v1/images/a").status == 204)
            #expect(Self.files(fixture, "images").isEmpty)
            let text = try await api.request("GET", "/metrics").text
            #expect(text.contains("\nhvroot_images 0\n") && text.contains("\nhvroot_volumes 0\n"))
        }

        @Test(.timeLimit(.minutes(2))) func volumesComeFromImages() async throws {
            let fixture = try ServerFixture(hypervisor: "simulated")
            let api = try await fixture.start()
            let content = Self.content(5)
            _ = try await Self.upload(api, "i", content)
            let copy = try await Self.makeVolume(
                api, #"{"id": "copy", "image": "i", "method": "fullCopy", "size": "8MiB", "labels": {"a": "b"}}"#)
            #expect(copy["format"]?.string == "raw" && copy["bytes"]?.uint64 == 8 << 20)
            #expect(copy["method"]?.string == "fullCopy" && copy["image"]?.string == "i")
            #expect(try Self.bytes(fixture, "volumes") == content + [UInt8](repeating: 0, count: 4 << 20))
            #expect(try #require(copy["bytesOnDisk"]?.uint64) < 4 << 20, "holes were filled")
            let auto = try await Self.makeVolume(api, #"{"id": "auto", "image": "i"}"#)
            #expect(["reflink", "fullCopy"].contains(auto["method"]?.string))
            let blank = try await Self.makeVolume(api, #"{"id": "blank", "size": "1TiB"}"#)
            #expect(blank["method"] == nil && blank["image"] == nil && blank["bytes"]?.uint64 == 1 << 40)
            // Copies need their image no more.
            #expect(try await api.request("DELETE", "/v1/images/i").status == 204)
            let grown = try await api.connection().request(
                "PATCH", "/v1/volumes/copy", headers: Self.merge, body: Array(#"{"size": "16MiB"}"#.utf8))
            #expect(try grown.status == 200 && (grown.json()["bytes"]?.uint64) == 16 << 20, "\(grown.text)")
            let shrunk = try await api.connection().request(
                "PATCH", "/v1/volumes/copy", headers: Self.merge, body: Array(#"{"size": "1MiB"}"#.utf8))
            #expect(shrunk.status == 400 && shrunk.text.contains("only become larger"))
            try await fixture.end(SIGKILL)
            let next = try await fixture.start()
            #expect(try await next.json("/v1/volumes/copy")["bytes"]?.uint64 == 16 << 20)
            #expect(try await next.json("/v1/volumes")["volumes"]?.array?.count == 3)
            #expect(try await next.json("/v1/volumes?label=a=b")["volumes"]?.array?.count == 1)
            let metrics = try await next.request("GET", "/metrics").text
            #expect(metrics.contains("\nhvroot_volumes 3\n"))
            for id in ["copy", "auto", "blank"] {
                #expect(try await next.request("DELETE", "/v1/volumes/\(id)").status == 204)
            }
            #expect(Self.files(fixture, "volumes").isEmpty)
        }

        @Test(.enabled(if: Programs.hasQemuTools, "needs qemu-utils"), .timeLimit(.minutes(2)))
        func anOverlayHoldsItsImage() async throws {
            let fixture = try ServerFixture(hypervisor: "simulated")
            let api = try await fixture.start()
            _ = try await Self.upload(api, "i", Self.content(5))
            let overlay = try await Self.makeVolume(
                api, #"{"id": "o", "image": "i", "method": "overlay", "size": "1GiB"}"#)
            #expect(overlay["format"]?.string == "qcow2" && overlay["bytes"]?.uint64 == 1 << 30)
            let held = try await api.request("DELETE", "/v1/images/i")
            #expect(held.status == 409 && held.text.contains("'o'"), "\(held.text)")
            let grown = try await api.connection().request(
                "PATCH", "/v1/volumes/o", headers: Self.merge, body: Array(#"{"size": "2GiB"}"#.utf8))
            #expect(grown.status == 200, "\(grown.text)")
            let log = "\(fixture.directory.path)/info.log"
            let name = try #require(Self.files(fixture, "volumes").first)
            let tool = try Programs.start(
                "/usr/bin/qemu-img", ["info", "\(fixture.stateDirectory)/volumes/\(name)"], log: log)
            #expect(try await Programs.end(of: tool) == .exited(status: 0))
            let info = Programs.text(of: log)
            #expect(info.contains("virtual size: 2 GiB") && info.contains("backing file: ../images/i-"), "\(info)")
            #expect(try await api.request("DELETE", "/v1/volumes/o").status == 204)
            #expect(try await api.request("DELETE", "/v1/images/i").status == 204)
        }
    }
}
