import JSON
import ManagementService
import PartitionManager
import RESTServer
import TestHTTP
import Testing

@testable import RESTServer

@Suite struct RouteTests {
    @Test func everyRouteAnswers() async throws {
        try await TestServer.run { test in
            // One connection for all: keep-alive is part of what is tested.
            let client = try test.connection()
            let body =
                #"{"id": "web-1", "vps": {"count": 2}, "memory": {"size": "256MiB"}, "labels": {"team": "a"}, "#
                + #""boot": {"kernel": "/k", "initrd": "/i", "commandLine": "console=ttyS0"}}"#
            let created = try await client.request("POST", "/v1/vms", json: body)
            #expect(created.status == 201)
            #expect(created.header("Location") == "/v1/vms/web-1")
            #expect(created.header("ETag") == "\"1\"")
            #expect(try created.json()["memory"]?["bytes"]?.uint64 == 268_435_456)

            let expectations: [(String, String, Int)] = [
                ("GET", "/v1/host", 200), ("GET", "/v1/host/devices", 200),
                ("GET", "/v1/host/devices/0000:3b:00.0", 200), ("GET", "/v1/host/devices/0000%3A3b%3A00.0", 200),
                ("GET", "/v1/host/devices/0000:3b:00.1", 404), ("GET", "/v1/host/devices/eth0", 404),
                ("GET", "/v1/vms", 200), ("GET", "/v1/vms/web-1", 200),
                ("HEAD", "/v1/vms/web-1", 200), ("OPTIONS", "/v1/vms/web-1", 204),
                ("POST", "/v1/vms/web-1:start", 202), ("POST", "/v1/vms/web-1:pause", 202),
                ("POST", "/v1/vms/web-1:resume", 202), ("POST", "/v1/vms/web-1:reset", 202),
                ("POST", "/v1/vms/web-1:shutdown?timeout=1.5", 202), ("POST", "/v1/vms/web-1:stop", 202),
                ("GET", "/v1/vms/web-1/console", 200), ("GET", "/v1/operations", 200),
                ("GET", "/v1/operations?vm=web-1&pageSize=2", 200), ("GET", "/v1/operations/op-1", 200),
                ("GET", "/v1/operations/op-1:wait?timeout=1", 200), ("POST", "/v1/operations/op-1:wait", 200),
                ("GET", "/healthz", 200), ("GET", "/readyz", 200), ("GET", "/metrics", 200),
                ("GET", "/v1/openapi.json", 200), ("DELETE", "/v1/vms/web-1", 204),
            ]
            for (method, path, status) in expectations {
                let answer = try await client.request(method, path)
                #expect(answer.status == status, "\(method) \(path)")
            }
        }
    }

    @Test func listsInPagesWithFilters() async throws {
        try await TestServer.run { test in
            let client = try test.connection()
            for number in 1...5 {
                let team = number.isMultiple(of: 2) ? "even" : "odd=er"
                let body =
                    "{\"id\": \"vm-\(number)\", \"boot\": {\"kernel\": \"k\"}, \"labels\": {\"team\": \"\(team)\"}}"
                #expect(try await client.request("POST", "/v1/vms", json: body).status == 201)
            }
            var seen: [String] = []
            var path = "/v1/vms?pageSize=2"
            while true {
                let page = try await client.request("GET", path).json()
                seen += page["vms"]?.array?.compactMap { $0["id"]?.string } ?? []
                guard let token = page["nextPageToken"]?.string else { break }
                path = "/v1/vms?pageSize=2&pageToken=\(token)"
            }
            #expect(seen == ["vm-1", "vm-2", "vm-3", "vm-4", "vm-5"])
            let odd = try await client.request("GET", "/v1/vms?label=team%3Dodd%3Der&state=defined").json()
            #expect(odd["vms"]?.array?.count == 3)
            #expect(try await client.request("GET", "/v1/vms?state=running").json()["vms"]?.array?.isEmpty == true)
        }
    }

    @Test func changesAreBoundToRevisions() async throws {
        try await TestServer.run { test in
            try await test.createVM("a")
            let client = try test.connection()
            let patch = Array(#"{"labels": {"x": "1"}, "boot": {"initrd": null}}"#.utf8)
            let type = ("Content-Type", "application/merge-patch+json")
            let stale = try await client.request(
                "PATCH", "/v1/vms/a", headers: [type, ("If-Match", "\"9\"")], body: patch)
            #expect(stale.status == 412)
            #expect(try stale.json()["type"]?.string == "urn:hvroot:problem:precondition-failed")
            let patched = try await client.request(
                "PATCH", "/v1/vms/a", headers: [type, ("If-Match", "\"1\"")], body: patch)
            #expect(patched.status == 200)
            #expect(patched.header("ETag") == "\"2\"")
            #expect(try patched.json()["labels"]?["x"]?.string == "1")
            let fresh = try await client.request("GET", "/v1/vms/a", headers: [("If-None-Match", "\"1\", W/\"2\"")])
            #expect(fresh.status == 304)
            #expect(fresh.body.isEmpty)
            let several = try await client.request("DELETE", "/v1/vms/a", headers: [("If-Match", "\"1\", \"2\"")])
            #expect(several.status == 204)
        }
    }

    @Test func validatesWithoutCreating() async throws {
        try await TestServer.run { test in
            let client = try test.connection()
            let answer = try await client.request(
                "POST", "/v1/vms?validateOnly=true", json: #"{"id": "x", "boot": {"kernel": "k"}}"#)
            #expect(answer.status == 200)
            #expect(try await client.request("GET", "/v1/vms/x").status == 404)
        }
    }

    @Test func consoleIsReadAndWritten() async throws {
        try await TestServer.run { test in
            try await test.createVM("a")
            let client = try test.connection()
            let written = try await client.request("POST", "/v1/vms/a/console", body: Array("hello".utf8))
            #expect(try written.json()["written"]?.uint64 == 5)
            let all = try await client.request("GET", "/v1/vms/a/console?offset=0")
            #expect(all.text == "HELLO")
            #expect(all.header("Content-Type") == "application/octet-stream")
            #expect(all.header("Console-Offset") == "5")
            let tail = try await client.request("GET", "/v1/vms/a/console?offset=-2&limit=1")
            #expect(tail.text == "L")
            #expect(tail.header("Console-Start") == "3")
            #expect(tail.header("Console-Offset") == "4")
        }
    }

    @Test func bothListenersServe() async throws {
        try await TestServer.run { test in
            let answer = try await httpRequest(test.unixAddress, "GET", "/healthz")
            #expect(answer.status == 200)
            #expect(try answer.json()["status"]?.string == "ok")
        }
    }

    @Test func readinessFollowsTheService() async throws {
        try await TestServer.run { test in
            test.service.setReady(false)
            let answer = try await httpRequest(test.address, "GET", "/readyz")
            #expect(answer.status == 503)
            #expect(answer.header("Content-Type") == "application/problem+json")
        }
    }

    @Test func everyKindOfRefusalHasItsStatus() async throws {
        try await TestServer.run { test in
            let client = try test.connection()
            for kind in ServiceError.Kind.allCases {
                test.service.refuse(ServiceError(kind, "because", field: "/boot/kernel", expected: "better"))
                let answer = try await client.request("POST", "/v1/vms", json: #"{"boot": {"kernel": "k"}}"#)
                let problem = try answer.json()
                #expect(answer.status == ProblemType(kind).status)
                #expect(problem["type"]?.string == "urn:hvroot:problem:\(kind.rawValue)")
                #expect(problem["field"]?.string == "/boot/kernel")
                #expect(problem["expected"]?.string == "better")
                #expect(problem["instance"]?.string == "/v1/vms")
            }
        }
    }

    @Test func forcedDeletionIsAnOperation() async throws {
        try await TestServer.run { test in
            try await test.createVM("a")
            let client = try test.connection()
            _ = try await client.request("POST", "/v1/vms/a:start", json: "{}")
            #expect(try await client.request("DELETE", "/v1/vms/a").status == 409)
            let deleted = try await client.request("DELETE", "/v1/vms/a?force=true")
            #expect(deleted.status == 202)
            #expect(deleted.header("Location") == "/v1/operations/op-2")
        }
    }
}
