import Glibc
import LinuxSystem
import WorkerProtocol

/// How a guest ended, told from what its worker left behind.
enum WorkerEnd {
    private static let lineCount = 20
    private static let lineLength = 500

    /// - Parameters:
    ///   - result: what the worker wrote down: the truth where there is one.
    ///   - processEnd: how the worker's process ended, where that is known.
    ///   - stopWasAsked: whether this server told the worker to end the guest.
    static func of(
        _ launch: GuestLaunch, result: RunResult?, processEnd: ProcessEnd?, stopWasAsked: Bool
    ) -> GuestEnd {
        if let result { return end(of: result, launch) }
        if stopWasAsked { return .stopped }
        switch processEnd {
        case .killed(let signal):
            var failure = failure("worker-killed", "the VM's process was ended by \(signalName(signal))", of: launch)
            failure.signal = signal
            return .failed(failure)
        case .exited(let status):
            var failure = failure(
                "worker-exited", "the VM's process exited with status \(status) and without a result", of: launch)
            failure.exitStatus = status
            return .failed(failure)
        case nil:
            return .failed(failure("worker-lost", "the VM's process has gone; nothing tells how it ended", of: launch))
        }
    }

    static func end(of result: RunResult, _ launch: GuestLaunch) -> GuestEnd {
        switch result.end {
        case .poweredOff: .poweredOff
        case .stopped: .stopped
        case .debugExit: .debugExit(code: result.code ?? 0)
        case .crashed: .failed(crash("triple-fault", result, launch))
        case .watchdogPoweredOff: .watchdogExpired
        case .watchdogCrashed: .failed(crash("watchdog-expired", result, launch))
        case .panicked: .failed(crash("guest-panic", result, launch))
        case .failed: .failed(failure("hypervisor-error", result.message ?? "the guest can't go on", of: launch))
        }
    }

    private static func crash(_ code: String, _ result: RunResult, _ launch: GuestLaunch) -> GuestFailure {
        var failure = failure(code, result.message ?? "the guest crashed", of: launch)
        failure.coreDump = result.coreDump
        return failure
    }

    static func failure(_ code: String, _ message: String, of launch: GuestLaunch) -> GuestFailure {
        GuestFailure(code: code, message: message, lastLogLines: lastLogLines(of: launch))
    }

    /// The last lines that workers of this run wrote, safe to show.
    static func lastLogLines(of launch: GuestLaunch) -> [String] {
        guard
            let file = try? FileDescriptor(opening: "\(launch.directory)/\(VMFiles.workerLog)", O_RDONLY | O_NONBLOCK),
            let size = try? file.size(),
            let bytes = try? file.read(count: 1 << 15, at: Int64(clamping: size > 1 << 15 ? size - 1 << 15 : 0))
        else { return [] }
        var lines = bytes.split(separator: UInt8(ascii: "\n")).map { String(decoding: $0, as: UTF8.self) }
        // A worker's first line names its run: what stands before it is of earlier ones.
        if let first = lines.lastIndex(where: { $0.contains("the worker starts") }) {
            if lines[first].contains("run=\(launch.runID)") { lines.removeFirst(first) }
        }
        return lines.suffix(lineCount).map(shown)
    }

    private static func shown(_ line: String) -> String {
        var text = ""
        for scalar in line.unicodeScalars.prefix(lineLength) {
            if scalar.properties.generalCategory == .control {
                text += "\\u{\(String(scalar.value, radix: 16))}"
            } else {
                text.unicodeScalars.append(scalar)
            }
        }
        return text
    }

    private static func signalName(_ signal: Int32) -> String {
        let names: [Int32: String] = [
            SIGKILL: "SIGKILL", SIGSEGV: "SIGSEGV", SIGBUS: "SIGBUS", SIGILL: "SIGILL", SIGABRT: "SIGABRT",
            SIGTERM: "SIGTERM", SIGFPE: "SIGFPE", SIGTRAP: "SIGTRAP", SIGSYS: "SIGSYS",
        ]
        return names[signal].map { "\($0) (signal \(signal))" } ?? "signal \(signal)"
    }
}
