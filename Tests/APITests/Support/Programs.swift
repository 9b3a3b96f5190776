import Glibc
import LinuxSystem
import TestHTTP

/// Programs of this package, and starting them as a user would.
enum Programs {
    static let hasQemuTools = access("/usr/bin/qemu-img", X_OK) == 0 && access("/usr/bin/qemu-nbd", X_OK) == 0
    /// Whether guests can run here.
    static let hasKvm = access("/dev/kvm", R_OK | W_OK) == 0

    /// The hypervisors that run guest code. There is no Microsoft hypervisor where tests run: `mshv` is the emulator.
    static let realHypervisors = ["kvm", "mshv"]

    /// A program that the build puts beside the tests.
    static func path(_ name: String) -> String {
        if let directory = getenv("HVROOT_BIN_DIR") { return String(cString: directory) + "/" + name }
        let program = CommandLine.arguments.first { $0.hasSuffix(".xctest") } ?? CommandLine.arguments[0]
        let folder = program.split(separator: "/", omittingEmptySubsequences: false).dropLast()
        return (folder.map(String.init) + [name]).joined(separator: "/")
    }

    /// Starts `hvrootd` with standard error in the file `log`.
    static func startServer(_ arguments: [String], log: String) throws -> PidFD {
        try start(path("hvrootd"), arguments, log: log)
    }

    /// Starts `hvrootd` so that it finds the emulated `/dev/mshv`. The process is the server's: `hvrootctl` becomes it.
    static func startServerWithEmulator(_ arguments: [String], log: String) throws -> PidFD {
        try start(path("hvrootctl"), ["mshv-emulate", "--", path("hvrootd")] + arguments, log: log)
    }

    /// - Parameter extra: becomes descriptor 3.
    static func start(_ path: String, _ arguments: [String], log: String, extra: Int32? = nil) throws -> PidFD {
        let null = try FileDescriptor(opening: "/dev/null", O_RDWR)
        let file = try FileDescriptor(opening: log, O_WRONLY | O_CREAT | O_APPEND)
        let variables = ["PATH", "HOME", "LD_LIBRARY_PATH", "LLVM_PROFILE_FILE", "TSAN_OPTIONS", "ASAN_OPTIONS"]
        let environment = variables.compactMap { name in getenv(name).map { "\(name)=\(String(cString: $0))" } }
        let process = try ProcessSpawn.start(
            path, arguments: arguments, environment: environment,
            descriptors: [null.raw, file.raw, file.raw] + (extra.map { [$0] } ?? []))
        return try PidFD(process)
    }

    /// Runs `hvrootd` till it ends by itself: how it ended, and what it said on standard error.
    static func run(_ arguments: [String], in directory: TemporaryDirectory) async throws -> (ProcessEnd, String) {
        let log = "\(directory.path)/run.log"
        unlink(log)
        let process = try startServer(arguments, log: log)
        guard try await hasEnded(process, seconds: 20) else {
            try process.send(signal: SIGKILL)
            _ = try await end(of: process)
            throw TestHTTPError("hvrootd \(arguments) goes on: \(text(of: log))")
        }
        return (try await end(of: process), text(of: log))
    }

    static func hasEnded(_ process: PidFD, seconds: Int) async throws -> Bool {
        try await offPool { process.waitForEnd(milliseconds: seconds * 1000) }
    }

    /// Waits for a child's end, which must be near.
    static func end(of process: PidFD) async throws -> ProcessEnd {
        guard try await hasEnded(process, seconds: 30), let end = process.end() else {
            throw TestHTTPError("process \(process.processID) goes on")
        }
        return end
    }

    static func text(of path: String) -> String {
        (try? WholeFile.read(path, limit: 16 << 20)).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }
}

/// Asks until `condition` is true.
func eventually(_ what: String, seconds: Int = 30, _ condition: () async throws -> Bool) async throws {
    let deadline = monotonicNanoseconds() + UInt64(seconds) * 1_000_000_000
    while try await !condition() {
        guard monotonicNanoseconds() < deadline else { throw TestHTTPError("waited \(seconds) s for \(what)") }
        try await Task.sleep(nanoseconds: 20_000_000)
    }
}
