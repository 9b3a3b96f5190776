import Glibc
import JSON
import RESTServer
import TestHTTP
import Testing

@testable import RESTServer

@Suite struct LifecycleTests {
    @Test func clientsMayGoWhileTheirAnswerIsMade() async throws {
        try await TestServer.run { test in
            try await test.createVM("a")
            test.service.holdOperations()
            _ = try await httpRequest(test.address, "POST", "/v1/vms/a:start")
            for _ in 0..<20 {
                let client = try test.connection()
                try await client.send(Array("GET /v1/operations/op-1:wait?timeout=60 HTTP/1.1\r\nHost: x\r\n\r\n".utf8))
                client.abort()
            }
            #expect(try await httpRequest(test.address, "GET", "/healthz").status == 200)
            test.service.release()
            #expect(try await eventually { test.server.openRequests == 0 })
        }
    }

    @Test func waitingDoesNotHoldOthersUp() async throws {
        try await TestServer.run { test in
            try await test.createVM("a")
            test.service.holdOperations()
            _ = try await httpRequest(test.address, "POST", "/v1/vms/a:start")
            var waiters: [HTTPConnection] = []
            for _ in 0..<50 {
                let client = try test.connection()
                try await client.send(Array("GET /v1/operations/op-1:wait?timeout=60 HTTP/1.1\r\nHost: x\r\n\r\n".utf8))
                waiters.append(client)
            }
            let client = try test.connection()
            for _ in 0..<100 { #expect(try await client.request("GET", "/v1/vms/a").status == 200) }
            test.service.release()
            for waiter in waiters { #expect(try await waiter.answer().status == 200) }
        }
    }

    @Test func waitingEndsWithItsTimeout() async throws {
        try await TestServer.run { test in
            try await test.createVM("a")
            test.service.holdOperations()
            _ = try await httpRequest(test.address, "POST", "/v1/vms/a:start")
            let answer = try await httpRequest(test.address, "GET", "/v1/operations/op-1:wait?timeout=0.05")
            #expect(try answer.json()["status"]?.string == "running")
            test.service.release()
        }
    }

    @Test func stoppingAnswersWhatIsUnderWay() async throws {
        var waiter: HTTPConnection?
        var stream: EventStreamClient?
        var socket: WebSocketClient?
        var address = ""
        try await TestServer.run { test in
            address = test.address
            try await test.createVM("a")
            test.service.holdOperations()
            _ = try await httpRequest(test.address, "POST", "/v1/vms/a:start")
            let client = try test.connection()
            try await client.send(Array("GET /v1/operations/op-1:wait?timeout=60 HTTP/1.1\r\nHost: x\r\n\r\n".utf8))
            waiter = client
            stream = try await EventStreamClient(test.address, "/v1/events")
            socket = try await WebSocketClient(test.address, "/v1/vms/a/console")
            #expect(try await eventually { test.server.openRequests == 3 })
        }
        let answer = try await #require(waiter).answer()
        #expect(answer.status == 503)
        #expect(try answer.json()["type"]?.string == "urn:hvroot:problem:unavailable")
        #expect(try await #require(stream).nextEvent() == nil)
        #expect(try await #require(socket).receive()?.closeCode == 1001)
        #expect(throws: (any Error).self) { try HTTPConnection(to: address) }
    }

    /// A server that is busy while it stops: libmicrohttpd ends the process where it is stopped in the wrong way.
    @Test func stoppingUnderLoad() async throws {
        for _ in 0..<300 {
            try await withThrowingTaskGroup(of: Void.self) { clients in
                try await TestServer.run { test in
                    let address = test.address
                    for _ in 0..<4 {
                        clients.addTask {
                            var status = 200
                            // Until the server is gone, or says that it goes.
                            while status == 200, let answer = try? await httpRequest(address, "GET", "/v1/vms") {
                                status = answer.status
                            }
                            #expect(status == 200 || status == 503)
                        }
                    }
                    let health = try await httpRequest(address, "GET", "/healthz")
                    #expect(health.status == 200)
                }
                try await clients.waitForAll()
            }
        }
    }

    @Test func unixSocketFilesComeAndGo() async throws {
        let path = "/tmp/hvroot-stale-\(getpid())-\(UInt32.random(in: 0...UInt32.max)).sock"
        func make() -> RESTServer {
            var configuration = RESTConfiguration(listen: [.unix(path)])
            configuration.usesSocketActivation = false
            return RESTServer(service: FakeService(), configuration: configuration)
        }
        let first = make()
        try first.start()
        var status = stat()
        #expect(stat(path, &status) == 0)
        #expect(status.st_mode & 0o777 == 0o660)
        #expect(throws: RESTServerError.self) { try make().start() }
        #expect(try await httpRequest("unix:\(path)", "GET", "/healthz").status == 200)
        try await offPool { first.stop() }
        #expect(stat(path, &status) != 0)

        // A file that a killed server left behind.
        let stale = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var address = try #require(Listener.unixAddress(path))
        let bound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(stale, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        #expect(bound == 0)
        close(stale)
        let second = make()
        try second.start()
        #expect(try await httpRequest("unix:\(path)", "GET", "/healthz").status == 200)
        try await offPool { second.stop() }

        let file = open(path, O_CREAT | O_WRONLY, 0o600)
        close(file)
        #expect(throws: RESTServerError.self) { try make().start() }
        #expect(stat(path, &status) == 0)
        unlink(path)
    }

    @Test func addressesInUseAreRefused() async throws {
        try await TestServer.run { test in
            let taken = try ListenAddress(test.address)
            var configuration = RESTConfiguration(listen: [taken])
            configuration.usesSocketActivation = false
            let other = RESTServer(service: FakeService(), configuration: configuration)
            #expect(throws: RESTServerError.self) { try other.start() }
        }
    }

    @Test func passedSocketsServe() async throws {
        let listener = try Listener(.ipv4("127.0.0.1", port: 0))
        let inherited = try Listener(inherited: dup(listener.raw), name: "http")
        #expect(inherited.address == listener.address)
        #expect(throws: RESTServerError.self) { try Listener(inherited: dup(0), name: "stdin") }
    }

    @Test func activationVariablesAreRead() {
        func passed(_ variables: [String: String]) -> [SocketActivation.Passed] {
            SocketActivation.passed(processID: 7) { variables[$0] }
        }
        #expect(
            passed(["LISTEN_PID": "7", "LISTEN_FDS": "2", "LISTEN_FDNAMES": "http"])
                == [.init(descriptor: 3, name: "http"), .init(descriptor: 4, name: "unknown")])
        #expect(passed(["LISTEN_PID": "8", "LISTEN_FDS": "1"]).isEmpty)
        #expect(passed(["LISTEN_PID": "7", "LISTEN_FDS": "-1"]).isEmpty)
        #expect(passed(["LISTEN_PID": "7", "LISTEN_FDS": "99999999"]).isEmpty)
        #expect(passed([:]).isEmpty)
    }

    @Test func listenAddressesAreRead() throws {
        #expect(try ListenAddress("http://127.0.0.1:7480") == .ipv4("127.0.0.1", port: 7480))
        #expect(try ListenAddress("http://localhost:0/") == .ipv4("127.0.0.1", port: 0))
        #expect(try ListenAddress("http://[::1]:80") == .ipv6("::1", port: 80))
        #expect(try ListenAddress("unix:/run/hvroot.sock") == .unix("/run/hvroot.sock"))
        let wrong = [
            "", "127.0.0.1:80", "http://", "http://127.0.0.1", "http://127.0.0.1:", "http://127.0.0.1:65536",
            "http://127.0.0.1:-1", "http://127.0.0.1:80/path", "http://::1:80", "http://[::1]", "http://[1.2.3.4]:80",
            "http://example.org:80", "https://127.0.0.1:443", "unix:", "unix:relative",
            "unix:/" + String(repeating: "x", count: 107),
        ]
        for text in wrong {
            #expect(throws: ListenAddress.ParseError.self, "\(text)") { try ListenAddress(text) }
        }
    }

    @Test func ipv6Serves() async throws {
        guard let listener = try? Listener(.ipv6("::1", port: 0)) else { return }
        #expect(listener.address.hasPrefix("http://[::1]:"))
    }
}
