import Glibc
import LinuxSystem
import WorkerProtocol

/// Looks for the worker that an earlier server started. Blocks: called on a thread of its own.
struct WorkerSearch {
    enum Outcome: Sendable {
        case found(PidFD)
        /// There is none that runs this guest, and why.
        case lost(String)
    }

    let launch: GuestLaunch
    let limits: WorkerLimits

    func run() -> Outcome {
        let deadline = monotonicNanoseconds() + UInt64(max(limits.hello, 0)) * 1_000_000
        while true {
            if let reason = lockIsFree() { return .lost(reason) }
            if let mark = WorkerMark.read(runDirectory: launch.runDirectory) {
                guard mark.runID == launch.runID else {
                    return .lost("process \(mark.processID) holds the VM for an other run, \(mark.runID)")
                }
                return hold(mark)
            }
            // It was started a moment ago and has not got to write its mark.
            guard monotonicNanoseconds() < deadline else {
                return .lost("a process holds the VM and has not said which in \(limits.hello) ms")
            }
            usleep(20_000)
        }
    }

    private func hold(_ mark: WorkerMark) -> Outcome {
        do throws(Errno) {
            let process = try PidFD(mark.processID)
            // Still locked: so the worker lived while we took hold of its number, which can't have come to mean
            // another process.
            if let reason = lockIsFree() { return .lost(reason) }
            return .found(process)
        } catch {
            return .lost("process \(mark.processID) can't be held: \(error)")
        }
    }

    /// Nil where somebody holds the lock; otherwise what that tells.
    private func lockIsFree() -> String? {
        do throws(Errno) {
            _ = try FileLock("\(launch.runDirectory)/\(VMFiles.lock)")
            return "it no longer runs"
        } catch {
            return error.code == EWOULDBLOCK ? nil : "its lock can't be read: \(error)"
        }
    }
}
