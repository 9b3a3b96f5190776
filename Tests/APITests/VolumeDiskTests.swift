import Glibc
import JSON
import LinuxSystem
import TestHTTP
import Testing

extension EndToEnd {
    /// Volumes as disks of VMs, and what cloud-init is given, with guests that run.
    @Suite(.enabled(if: Programs.hasKvm, "needs /dev/kvm")) struct VolumeDiskTests {
        private static let hasISOMaker = ["genisoimage", "mkisofs"].contains { access("/usr/bin/\($0)", X_OK) == 0 }
        private static let merge = [("Content-Type", "application/merge-patch+json")]

        private static func body(_ id: String, _ disks: String, _ more: String = "") -> String {
            #"{"id": "\#(id)", "memory": {"size": "64MiB"}, "boot": {"kernel": "builtin:demo"}, "#
                + #""disks": \#(disks)\#(more)}"#
        }

        private static func makeVolume(_ api: API, _ body: String) async throws {
            let operation = try await api.request("POST", "/v1/volumes", body, expecting: 202).json()
            #expect(try await api.waitForEnd(of: operation)["status"]?.string == "succeeded")
        }

        @Test(.timeLimit(.minutes(2))) func aVolumeIsADisk() async throws {
            let fixture = try ServerFixture(hypervisor: "kvm")
            let api = try await fixture.start()
            try await Self.makeVolume(api, #"{"id": "v", "size": "1MiB"}"#)
            let disks = #"[{"id": "root", "volume": "v"}]"#
            try await api.request("POST", "/v1/vms", Self.body("a", disks), expecting: 201)
            let shown = try await api.vm("a")["disks"]?.array?.first
            #expect(shown?["volume"]?.string == "v" && shown?["path"] == nil && shown?["format"] == nil)
            // As it is shown it can be sent back.
            let same = try await api.connection().request(
                "PATCH", "/v1/vms/a", headers: Self.merge,
                body: JSONValue.object(["disks": .array([try #require(shown)])]).serialized())
            #expect(same.status == 200, "\(same.text)")
            let second = try await api.request("POST", "/v1/vms", Self.body("b", disks))
            #expect(second.status == 409 && second.text.contains("VM 'a'"), "\(second.text)")
            #expect(try second.json()["field"]?.string == "/disks/0/volume")
            for bad in [
                #"[{"id": "root", "volume": "v", "path": "/x"}]"#, #"[{"id": "root", "volume": "v", "format": "raw"}]"#,
                #"[{"id": "root", "volume": "none"}]"#, #"[{"id": "root"}]"#,
                #"[{"id": "r", "volume": "v"}, {"id": "s", "volume": "v"}]"#,
            ] {
                #expect(try await api.request("POST", "/v1/vms", Self.body("c", bad)).status == 400, "\(bad)")
            }
            // The store's own files have names that are not for clients.
            let file = try #require(TemporaryDirectory.names(in: "\(fixture.stateDirectory)/volumes").first)
            let direct = #"[{"id": "r", "path": "\#(fixture.stateDirectory)/volumes/\#(file)"}]"#
            let refused = try await api.request("POST", "/v1/vms", Self.body("c", direct))
            #expect(refused.status == 400 && refused.text.contains("server's own"), "\(refused.text)")
            try await api.perform("start", on: "a")
            try await api.waitForConsole("ready> ", of: "a")
            let used = try await api.request("DELETE", "/v1/volumes/v")
            #expect(used.status == 409 && used.text.contains("'a'"), "\(used.text)")
            // A raw one grows under the guest.
            let grown = try await api.connection().request(
                "PATCH", "/v1/volumes/v", headers: Self.merge, body: Array(#"{"size": "2MiB"}"#.utf8))
            #expect(grown.status == 200, "\(grown.text)")
            // All of it outlives the server.
            try await fixture.end(SIGKILL)
            let next = try await fixture.start()
            #expect(try await next.request("DELETE", "/v1/volumes/v").status == 409)
            #expect(try await next.json("/v1/volumes/v")["vms"]?.array == [.string("a")])
            #expect(try await next.request("POST", "/v1/vms", Self.body("b", disks)).status == 409)
            #expect(try await next.request("DELETE", "/v1/vms/a?force=true").status == 202)
            try await eventually("the VM's end") { try await next.request("GET", "/v1/vms/a").status == 404 }
            #expect(try await next.request("DELETE", "/v1/volumes/v").status == 204)
        }

        @Test(.enabled(if: Programs.hasQemuTools, "needs qemu-utils"), .timeLimit(.minutes(2)))
        func overlaysOfOneImageRunSideBySide() async throws {
            let fixture = try ServerFixture(hypervisor: "kvm")
            let api = try await fixture.start()
            let image = try await api.connection().request(
                "PUT", "/v1/images/i/content", body: [UInt8](repeating: 7, count: 1 << 20))
            #expect(image.status == 201)
            for id in ["a", "b"] {
                try await Self.makeVolume(api, #"{"id": "\#(id)", "image": "i", "method": "overlay"}"#)
                let disks = #"[{"id": "root", "volume": "\#(id)"}]"#
                try await api.request("POST", "/v1/vms", Self.body(id, disks), expecting: 201)
                try await api.perform("start", on: id)
            }
            for id in ["a", "b"] { try await api.waitForConsole("ready> ", of: id) }
            let grown = try await api.connection().request(
                "PATCH", "/v1/volumes/a", headers: Self.merge, body: Array(#"{"size": "2MiB"}"#.utf8))
            #expect(grown.status == 409 && grown.text.contains("VM 'a'"), "\(grown.text)")
            try await api.perform("stop", on: "a")
            let later = try await api.connection().request(
                "PATCH", "/v1/volumes/a", headers: Self.merge, body: Array(#"{"size": "2MiB"}"#.utf8))
            #expect(later.status == 200, "\(later.text)")
            try await api.perform("start", on: "a")
        }

        @Test(.enabled(if: hasISOMaker, "needs genisoimage"), .timeLimit(.minutes(2)))
        func cloudInitIsADiskAndASecret() async throws {
            let secret = "hunter2-\(UInt32.random(in: 0...UInt32.max))"
            let fixture = try ServerFixture(hypervisor: "kvm")
            let api = try await fixture.start()
            let userData = ##""#cloud-config\npassword: \##(secret)\n""##
            let cloudInit = #", "cloudInit": {"userData": \#(userData), "vendorData": "v"}"#
            let created = try await api.request("POST", "/v1/vms", Self.body("web-1", "[]", cloudInit), expecting: 201)
            #expect(try created.json()["cloudInit"]?["vendorDataBytes"]?.uint64 == 1)
            try await api.perform("start", on: "web-1")
            try await api.waitForConsole("ready> ", of: "web-1")
            let path = "\(fixture.stateDirectory)/vms/web-1/cloud-init.iso"
            let bytes = try WholeFile.read(path, limit: 16 << 20)
            let all = String(decoding: bytes, as: UTF8.self)
            #expect(all.contains("CIDATA") && all.contains(secret))
            #expect(all.contains("instance-id: web-1-") && all.contains("local-hostname: web-1\n"))
            var status = stat()
            #expect(stat(path, &status) == 0 && status.st_mode & 0o777 == 0o600)
            // A start makes it anew from what there is; the instance stays the same.
            try await api.perform("stop", on: "web-1")
            let taken = try await api.connection().request(
                "PATCH", "/v1/vms/web-1", headers: Self.merge, body: Array(#"{"cloudInit": null}"#.utf8))
            #expect(try taken.status == 200 && (taken.json()["cloudInit"]) == nil, "\(taken.text)")
            try await api.perform("start", on: "web-1")
            #expect(access(path, F_OK) != 0)
            var seen = fixture.log + Programs.text(of: "\(fixture.stateDirectory)/vms/web-1/worker.log")
            for place in ["/v1/vms", "/v1/vms/web-1", "/v1/operations", "/metrics"] {
                seen += try await api.request("GET", place).text
            }
            seen += try await api.request("GET", "/v1/events?after=0", headers: [("Accept", "application/json")]).text
            seen += created.text
            #expect(seen.contains("web-1") && !seen.contains(secret))
            try await api.perform("stop", on: "web-1")
            let again = try await api.connection().request(
                "PATCH", "/v1/vms/web-1", headers: Self.merge, body: Array(#"{"cloudInit": {"userData": "x"}}"#.utf8))
            #expect(again.status == 200)
            try await api.perform("start", on: "web-1")
            try await api.perform("stop", on: "web-1")
            #expect(try await api.request("DELETE", "/v1/vms/web-1").status == 204)
            try await eventually("the end of its files") { access(path, F_OK) != 0 }
            let many = (0..<16).map { #"{"id": "d\#($0)", "path": "/x\#($0)"}"# }.joined(separator: ",")
            for bad in [
                Self.body("c", "[\(many)]", cloudInit), Self.body("c", "[]", #", "cloudInit": {}"#),
                Self.body("c", "[]", #", "cloudInit": {"userData": "x", "metaData": "{no"}"#),
                Self.body("c", "[]", #", "cloudInit": {"userData": "x", "password": "y"}"#),
                Self.body("c", #"[{"id": "cloud-init", "path": "/x"}]"#, cloudInit),
            ] {
                #expect(try await api.request("POST", "/v1/vms", bad).status == 400, "\(bad)")
            }
        }
    }
}
