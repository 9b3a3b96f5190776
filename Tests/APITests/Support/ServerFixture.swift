import Glibc
import JSON
import LinuxSystem
import Synchronization
import TestHTTP

/// Directories for one server after another; ends what is left of it when it goes away.
final class ServerFixture: Sendable {
    let directory: TemporaryDirectory
    let hypervisor: String
    private let running = Mutex<PidFD?>(nil)

    var stateDirectory: String { directory.path + "/state" }
    var runDirectory: String { directory.path + "/run" }
    var logPath: String { directory.path + "/hvrootd.log" }
    var log: String { Programs.text(of: logPath) }

    /// Where and as what the server runs.
    var options: [String] {
        ["--state-dir", stateDirectory, "--run-dir", runDirectory, "--hypervisor", hypervisor]
    }

    init(hypervisor: String) throws {
        self.hypervisor = hypervisor
        directory = try TemporaryDirectory()
    }

    deinit {
        if let process = running.withLock({ $0.take() }) {
            kill(process.processID, SIGKILL)
            waitpid(process.processID, nil, 0)
        }
        for worker in workers { kill(worker, SIGKILL) }
    }

    /// The processes that hold VMs of this fixture: no other has its run directory among the arguments.
    private var workers: [Int32] {
        let mark = "\u{0}\(runDirectory)/"
        return TemporaryDirectory.names(in: "/proc").compactMap { Int32($0) }.filter { id in
            guard let file = try? FileDescriptor(opening: "/proc/\(id)/cmdline", O_RDONLY),
                let bytes = try? file.read(count: 4096)
            else { return false }
            return String(decoding: bytes, as: UTF8.self).contains(mark)
        }
    }

    /// How many processes hold VMs of this fixture.
    var workerCount: Int { workers.count }

    /// Starts the server; it is ready when this returns.
    func start(listen: [String] = ["http://127.0.0.1:0"]) async throws -> API {
        unlink(logPath)
        let arguments = options + listen.flatMap { ["--listen", $0] }
        return try await adopt(
            hypervisor == "mshv"
                ? Programs.startServerWithEmulator(arguments, log: logPath)
                : Programs.startServer(arguments, log: logPath))
    }

    /// Takes `process` for the server; its log must be at `logPath`.
    func adopt(_ process: PidFD) async throws -> API {
        running.withLock { $0 = process }
        try await eventually("the server: \(log)") {
            if process.waitForEnd(milliseconds: 0) { throw TestHTTPError("the server ended: \(self.log)") }
            return self.log.contains(" ready ")
        }
        guard let address = Self.address(in: log) else { throw TestHTTPError("no address in the log: \(log)") }
        return API(server: self, address: address)
    }

    var processID: Int32? { running.withLock { $0?.processID } }

    /// Ends the server with `signal` and waits for its end.
    @discardableResult
    func end(_ signal: Int32) async throws -> ProcessEnd {
        guard let process = running.withLock({ $0.take() }) else { throw TestHTTPError("no server runs") }
        try process.send(signal: signal)
        return try await Programs.end(of: process)
    }

    private static func address(in log: String) -> String? {
        for line in log.split(separator: "\n") where line.contains(" listening address=") {
            return line.split(separator: "=").last.map(String.init)
        }
        return nil
    }
}

/// A server as a client sees it. It lives for as long as this is used.
struct API: Sendable {
    let server: ServerFixture
    let address: String

    func connection() throws -> HTTPConnection { try HTTPConnection(to: address, timeout: 40) }

    /// A request on a connection of its own.
    @discardableResult
    func request(
        _ method: String, _ path: String, _ json: String? = nil, headers: [(String, String)] = [], expecting: Int? = nil
    ) async throws -> HTTPAnswer {
        let type = json == nil ? [] : [("Content-Type", "application/json")]
        let answer = try await connection().request(
            method, path, headers: type + headers, body: json.map { Array($0.utf8) })
        if let expecting, answer.status != expecting {
            throw TestHTTPError("\(method) \(path): \(answer.status), not \(expecting): \(answer.text)")
        }
        return answer
    }

    func json(_ path: String) async throws -> JSONValue { try await request("GET", path, expecting: 200).json() }
    func vm(_ id: String) async throws -> JSONValue { try await json("/v1/vms/\(id)") }
    func state(_ id: String) async throws -> String { try await vm(id)["state"]?.string ?? "" }

    @discardableResult
    func create(_ id: String, memory: String = "64MiB") async throws -> JSONValue {
        let body = #"{"id": "\#(id)", "memory": {"size": "\#(memory)"}, "boot": {"kernel": "builtin:demo"}}"#
        return try await request("POST", "/v1/vms", body, expecting: 201).json()
    }

    /// Begins `verb` and waits for the end of its operation, which must be a success.
    func perform(_ verb: String, on id: String) async throws {
        let operation = try await request("POST", "/v1/vms/\(id):\(verb)", expecting: 202).json()
        let ended = try await waitForEnd(of: operation)
        guard ended["status"]?.string == "succeeded" else {
            throw TestHTTPError("\(verb) \(id): \(String(decoding: ended.serialized(), as: UTF8.self))")
        }
    }

    func waitForEnd(of operation: JSONValue) async throws -> JSONValue {
        guard let id = operation["id"]?.string else { throw TestHTTPError("an operation without id") }
        return try await request("POST", "/v1/operations/\(id):wait?timeout=30", expecting: 200).json()
    }

    func waitForState(_ wanted: String, of id: String) async throws {
        var last = ""
        do {
            try await eventually(wanted) {
                last = try await state(id)
                return last == wanted
            }
        } catch {
            throw TestHTTPError("\(id) is \(last), not \(wanted): \(error)")
        }
    }

    func console(_ id: String) async throws -> String {
        try await request("GET", "/v1/vms/\(id)/console", expecting: 200).text
    }

    /// Waits until the console has `text` in it `count` times.
    func waitForConsole(_ text: String, of id: String, count: Int = 1) async throws {
        try await eventually("'\(text)' on the console of \(id)") {
            try await console(id).occurrences(of: text) >= count
        }
    }
}

extension String {
    /// How often `part`, which is not empty, is in the string.
    func occurrences(of part: String) -> Int {
        let (text, wanted) = (Array(utf8), Array(part.utf8))
        guard text.count >= wanted.count else { return 0 }
        return (0...(text.count - wanted.count)).count { text[$0..<$0 + wanted.count].elementsEqual(wanted) }
    }
}
