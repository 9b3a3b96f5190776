/// A request that has to be refused.
struct BadRequest: Sendable {
    var name: String
    var method: String
    var path: String
    var headers: [(String, String)] = []
    var body: [UInt8]?
    var status: Int
    /// The last part of the problem's `type`.
    var type: String
    var field: String?

    static func create(
        _ body: String, _ type: String, _ field: String? = nil, _ status: Int = 400
    ) -> BadRequest {
        BadRequest(
            name: "POST " + body.prefix(80), method: "POST", path: "/v1/vms",
            headers: [("Content-Type", "application/json")], body: Array(body.utf8), status: status, type: type,
            field: field)
    }

    /// A VM that is right but for `members`.
    static func vm(_ members: String, _ type: String, _ field: String? = nil, _ status: Int = 400) -> BadRequest {
        create(#"{"boot": {"kernel": "builtin:demo"}, \#(members)}"#, type, field, status)
    }

    /// A boot source that is right but for `members`.
    static func boot(_ members: String, _ type: String, _ field: String, _ status: Int = 400) -> BadRequest {
        create(#"{"boot": {"kernel": "builtin:demo", \#(members)}}"#, type, field, status)
    }

    static func patch(_ body: String, _ type: String, _ field: String? = nil, _ status: Int = 400) -> BadRequest {
        var bad = create(body, type, field, status)
        bad.name = "PATCH " + body
        bad.method = "PATCH"
        bad.path = "/v1/vms/good"
        return bad
    }

    static func plain(
        _ method: String, _ path: String, _ status: Int, _ type: String, _ field: String? = nil,
        headers: [(String, String)] = []
    ) -> BadRequest {
        BadRequest(
            name: "\(method) \(path.prefix(60))", method: method, path: path, headers: headers, status: status,
            type: type, field: field)
    }

    private static let manyLabels = (0..<65).map { #""l\#($0)": """# }.joined(separator: ", ")

    static let bodies: [BadRequest] = [
        create("", "malformed-json"), create("hello", "malformed-json"), create(#"{"id": "x""#, "malformed-json"),
        create("{} {}", "malformed-json"), create("{'id': 'x'}", "malformed-json"),
        create(String(repeating: "[", count: 100_000), "malformed-json"),
        create(#"{"id": "a", "id": "b"}"#, "malformed-json", "/id"), create("[]", "invalid-argument"),
        create("{}", "invalid-argument", "/boot"), create(#"{"boot": {}}"#, "invalid-argument", "/boot/kernel"),
        create(#"{"boot": {"kernel": ""}}"#, "invalid-argument", "/boot/kernel"),
        create(#"{"boot": {"kernel": 7}}"#, "invalid-argument", "/boot/kernel"),
        create(#"{"boot": {"kernel": "vmlinuz"}}"#, "invalid-argument", "/boot/kernel"),
        create(#"{"boot": {"kernel": "builtin:other"}}"#, "invalid-argument", "/boot/kernel"),
        create(#"{"boot": {"kernel": "/a\u0000b"}}"#, "invalid-argument", "/boot/kernel"),
        vm(#""id": "Upper""#, "invalid-argument", "/id"), vm(#""id": """#, "invalid-argument", "/id"),
        vm(#""id": "-a""#, "invalid-argument", "/id"), vm(#""id": "../../etc""#, "invalid-argument", "/id"),
        vm(#""id": "\#(String(repeating: "a", count: 64))""#, "invalid-argument", "/id"),
        vm(#""id": "good""#, "already-exists", "/id", 409),
        vm(#""vps": {"count": 0}"#, "invalid-argument", "/vps/count"),
        vm(#""vps": {"count": 255}"#, "invalid-argument", "/vps/count"),
        vm(#""vps": {"count": -1}"#, "invalid-argument", "/vps/count"),
        vm(#""vps": {"count": 1e400}"#, "invalid-argument", "/vps/count"),
        vm(#""memory": {"size": "14MiB"}"#, "invalid-argument", "/memory/size"),
        vm(#""memory": {"size": "17MiB"}"#, "invalid-argument", "/memory/size"),
        vm(#""memory": {"size": "65TiB"}"#, "invalid-argument", "/memory/size"),
        vm(#""memory": {"size": "99999999999TiB"}"#, "invalid-argument", "/memory/size"),
        vm(#""memory": {"size": "64MB"}"#, "invalid-argument", "/memory/size"),
        vm(#""memory": {"size": 18446744073709551615}"#, "invalid-argument", "/memory/size"),
        vm(#""labels": {"-a": ""}"#, "invalid-argument", "/labels/-a"),
        vm(#""labels": {"a": null}"#, "invalid-argument", "/labels/a"),
        vm(#""labels": {"a": "\#(String(repeating: "x", count: 256))"}"#, "invalid-argument", "/labels/a"),
        vm(#""labels": {\#(manyLabels)}"#, "invalid-argument", "/labels"),
        vm(
            #""simulation": {"busyMillisecondsPerSecond": 1001}"#, "invalid-argument",
            "/simulation/busyMillisecondsPerSecond"),
        vm(#""state": "running""#, "unknown-field", "/state"), vm(#""color": "red""#, "unknown-field", "/color"),
        boot(#""cmdline": """#, "unknown-field", "/boot/cmdline"),
        boot(#""format": "zimage""#, "invalid-argument", "/boot/format"),
        boot(#""loadAddress": 1048576"#, "invalid-argument", "/boot/loadAddress"),
        boot(#""format": "flat", "loadAddress": 18446744073709551615"#, "invalid-argument", "/boot/loadAddress"),
        boot(#""commandLine": "a\nb""#, "invalid-argument", "/boot/commandLine"),
        boot(#""commandLine": "\#(String(repeating: "x", count: 2048))""#, "invalid-argument", "/boot/commandLine"),
        boot(#""initrd": "relative""#, "invalid-argument", "/boot/initrd"),
        patch(#"{"id": "b"}"#, "unknown-field", "/id"),
        patch(#"{"vps": {"count": 0}}"#, "invalid-argument", "/vps/count"),
        patch(#"{"boot": {"kernel": "/nowhere"}}"#, "invalid-image", "/boot/kernel", 422),
        patch("{", "malformed-json"),
    ]

    static let requests: [BadRequest] = [
        plain("GET", "/", 404, "not-found-route"), plain("GET", "/v1/../etc/passwd", 404, "not-found-route"),
        plain("POST", "/v1/vms/good:explode", 404, "not-found-route"),
        plain("PUT", "/v1/vms/good", 405, "method-not-allowed"), plain("BREW", "/v1/host", 405, "method-not-allowed"),
        plain("GET", "/v1/vms/none", 404, "not-found"), plain("DELETE", "/v1/vms/none", 404, "not-found"),
        plain("POST", "/v1/vms/none:start", 404, "not-found"), plain("GET", "/v1/vms/none/console", 404, "not-found"),
        plain("GET", "/v1/operations/none", 404, "not-found"), plain("GET", "/v1/vms/%zz", 400, "malformed-request"),
        plain("GET", "/v1/vms/a%00b", 400, "malformed-request"),
        plain("GET", "/v1/vms?pageSize=0", 400, "invalid-parameter", "pageSize"),
        plain("GET", "/v1/vms?pageToken=xyz", 400, "invalid-parameter", "pageToken"),
        plain("GET", "/v1/vms?color=red", 400, "invalid-parameter", "color"),
        plain("GET", "/v1/vms?state=flying", 400, "invalid-parameter", "state"),
        plain("DELETE", "/v1/vms/good?force=maybe", 400, "invalid-parameter", "force"),
        plain("POST", "/v1/vms/good:shutdown?timeout=nan", 400, "invalid-parameter", "timeout"),
        plain("GET", "/v1/vms/good/console?offset=9223372036854775808", 400, "invalid-parameter", "offset"),
        plain("GET", "/v1/events?after=-1", 400, "invalid-parameter", "after"),
        plain("POST", "/v1/vms/good:pause", 409, "wrong-state"),
        plain("POST", "/v1/vms/good:resume", 409, "wrong-state"),
        plain("POST", "/v1/vms/good:reset", 409, "wrong-state"),
        plain("DELETE", "/v1/vms/good", 412, "precondition-failed", headers: [("If-Match", "\"999\"")]),
        plain("DELETE", "/v1/vms/good", 400, "malformed-request", headers: [("If-Match", "1")]),
        plain("DELETE", "/v1/vms/good", 403, "forbidden-origin", headers: [("Origin", "http://evil.example")]),
        plain("GET", "/v1/events", 400, "malformed-request", headers: [("Last-Event-ID", "x")]),
        plain(
            "GET", "/v1/vms/good/console", 426, "upgrade-required",
            headers: [("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "8")]),
        plain("GET", "/v1/host", 431, "header-too-large", headers: [("X", String(repeating: "x", count: 17_000))]),
        BadRequest(
            name: "console of a VM that is off", method: "POST", path: "/v1/vms/good/console",
            headers: [("Content-Type", "application/octet-stream")], body: [0x41], status: 409, type: "wrong-state"),
        BadRequest(
            name: "large body", method: "POST", path: "/v1/vms", headers: [("Content-Type", "application/json")],
            body: [UInt8](repeating: 0x20, count: 1 << 20 | 1), status: 413, type: "payload-too-large"),
        BadRequest(
            name: "plain text", method: "POST", path: "/v1/vms",
            headers: [("Content-Type", "text/plain")], body: [0x7B, 0x7D], status: 415,
            type: "unsupported-media-type"),
        BadRequest(
            name: "bad UTF-8", method: "POST", path: "/v1/vms", headers: [("Content-Type", "application/json")],
            body: Array(#"{"id": ""#.utf8) + [0xFF, 0xFE] + Array(#""}"#.utf8), status: 400, type: "malformed-json"),
    ]
}
