import Glibc
import ManagementService
import RESTServer
import TestHTTP

/// A started server on the fake service, on loopback and on a Unix socket.
struct TestServer: Sendable {
    let service: FakeService
    let server: RESTServer
    let address: String
    let unixAddress: String

    /// Runs `body` with a server and stops it afterwards.
    static func run(
        configure: (inout RESTConfiguration) -> Void = { _ in }, _ body: (TestServer) async throws -> Void
    ) async throws {
        let path = "/tmp/hvroot-rest-\(getpid())-\(UInt32.random(in: 0...UInt32.max)).sock"
        var configuration = RESTConfiguration(listen: [.ipv4("127.0.0.1", port: 0), .unix(path)])
        configuration.usesSocketActivation = false
        configuration.stopGrace = 0.2
        configure(&configuration)
        let service = FakeService()
        let server = RESTServer(service: service, configuration: configuration)
        try server.start()
        let result: Result<Void, any Error>
        do {
            try await body(
                TestServer(
                    service: service, server: server, address: server.addresses[0], unixAddress: server.addresses[1]))
            result = .success(())
        } catch {
            result = .failure(error)
        }
        try await offPool { server.stop() }
        try result.get()
    }

    func connection() throws -> HTTPConnection { try HTTPConnection(to: address) }

    /// A VM to work with.
    func createVM(_ id: String) async throws {
        _ = try await connection().request(
            "POST", "/v1/vms", json: "{\"id\": \"\(id)\", \"boot\": {\"kernel\": \"builtin:demo\"}}")
    }
}

/// Waits until `condition` holds, at most five seconds.
func eventually(_ condition: () -> Bool) async throws -> Bool {
    for _ in 0..<500 {
        if condition() { return true }
        try await Task.sleep(nanoseconds: 10_000_000)
    }
    return condition()
}
