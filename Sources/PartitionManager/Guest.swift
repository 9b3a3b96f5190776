import BlockStorage
import Hypervisor
import WorkerProtocol

/// What a guest is started from: everything a launcher needs, nothing it must ask for. A worker is handed the same.
package typealias GuestLaunch = WorkerLaunch

/// How a guest's life ended.
package enum GuestEnd: Sendable, Equatable {
    /// The guest powered itself off (or answered the power button by that).
    case poweredOff
    /// Ended because it was asked to stop.
    case stopped
    /// The guest wrote this code to the debug-exit port.
    case debugExit(code: UInt8)
    /// The guest or its worker can't go on.
    case failed(GuestFailure)
}

/// Why a guest failed, as far as anybody can tell.
package struct GuestFailure: Sendable, Equatable {
    /// `triple-fault`, `guest-panic`, `hypervisor-error`, `worker-killed`, `worker-exited`, `worker-lost`, `start-failed`.
    package var code: String
    /// One sentence for people.
    package var message: String
    /// The signal that ended the worker.
    package var signal: Int32?
    /// The worker's exit status.
    package var exitStatus: Int32?
    /// The last lines of the worker's log.
    package var lastLogLines: [String]
    /// Where the guest's core file is.
    package var coreDump: String?

    package init(
        code: String, message: String, signal: Int32? = nil, exitStatus: Int32? = nil, lastLogLines: [String] = []
    ) {
        self.code = code
        self.message = message
        self.signal = signal
        self.exitStatus = exitStatus
        self.lastLogLines = lastLogLines
    }
}

/// What a guest tells its manager. The last one is always `ended`.
package enum GuestEvent: Sendable {
    /// The console ring has new bytes.
    case consoleAdvanced
    /// The guest rebooted or was reset.
    case rebooted
    /// The guest's kernel panicked and goes on with its crash kernel.
    case crashKernelLoaded
    /// The disk with this id is gone: the guest ejected it, or it was taken away.
    case diskEjected(String)
    /// The disks that the guest has, told whenever contact to it is made.
    case disks([DiskSource])
    case ended(GuestEnd)
}

/// A command to a guest did not succeed.
package struct GuestError: Error, Sendable, CustomStringConvertible {
    package var description: String
    package init(_ description: String) { self.description = description }
}

/// A guest that has been started and has not ended. Commands are idempotent where their result already holds.
package protocol GuestDriver: Sendable {
    func pause() async throws(GuestError)
    func resume() async throws(GuestError)
    /// Starts the guest again from its boot source, as the reset button does.
    func reset() async throws(GuestError)
    func pressPowerButton() async throws(GuestError)
    /// Ends the guest at once. `GuestEvent.ended` follows.
    func stop() async throws(GuestError)
    /// Gives bytes to the serial port. Returns how many were taken; fewer when the guest does not read.
    func writeConsole(_ bytes: [UInt8]) async throws(GuestError) -> Int
    /// Gives the guest a disk; one that it has already is left alone.
    func attachDisk(_ disk: DiskSource) async throws(GuestError)
    /// Asks the guest to eject a disk, or takes it away. `GuestEvent.diskEjected` follows when it is gone.
    func detachDisk(_ id: String, force: Bool) async throws(GuestError)
    /// Takes back that the guest shall eject the disk. A guest that has taken note may still do it.
    ///
    /// - Throws: where the disk is gone.
    func keepDisk(_ id: String) async throws(GuestError)
    /// Changes what a disk may do.
    func limitDisk(_ id: String, _ limit: DiskSource.RateLimit?) async throws(GuestError)
    /// Asks the guest to come to so many bytes of memory. It does so in its own time, or not.
    func setMemory(size: UInt64) async throws(GuestError)
    /// The counters as they are now. Never waits for the guest or its worker.
    func statistics() -> GuestStatistics
    /// The process that holds the guest; nil where it lives in this one.
    var processID: Int32? { get }
}

/// What `GuestLauncher.adopt` found.
package enum Adoption: Sendable {
    /// The guest goes on; whether it is paused.
    case running(any GuestDriver, isPaused: Bool)
    case ended(GuestEnd)
}

/// Starts guests on one hypervisor and finds them again.
package protocol GuestLauncher: Sendable {
    /// Starts a guest. It runs when this returns; `events` is called from any thread, in order.
    func launch(
        _ launch: GuestLaunch, events: @escaping @Sendable (GuestEvent) -> Void
    ) async throws(GuestFailure) -> any GuestDriver

    /// Finds the guest that an earlier server process started with this `launch`.
    func adopt(
        _ launch: GuestLaunch, isPaused: Bool, events: @escaping @Sendable (GuestEvent) -> Void
    ) async -> Adoption

    var hypervisor: HypervisorDescription { get }
}

extension GuestFailure: Error {}

/// Counters of one run of a guest.
package struct GuestStatistics: Sendable, Equatable {
    /// Processor time of each virtual processor, in nanoseconds.
    package var vpRunTime: [UInt64] = []
    /// Exits of each virtual processor by reason, in the order of `ExitReason.allCases`.
    package var exits: [[UInt64]] = []
    package var consoleBytes: UInt64 = 0
    /// Bytes of guest memory mapped.
    package var memoryMapped: UInt64 = 0
    /// Bytes deposited to the hypervisor for the partition.
    package var memoryDeposited: UInt64 = 0
    package var hypercalls: [HypercallCount] = []
    package var reboots: UInt64 = 0
    /// By the disks' ids.
    package var disks: [String: DiskCounters] = [:]
    /// In the order of the VM's network interfaces.
    package var networkInterfaces: [NetworkCounters] = []

    package init() {}
}
