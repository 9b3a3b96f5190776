import Glibc
import Hypervisor
import LinuxSystem
import WorkerProtocol

/// Starts each guest in a process of its own, which outlives this one, and finds such processes again.
///
/// The processes are told apart by a lock on a file of the VM's run directory, which each inherits at its birth and
/// holds to its end: a lock that can be taken proves that there is no process, whenever the last server died.
package final class WorkerLauncher: GuestLauncher {
    package let hypervisor: HypervisorDescription
    private let workerPath: String
    private let limits: WorkerLimits
    private let monitor: WorkerMonitor

    /// - Parameters:
    ///   - workerPath: the program `hvroot-partition`.
    ///   - hypervisor: what the workers will use, as it is reported.
    /// - Throws: `Errno` where the host has no descriptors or threads left.
    package init(
        workerPath: String, hypervisor: HypervisorDescription, limits: WorkerLimits = WorkerLimits()
    ) throws(Errno) {
        self.workerPath = workerPath
        self.hypervisor = hypervisor
        self.limits = limits
        monitor = try WorkerMonitor()
    }

    deinit { monitor.close() }

    /// Lets all guests go on without this launcher: commands fail from now on, and no event comes any more.
    package func close() { monitor.close() }

    package func launch(
        _ launch: GuestLaunch, events: @escaping @Sendable (GuestEvent) -> Void
    ) async throws(GuestFailure) -> any GuestDriver {
        var launch = launch
        launch.hypervisor = hypervisor.kind
        let start = WorkerStart(workerPath: workerPath, launch: launch, limits: limits)
        let process: PidFD
        switch await onThread({ () -> Result<PidFD, GuestFailure> in
            do throws(GuestFailure) { return .success(try start.run()) } catch { return .failure(error) }
        }) {
        case .success(.success(let started)): process = started
        case .success(.failure(let failure)): throw failure
        case .failure(let error):
            throw GuestFailure(code: "start-failed", message: "no thread could be started: \(error)")
        }
        let (guest, contact) = await attach(launch, process, events)
        switch contact {
        case .made: break
        case .ended(let end):
            // It ran and ended before we came to speak.
            events(.consoleAdvanced)
            events(.ended(end))
        case .silent, .stranger:
            await end(process, guest)
            throw WorkerEnd.failure(
                "start-failed", "the VM's process did not answer for \(limits.hello) ms and was ended", of: launch)
        case .abandoned:
            throw GuestFailure(code: "start-failed", message: "the server is ending; the guest runs")
        }
        return guest
    }

    package func adopt(
        _ launch: GuestLaunch, isPaused: Bool, events: @escaping @Sendable (GuestEvent) -> Void
    ) async -> Adoption {
        let search = WorkerSearch(launch: launch, limits: limits)
        let found: WorkerSearch.Outcome
        switch await onThread({ search.run() }) {
        case .success(let outcome): found = outcome
        case .failure(let error): found = .lost("no thread could be started to look for it: \(error)")
        }
        switch found {
        case .lost(let reason):
            if let result = RunResult.read(directory: launch.directory, runID: launch.runID) {
                return .ended(WorkerEnd.end(of: result, launch))
            }
            return .ended(.failed(WorkerEnd.failure("worker-lost", "the VM's process was lost: \(reason)", of: launch)))
        case .found(let process):
            let (guest, contact) = await attach(launch, process, events)
            switch contact {
            case .made(let isPaused): return .running(guest, isPaused: isPaused)
            case .ended(let end): return .ended(end)
            case .stranger(let reason): return .ended(.failed(WorkerEnd.failure("worker-lost", reason, of: launch)))
            // It holds the VM and does not speak: stopped by a debugger, or starting on a slow machine. It stays ours.
            case .silent, .abandoned: return .running(guest, isPaused: isPaused)
            }
        }
    }

    private func attach(
        _ launch: GuestLaunch, _ process: PidFD, _ events: @escaping @Sendable (GuestEvent) -> Void
    ) async -> (WorkerGuest, WorkerConnection.Contact) {
        let counters = WorkerStatistics(launch)
        let connection = WorkerConnection(
            launch, process: process, limits: limits, statistics: counters, events: events)
        let guest = WorkerGuest(
            processID: process.processID, connection: connection, monitor: monitor, counters: counters)
        let contact: WorkerConnection.Contact = await withCheckedContinuation { continuation in
            let accepted = monitor.perform { loop in
                connection.begin(loop) { continuation.resume(returning: $0) }
            }
            if !accepted { continuation.resume(returning: .abandoned) }
        }
        return (guest, contact)
    }

    /// Kills a worker that no one shall hear of again, and reaps it.
    private func end(_ process: PidFD, _ guest: WorkerGuest) async {
        guest.abandon()
        try? process.send(signal: SIGKILL)
        _ = await onThread {
            _ = process.waitForEnd(milliseconds: 10_000)
            return process.end()
        }
    }

    /// Runs `work`, which blocks, away from the cooperative threads.
    private func onThread<T: Sendable>(_ work: @escaping @Sendable () -> T) async -> Result<T, Errno> {
        await withCheckedContinuation { continuation in
            do throws(Errno) {
                try SystemThread(name: "worker-start") { continuation.resume(returning: .success(work())) }.detach()
            } catch {
                continuation.resume(returning: .failure(error))
            }
        }
    }
}
