import BootLoader
import DeviceSources
import Glibc
import Hypervisor
import LinuxSystem
import PartitionManager
import Synchronization
import Testing
import WorkerProtocol

/// Whether the worker's guests can run here.
let hasKvm = access("/dev/kvm", R_OK | W_OK) == 0

/// A VM of a test's own, in a real worker process.
final class WorkerFixture: Sendable {
    let directory: TemporaryDirectory
    let launch: GuestLaunch
    private let log = EventLog()

    init(kernel: String = BootSource.demoKernel, runID: String = "run-1", deepRunDirectory: Bool = false) throws {
        directory = try TemporaryDirectory()
        var run = "\(directory.path)/run"
        if deepRunDirectory {
            // Longer than the path of a Unix socket may be.
            mkdir(run, 0o700)
            run += "/" + String(repeating: "d", count: 150)
        }
        launch = GuestLaunch(
            vmID: "vm-1", runID: runID, directory: "\(directory.path)/vm", runDirectory: run, partitionID: 7,
            vpCount: 1, memorySize: 64 << 20, boot: BootSource(kernel: kernel), simulation: SimulationModel())
    }

    /// A test that failed must not leave its guest behind.
    deinit {
        guard let mark = WorkerMark.read(runDirectory: launch.runDirectory),
            (try? FileLock("\(launch.runDirectory)/\(VMFiles.lock)")) == nil
        else { return }
        kill(mark.processID, SIGKILL)
    }

    static func launcher(
        _ path: String? = nil, _ change: (inout WorkerLimits) -> Void = { _ in }
    ) throws -> WorkerLauncher {
        var limits = WorkerLimits()
        change(&limits)
        return try WorkerLauncher(
            workerPath: path ?? workerPath,
            hypervisor: HypervisorDescription(kind: .kvm, detail: "for a test", isEmulated: false), limits: limits)
    }

    /// `hvroot-partition`, which the build puts beside the tests.
    static var workerPath: String {
        if let directory = getenv("HVROOT_BIN_DIR") { return String(cString: directory) + "/hvroot-partition" }
        let program = CommandLine.arguments.first { $0.hasSuffix(".xctest") } ?? CommandLine.arguments[0]
        let folder = program.split(separator: "/", omittingEmptySubsequences: false).dropLast()
        return (folder + ["hvroot-partition"]).joined(separator: "/")
    }

    func start(_ launcher: WorkerLauncher) async throws -> any GuestDriver {
        mkdir("\(directory.path)/run", 0o700)
        return try await launcher.launch(launch, events: log.take)
    }

    func adopt(_ launcher: WorkerLauncher, launch: GuestLaunch? = nil) async -> Adoption {
        await launcher.adopt(launch ?? self.launch, isPaused: false, events: log.take)
    }

    var events: [String] { log.events }
    var ends: [GuestEnd] { log.ends }

    var console: String {
        guard let reader = try? ConsoleRing.Reader("\(launch.directory)/console.ring"),
            let chunk = try? reader.read(offset: 0, limit: .max)
        else { return "" }
        return String(decoding: chunk.bytes, as: UTF8.self)
    }

    /// Waits until the console has `text` in it `count` times.
    func waitForConsole(_ text: String, count: Int = 1) async throws {
        try await wait("\(text) on the console") { self.console.components(text) >= count }
    }

    func waitForEnd() async throws -> GuestEnd {
        try await wait("the end") { !self.ends.isEmpty }
        return try #require(ends.first)
    }

    func wait(_ what: String, seconds: Int = 60, _ condition: () -> Bool) async throws {
        let deadline = monotonicNanoseconds() + UInt64(seconds) * 1_000_000_000
        while !condition() {
            guard monotonicNanoseconds() < deadline else {
                Issue.record("waited \(seconds) s for \(what); the console says: \(console)")
                throw Errno(ETIMEDOUT)
            }
            try await Task.sleep(nanoseconds: 20_000_000)
        }
    }
}

/// The events of a guest, from any thread.
private final class EventLog: Sendable {
    private let state = Mutex(([String](), [GuestEnd]()))
    var take: @Sendable (GuestEvent) -> Void {
        { event in
            self.state.withLock { state in
                switch event {
                case .consoleAdvanced: state.0.append("console")
                case .processors(let count): state.0.append("processors-\(count)")
                case .watchdogExpired: state.0.append("watchdog-expired")
                case .crashKernelLoaded: state.0.append("crash-kernel-loaded")
                case .ejected(let device): state.0.append("ejected \(device.id)")
                // Told at each contact.
                case .devices: break
                case .rebooted: state.0.append("rebooted")
                case .ended(let end):
                    state.0.append("ended")
                    state.1.append(end)
                }
            }
        }
    }
    var events: [String] { state.withLock { $0.0 } }
    var ends: [GuestEnd] { state.withLock { $0.1 } }
}

extension String {
    /// How often `part` is in the string.
    fileprivate func components(_ part: String) -> Int {
        let text = Array(utf8)
        let wanted = Array(part.utf8)
        guard text.count >= wanted.count else { return 0 }
        return (0...(text.count - wanted.count)).count { text[$0..<$0 + wanted.count].elementsEqual(wanted) }
    }
}
