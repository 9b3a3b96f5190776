/// The names of the files that a worker and the server share.
package enum VMFiles {
    // In the VM's own directory: they outlive the run.

    /// What the guest printed (`ConsoleRing`).
    package static let consoleRing = "console.ring"
    /// The counters of the current or last run (`StatisticsPage`).
    package static let statistics = "statistics"
    /// Standard error of the workers.
    package static let workerLog = "worker.log"
    /// How the last run ended (`RunResult`).
    package static let result = "result.json"
    /// The guest's memory and registers as its last crash left them, where the VM asks for that.
    package static let core = "core"

    // In the VM's run directory: they mean nothing after the host's next boot.

    /// The worker's control socket. Its path may be longer than the kernel's 107 bytes (`UnixSocket`).
    package static let controlSocket = "control.sock"
    /// Where programs of the host connect with a guest's (`VsockHost`).
    package static let vsockSocket = "vsock.sock"
    /// What the worker was started with (`WorkerLaunch`).
    package static let launch = "launch.json"
    /// Locked (flock) from before a worker exists until it has ended; its content is the worker's `WorkerMark`.
    package static let lock = "worker.lock"
}
