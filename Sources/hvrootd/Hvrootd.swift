import ArgumentParser
import Glibc
import LinuxSystem
import Log
import ManagementService
import PartitionManager
import RESTServer

/// Released with the repository; `docs/status.md` says what it can do.
let hvrootVersion = "0.1.0"

/// The management server: options, wiring, and an orderly end.
@main
struct Hvrootd: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "hvrootd",
        abstract: "Creates and runs virtual machines through an HTTP API.",
        discussion: """
            Runs in the foreground and logs to standard error. SIGTERM or SIGINT ends the server, never the guests: \
            the next server with the same directories finds them again.
            """,
        version: hvrootVersion)

    @Option(
        name: .customLong("listen"), parsing: .singleValue,
        help: ArgumentHelp(
            "Where to listen: http://HOST:PORT or unix:PATH; may be given several times. Default: "
                + "http://127.0.0.1:7480, and nothing where systemd passes sockets.",
            valueName: "address"))
    var listen: [String] = []

    @Option(help: ArgumentHelp("Where VMs are kept.", valueName: "directory"))
    var stateDir: String = DefaultDirectories.state

    @Option(help: ArgumentHelp("Where the sockets of running VMs are.", valueName: "directory"))
    var runDir: String = DefaultDirectories.run

    @Option(help: "auto, mshv, kvm or simulated.")
    var hypervisor: HypervisorRequest = .auto

    @Option(help: "debug, info, warning or error.")
    var logLevel: LogLevel = .info

    @Option(
        help: ArgumentHelp(
            "The program that holds a VM. Default: hvroot-partition beside this program.", valueName: "path"))
    var worker: String?

    @Option(help: "Memory that guests may have together, as a multiple of the host's.")
    var overcommitMemory: Double = AdmissionPolicy().memoryOvercommit

    @Option(help: "Virtual processors that guests may have together, as a multiple of the host's processors.")
    var overcommitProcessors: Double = AdmissionPolicy().processorOvercommit

    /// On the main thread while it is the only one: threads that were made before the signals are blocked would take
    /// them, and the process would end at once. Ends the process.
    func run() throws {
        Log.level = logLevel
        // What the server makes is its own user's alone, but for the API's Unix socket, which says its mode itself.
        umask(0o077)
        let options: ServerOptions
        do {
            options = try self.options()
        } catch let error as ListenAddress.ParseError {
            throw ValidationError(error.description)
        }
        let ending = EndingSignals()
        Task.detached {
            do {
                try await serve(options, until: ending)
                Hvrootd.exit()
            } catch {
                Log.error("the server can't run: \(error)")
                Hvrootd.exit(withError: ExitCode(1))
            }
        }
        while true { pause() }
    }

    private func options() throws -> ServerOptions {
        var admission = AdmissionPolicy()
        for (name, value) in [("memory", overcommitMemory), ("processors", overcommitProcessors)] {
            guard value > 0, value <= 1e6 else {
                throw ValidationError("--overcommit-\(name) is \(value); it is more than 0 and at most 1000000")
            }
        }
        admission.memoryOvercommit = overcommitMemory
        admission.processorOvercommit = overcommitProcessors
        var addresses = listen
        if addresses.isEmpty, getenv("LISTEN_FDS") == nil { addresses = ["http://127.0.0.1:7480"] }
        return ServerOptions(
            listen: try addresses.map { try ListenAddress($0) }, stateDirectory: stateDir, runDirectory: runDir,
            hypervisor: hypervisor, workerPath: worker ?? Self.siblingPath("hvroot-partition"), admission: admission)
    }

    /// The path of a program in this program's own folder.
    private static func siblingPath(_ name: String) -> String {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlink("/proc/self/exe", &buffer, buffer.count - 1)
        let own = count > 0 ? String(decoding: buffer[..<count].map(UInt8.init(bitPattern:)), as: UTF8.self) : ""
        let folder = own.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
        return folder + "/" + name
    }
}

extension HypervisorRequest: ExpressibleByArgument {}

extension LogLevel: ExpressibleByArgument {
    public init?(argument: String) { self.init(name: argument) }
    public static var allValueStrings: [String] { allCases.map(\.name) }
}

/// Where state and sockets are when nobody says.
enum DefaultDirectories {
    static var state: String {
        if geteuid() == 0 { return "/var/lib/hvroot" }
        return (environment("XDG_STATE_HOME") ?? (environment("HOME") ?? "/tmp") + "/.local/state") + "/hvroot"
    }

    static var run: String {
        if geteuid() == 0 { return "/run/hvroot" }
        return environment("XDG_RUNTIME_DIR").map { $0 + "/hvroot" } ?? "/tmp/hvroot-\(geteuid())"
    }

    private static func environment(_ name: String) -> String? {
        getenv(name).map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
    }
}

/// SIGTERM and SIGINT: blocked in every thread that is made from now on, and waited for by one.
struct EndingSignals: Sendable {
    init() {
        var set = Self.set
        pthread_sigmask(SIG_BLOCK, &set, nil)
        signal(SIGPIPE, SIG_IGN)
    }

    private static var set: sigset_t {
        var set = sigset_t()
        sigemptyset(&set)
        sigaddset(&set, SIGTERM)
        sigaddset(&set, SIGINT)
        return set
    }

    /// The number of the first of them that comes.
    func wait() async -> Int32 {
        await withCheckedContinuation { continuation in
            let waiting: @Sendable () -> Void = {
                var set = Self.set
                var number: Int32 = 0
                while sigwait(&set, &number) != 0 {}
                continuation.resume(returning: number)
            }
            // Without a thread to wait on, waiting here is the next best thing.
            do throws(Errno) {
                try SystemThread(name: "signals", waiting).detach()
            } catch {
                waiting()
            }
        }
    }
}
