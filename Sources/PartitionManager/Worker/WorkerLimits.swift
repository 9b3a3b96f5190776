/// How long the launcher waits for a worker, in milliseconds.
package struct WorkerLimits: Sendable, Equatable {
    /// From the start of the process to the guest's first instruction. Long: under an emulated KVM it is.
    package var start = 60_000
    /// For a worker that already runs to say who it is.
    package var hello = 10_000
    /// For the answer to a command.
    package var request = 10_000
    /// From the command to stop to the end of the worker; then it is killed.
    package var stop = 5_000

    package init() {}
}
