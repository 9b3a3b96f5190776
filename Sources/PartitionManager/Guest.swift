import DeviceSources
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
    /// Its watchdog expired, which is set to power it off.
    case watchdogExpired
    /// The guest wrote this code to the debug-exit port.
    case debugExit(code: UInt8)
    /// The guest or its worker can't go on.
    case failed(GuestFailure)
}

/// Why a guest failed, as far as anybody can tell.
package struct GuestFailure: Sendable, Equatable {
    /// `triple-fault`, `guest-panic`, `watchdog-expired`, `hypervisor-error`, `worker-killed`, `worker-exited`, `worker-lost`, `start-failed`.
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
    /// The guest no longer reloaded its watchdog, which does now what it is set to.
    case watchdogExpired
    /// The device is gone: the guest ejected it, or it was taken away.
    case ejected(DeviceName)
    /// The devices of one kind that the guest has, told whenever contact to it is made.
    case devices(DeviceKind, [DeviceSource])
    /// The guest has so many processors, told whenever it changes and contact to the guest is made, where it can change.
    case processors(Int)
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
    /// Gives the guest a device; one that it has already is left alone.
    func attach(_ device: DeviceSource) async throws(GuestError)
    /// Asks the guest to eject a device, or takes it away. `GuestEvent.ejected` follows when it is gone.
    func detach(_ device: DeviceName, force: Bool) async throws(GuestError)
    /// Takes back that the guest shall eject the device. A guest that has taken note may still do it.
    ///
    /// - Throws: where the device is gone.
    func keep(_ device: DeviceName) async throws(GuestError)
    /// Changes what a device may do.
    func limit(_ device: DeviceName, _ limit: DeviceLimit?) async throws(GuestError)
    /// Asks the guest to come to so many bytes of memory. It does so in its own time, or not.
    func setMemory(size: UInt64) async throws(GuestError)
    /// Asks the guest to come to a balloon of so many bytes, and looks at its statistics so often (seconds; 0: not).
    func setBalloon(size: UInt64, statisticsInterval: Int) async throws(GuestError)
    /// Gives the guest processors up to this number, or asks it to give back those beyond. It does so in its own time,
    /// or not; `GuestEvent.processors` tells.
    func setProcessors(count: Int) async throws(GuestError)
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
    /// By the network interfaces' ids.
    package var networkInterfaces: [String: NetworkCounters] = [:]
    /// Nil where the guest has no balloon.
    package var balloon: BalloonCounters?

    package init() {}
}
