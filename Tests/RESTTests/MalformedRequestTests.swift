import JSON
import RESTServer
import TestHTTP
import Testing

/// Bad requests, each with the status and the problem type it is to get. The server is healthy after all of them.
@Suite struct MalformedRequestTests {
    struct Bad: Sendable, CustomTestStringConvertible {
        var name: String
        var method = "POST"
        var path = "/v1/vms"
        var headers: [(String, String)] = [("Content-Type", "application/json")]
        var body: [UInt8]?
        var status = 400
        var type: String
        var field: String?
        var testDescription: String { name }
    }

    static func create(_ name: String, _ body: String, _ type: String, _ field: String? = nil, _ status: Int = 400)
        -> Bad
    {
        Bad(name: name, body: Array(body.utf8), status: status, type: type, field: field)
    }
    static func patch(_ name: String, _ body: String, _ type: String, _ field: String? = nil, _ status: Int = 400)
        -> Bad
    {
        var bad = create(name, body, type, field, status)
        bad.method = "PATCH"
        bad.path = "/v1/vms/a"
        return bad
    }
    static func plain(_ method: String, _ path: String, _ status: Int, _ type: String, _ field: String? = nil) -> Bad {
        Bad(
            name: "\(method) \(path.prefix(60))", method: method, path: path, headers: [], status: status, type: type,
            field: field)
    }

    static let bodies: [Bad] = [
        create("empty", "", "malformed-json"), create("no JSON", "hello", "malformed-json"),
        create("cut", #"{"id": "x""#, "malformed-json"), create("tail", "{} {}", "malformed-json"),
        create("trailing comma", #"{"id": "x",}"#, "malformed-json"),
        create("single quotes", "{'id': 'x'}", "malformed-json"), create("comment", "{/**/}", "malformed-json"),
        create("NUL", "{\"id\": \"x\u{0}\"}", "malformed-json"),
        Bad(
            name: "bad UTF-8", body: Array(#"{"id": ""#.utf8) + [0xFF, 0xFE] + Array(#""}"#.utf8),
            type: "malformed-json"),
        create(
            "deep", String(repeating: "[", count: 200) + String(repeating: "]", count: 200), "malformed-json"),
        create("very deep", String(repeating: "{\"a\":", count: 100_000), "malformed-json"),
        create("twice", #"{"id": "a", "id": "b", "boot": {"kernel": "k"}}"#, "malformed-json", "/id"),
        create("twice below", #"{"boot": {"kernel": "k", "k\u0065rnel": "l"}}"#, "malformed-json", "/boot/kernel"),
        create("array", "[]", "invalid-argument", ""), create("string", "\"x\"", "invalid-argument", ""),
        create("null", "null", "invalid-argument", ""), create("number", "5", "invalid-argument", ""),
        create("no boot", "{}", "invalid-argument", "/boot"),
        create("no kernel", #"{"boot": {}}"#, "invalid-argument", "/boot/kernel"),
        create("id number", #"{"id": 5}"#, "invalid-argument", "/id"),
        create("id null", #"{"id": null}"#, "invalid-argument", "/id"),
        create("vps number", #"{"vps": 2}"#, "invalid-argument", "/vps"),
        create("count text", #"{"vps": {"count": "2"}}"#, "invalid-argument", "/vps/count"),
        create("count negative", #"{"vps": {"count": -1}}"#, "invalid-argument", "/vps/count"),
        create("count fraction", #"{"vps": {"count": 1.5}}"#, "invalid-argument", "/vps/count"),
        create("count huge", #"{"vps": {"count": 18446744073709551615}}"#, "invalid-argument", "/vps/count"),
        create("count far too huge", #"{"vps": {"count": 1e400}}"#, "invalid-argument", "/vps/count"),
        create("size unit", #"{"memory": {"size": "256MB"}}"#, "invalid-argument", "/memory/size"),
        create("size overflow", #"{"memory": {"size": "99999999999TiB"}}"#, "invalid-argument", "/memory/size"),
        create("size empty", #"{"memory": {"size": ""}}"#, "invalid-argument", "/memory/size"),
        create("size sign", #"{"memory": {"size": "-1MiB"}}"#, "invalid-argument", "/memory/size"),
        create("size list", #"{"memory": {"size": []}}"#, "invalid-argument", "/memory/size"),
        create("labels list", #"{"boot": {"kernel": "k"}, "labels": []}"#, "invalid-argument", "/labels"),
        create("label number", #"{"boot": {"kernel": "k"}, "labels": {"a/b": 1}}"#, "invalid-argument", "/labels/a~1b"),
        create("label null", #"{"boot": {"kernel": "k"}, "labels": {"a": null}}"#, "invalid-argument", "/labels/a"),
        create(
            "load address", #"{"boot": {"kernel": "k", "loadAddress": "0x1000"}}"#, "invalid-argument",
            "/boot/loadAddress"),
        create("NUL in path", #"{"boot": {"kernel": "a\u0000b"}}"#, "invalid-argument", "/boot/kernel"),
        create("simulation", #"{"boot": {"kernel": "k"}, "simulation": 1}"#, "invalid-argument", "/simulation"),
        create(
            "simulated time", #"{"boot": {"kernel": "k"}, "simulation": {"bootMilliseconds": 18446744073709551615}}"#,
            "invalid-argument", "/simulation/bootMilliseconds"),
        create("unknown", #"{"name": "x"}"#, "unknown-field", "/name"),
        create("unknown below", #"{"boot": {"kernel": "k", "cmdline": ""}}"#, "unknown-field", "/boot/cmdline"),
        create("read-only", #"{"state": "running"}"#, "unknown-field", "/state"),
        create("escaped name", #"{"a~/b": 1}"#, "unknown-field", "/a~0~1b"),
        patch("id", #"{"id": "b"}"#, "unknown-field", "/id"), patch("array patch", "[]", "invalid-argument", ""),
        patch("null count", #"{"vps": {"count": null}}"#, "invalid-argument", "/vps/count"),
        patch("null labels", #"{"labels": null}"#, "invalid-argument", "/labels"),
    ]

    static let requests: [Bad] = [
        plain("GET", "/", 404, "not-found-route"), plain("GET", "/v1", 404, "not-found-route"),
        plain("GET", "/v1/vms/", 404, "not-found-route"), plain("GET", "//v1/vms", 404, "not-found-route"),
        plain("GET", "/v1/vms/a/b/c", 404, "not-found-route"), plain("GET", "/v2/vms", 404, "not-found-route"),
        plain("POST", "/v1/vms/a:explode", 404, "not-found-route"), plain("GET", "/v1/vms/a:", 404, "not-found-route"),
        plain("GET", "/v1/../etc/passwd", 404, "not-found-route"),
        plain("PUT", "/v1/vms", 405, "method-not-allowed"), plain("GET", "/v1/vms/a:start", 405, "method-not-allowed"),
        plain("DELETE", "/v1/host", 405, "method-not-allowed"), plain("BREW", "/v1/host", 405, "method-not-allowed"),
        plain("GET", "/v1/vms/none", 404, "not-found"), plain("GET", "/v1/vms/..%2F..%2Fetc", 404, "not-found"),
        plain("GET", "/v1/vms/a%3Astart", 404, "not-found"), plain("POST", "/v1/vms/none:start", 404, "not-found"),
        plain("GET", "/v1/operations/none", 404, "not-found"), plain("GET", "/v1/vms/none/console", 404, "not-found"),
        plain("GET", "/v1/vms/%zz", 400, "malformed-request"), plain("GET", "/v1/vms/%", 400, "malformed-request"),
        plain("GET", "/v1/vms/%ff", 400, "malformed-request"), plain("GET", "/v1/vms/a%00b", 400, "malformed-request"),
        plain("GET", "/v1/vms/a%0Ab", 400, "malformed-request"),
        plain("GET", "/v1/vms?color=red", 400, "invalid-parameter", "color"),
        plain("GET", "/v1/vms?pageSize=0", 400, "invalid-parameter", "pageSize"),
        plain("GET", "/v1/vms?pageSize=1001", 400, "invalid-parameter", "pageSize"),
        plain("GET", "/v1/vms?pageSize=99999999999999999999", 400, "invalid-parameter", "pageSize"),
        plain("GET", "/v1/vms?pageSize=1&pageSize=2", 400, "invalid-parameter", "pageSize"),
        plain("GET", "/v1/vms?pageToken=", 400, "invalid-parameter", "pageToken"),
        plain("GET", "/v1/vms?pageToken=xyz", 400, "invalid-parameter", "pageToken"),
        plain("GET", "/v1/vms?pageToken=ff", 400, "invalid-parameter", "pageToken"),
        plain("GET", "/v1/vms?state=flying", 400, "invalid-parameter", "state"),
        plain("GET", "/v1/vms?label=team", 400, "invalid-parameter", "label"),
        plain("GET", "/v1/vms?label=a%3Db&label=a%3Dc", 400, "invalid-parameter", "label"),
        plain("DELETE", "/v1/vms/a?force=yes", 400, "invalid-parameter", "force"),
        plain("POST", "/v1/vms/a:shutdown?timeout=-1", 400, "invalid-parameter", "timeout"),
        plain("POST", "/v1/vms/a:shutdown?timeout=nan", 400, "invalid-parameter", "timeout"),
        plain("POST", "/v1/vms/a:shutdown?timeout=1e9", 400, "invalid-parameter", "timeout"),
        plain("GET", "/v1/operations/x:wait?timeout=301", 400, "invalid-parameter", "timeout"),
        plain("GET", "/v1/vms/a/console?offset=x", 400, "invalid-parameter", "offset"),
        plain("GET", "/v1/vms/a/console?offset=9223372036854775808", 400, "invalid-parameter", "offset"),
        plain("GET", "/v1/vms/a/console?limit=0", 400, "invalid-parameter", "limit"),
        plain("GET", "/v1/events?after=-1", 400, "invalid-parameter", "after"),
        plain("GET", "/v1/events?limit=1", 400, "invalid-parameter", "limit"),
        plain("GET", "/v1/host?" + String(repeating: "x", count: 17_000), 431, "header-too-large"),
    ]

    static let others: [Bad] = [
        Bad(
            name: "plain text", headers: [("Content-Type", "text/plain")], body: [0x7B, 0x7D], status: 415,
            type: "unsupported-media-type"),
        Bad(
            name: "form of an other site's page",
            headers: [("Content-Type", "application/x-www-form-urlencoded"), ("Origin", "http://evil.example")],
            body: [0x7B, 0x7D], status: 403, type: "forbidden-origin"),
        Bad(
            name: "curl -d without a kernel", headers: [("Content-Type", "application/x-www-form-urlencoded")],
            body: [0x7B, 0x7D], status: 400, type: "invalid-argument", field: "/boot"),
        Bad(
            name: "Latin-1", headers: [("Content-Type", "application/json; charset=latin1")], body: [0x7B, 0x7D],
            status: 415, type: "unsupported-media-type"),
        Bad(
            name: "XML patch", method: "PATCH", path: "/v1/vms/a", headers: [("Content-Type", "text/xml")],
            body: [0x7B, 0x7D], status: 415, type: "unsupported-media-type"),
        Bad(name: "large", body: [UInt8](repeating: 0x20, count: 1 << 20 | 1), status: 413, type: "payload-too-large"),
        Bad(
            name: "large console", path: "/v1/vms/a/console", body: [UInt8](repeating: 0x20, count: 64 << 10 | 1),
            status: 413, type: "payload-too-large"),
        Bad(
            name: "large field", method: "GET", path: "/v1/host",
            headers: [("X-Large", String(repeating: "x", count: 17_000))], status: 431, type: "header-too-large"),
        Bad(
            name: "If-Match", method: "DELETE", path: "/v1/vms/a", headers: [("If-Match", "5")], status: 400,
            type: "malformed-request"),
        Bad(
            name: "If-Match of another kind", method: "DELETE", path: "/v1/vms/a", headers: [("If-Match", "\"x\"")],
            status: 412, type: "precondition-failed"),
        Bad(
            name: "weak If-Match", method: "DELETE", path: "/v1/vms/a", headers: [("If-Match", "W/\"1\"")], status: 412,
            type: "precondition-failed"),
        Bad(
            name: "Last-Event-ID", method: "GET", path: "/v1/events", headers: [("Last-Event-ID", "x")],
            type: "malformed-request"),
        Bad(
            name: "verb body", path: "/v1/vms/a:start", body: Array(#"{"force": true}"#.utf8), type: "unknown-field",
            field: "/force"),
        Bad(name: "verb array", path: "/v1/vms/a:start", body: Array("[]".utf8), type: "invalid-argument"),
        Bad(
            name: "WebSocket version", method: "GET", path: "/v1/vms/a/console",
            headers: [("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "8")], status: 426,
            type: "upgrade-required"),
        Bad(
            name: "WebSocket key", method: "GET", path: "/v1/vms/a/console",
            headers: [
                ("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"),
                ("Sec-WebSocket-Key", "short"),
            ], type: "malformed-request"),
        Bad(
            name: "WebSocket to no VM", method: "GET", path: "/v1/vms/none/console",
            headers: [
                ("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"),
                ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ], status: 404, type: "not-found"),
        Bad(
            name: "foreign page", path: "/v1/vms/a:stop", headers: [("Origin", "http://evil.example")], status: 403,
            type: "forbidden-origin"),
        Bad(
            name: "foreign WebSocket", method: "GET", path: "/v1/vms/a/console",
            headers: [("Origin", "null"), ("Connection", "Upgrade"), ("Upgrade", "websocket")], status: 403,
            type: "forbidden-origin"),
    ]

    @Test func eachGetsItsProblem() async throws {
        try await TestServer.run { test in
            try await test.createVM("a")
            // One connection where the server keeps it.
            var client = try test.connection()
            for bad in Self.bodies + Self.requests + Self.others {
                let answer = try await client.request(bad.method, bad.path, headers: bad.headers, body: bad.body)
                #expect(answer.status == bad.status, "\(bad.name)")
                #expect(answer.header("Content-Type") == "application/problem+json", "\(bad.name)")
                let problem = try answer.json()
                #expect(problem["type"]?.string == "urn:hvroot:problem:\(bad.type)", "\(bad.name)")
                #expect(problem["status"]?.uint64 == UInt64(bad.status), "\(bad.name)")
                #expect(problem["detail"]?.string?.isEmpty == false, "\(bad.name)")
                if let field = bad.field { #expect(problem["field"]?.string == field, "\(bad.name)") }
                if bad.status == 405 { #expect(answer.header("Allow")?.isEmpty == false, "\(bad.name)") }
                if answer.header("Connection")?.lowercased() == "close" { client = try test.connection() }
            }
            #expect(Self.bodies.count + Self.requests.count + Self.others.count >= 60)
            #expect(try await test.connection().request("GET", "/v1/vms/a").status == 200)
            #expect(try await eventually { test.server.openRequests == 0 })
        }
    }

    /// What is not HTTP, or breaks off.
    @Test func brokenConnectionsAreSurvived() async throws {
        // libmicrohttpd can miss the end of a connection that breaks off inside a body, until its idle timeout.
        try await TestServer.run(configure: { $0.idleTimeout = 1 }) { test in
            let texts = [
                "\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "\u{1}\u{2}\u{3}", "GET /v1/host HTTP/1.1\r\n\r\n",
                "GET /v1/host HTTP/1.1\r\nno colon\r\n\r\n", "GET /v1/host HTTP/1.1\r\nHost: x\r\nHo",
                "POST /v1/vms HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{",
                "POST /v1/vms HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n{}",
                "POST /v1/vms HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n{}",
                "POST /v1/vms HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
                "POST /v1/vms HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{",
                "GET /v1/host HTTP/1.1\r\nHost: x\r\nX: " + String(repeating: "y", count: 200_000) + "\r\n\r\n",
                "GET /" + String(repeating: "z", count: 200_000) + " HTTP/1.1\r\n\r\n",
            ]
            for text in texts {
                let client = try HTTPConnection(to: test.address, timeout: 5)
                // A server that has heard enough may close before all is sent.
                try? await client.send(Array(text.utf8))
                client.finishWriting()
                _ = try? await client.readToEnd()
            }
            #expect(try await test.connection().request("GET", "/healthz").status == 200)
            #expect(try await eventually { test.server.openRequests == 0 }, "a context leaked")
        }
    }

    @Test func chunkedBodiesAreTakenAndLimited() async throws {
        try await TestServer.run { test in
            let client = try test.connection()
            let head = "POST /v1/vms HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
            let body = #"{"id": "chunky", "boot": {"kernel": "k"}}"#
            let pieces = body.utf8.map { "1\r\n" + String(UnicodeScalar($0)) + "\r\n" }.joined()
            try await client.send(Array((head + pieces + "0\r\n\r\n").utf8))
            #expect(try await client.answer().status == 201)
            let spaces = String(repeating: " ", count: 65_536)
            try await client.send(Array(head.utf8))
            for _ in 0..<20 { try await client.send(Array("10000\r\n\(spaces)\r\n".utf8)) }
            try await client.send(Array("0\r\n\r\n".utf8))
            #expect(try await client.answer().status == 413)
        }
    }

    @Test func continuationIsGiven() async throws {
        try await TestServer.run { test in
            let client = try test.connection()
            let body = #"{"id": "c", "boot": {"kernel": "k"}}"#
            let head =
                "POST /v1/vms HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: \(body.utf8.count)\r\n\r\n"
            try await client.send(Array(head.utf8))
            try await client.send(Array(body.utf8))
            #expect(try await client.answer().status == 201)
        }
    }
}
