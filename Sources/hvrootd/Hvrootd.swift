import ArgumentParser
import Glibc
import HostInventory
import LinuxSystem
import Log
import ManagementService
import PartitionManager
import RESTServer

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
        version: ManagementService.version)

    @Option(
        name: .customLong("listen"), parsing: .singleValue,
        help: ArgumentHelp("Where to listen: http://HOST:PORT or unix:PATH. May be given several times.",
            valueName: "address"))
    var listen: [String] = []

    @Option(help: ArgumentHelp("Where VMs are kept. Default: \(DefaultDirectories.state)", valueName: "directory"))
    var stateDir: String = DefaultDirectories.state

    @Option(
        help: ArgumentHelp("Where sockets of running VMs are. Default: \(DefaultDirectories.run)", valueName: "directory"))
    var runDir: String = DefaultDirectories.run

    @Option(help: "auto, mshv, kvm or simulated.")
    var hypervisor: HypervisorRequest = .auto

    @Option(help: "debug, info, warning or error.")
    var logLevel: LogLevel = .info

    @Option(
        help: ArgumentHelp("The program that holds a VM. Default: hvroot-partition beside this program.",
            valueName: "path"))
    var worker: String?

    func run() throws {
        Log.level = logLevel
        let ending = try EndingSignals()
        do {
            try serve(until: ending)
        } catch {
            Log.error("the server cannot run: \(error)")
            throw ExitCode(1)
        }
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
        return (environment("XDG_RUNTIME_DIR") ?? "/tmp/hvroot-\(geteuid())") + "/hvroot"
    }

    private static func environment(_ name: String) -> String? {
        getenv(name).map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
    }
}

/// SIGTERM and SIGINT, blocked in every thread from the start, and waited for by the main thread.
struct EndingSignals {
    private var set = sigset_t()

    init() throws {
        sigemptyset(&set)
        sigaddset(&set, SIGTERM)
        sigaddset(&set, SIGINT)
        pthread_sigmask(SIG_BLOCK, &set, nil)
        signal(SIGPIPE, SIG_IGN)
    }

    /// Returns the signal's number.
    func wait() -> Int32 {
        var set = set
        var number: Int32 = 0
        while sigwait(&set, &number) != 0 {}
        return number
    }
}
