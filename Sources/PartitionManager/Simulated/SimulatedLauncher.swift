import BootLoader
import HypercallABI
import Hypervisor
import LinuxSystem
import SimulatedEngine
import VirtualMachine
import WorkerProtocol

/// Starts guests on the simulated engine. They live in this process, all on one thread.
///
/// A simulated guest ends with the server. Since its model is deterministic, `adopt` makes it again as it would be
/// now: booted, with the console that the kept log already has, and so a controller sees no difference.
package final class SimulatedLauncher: GuestLauncher {
    private let engine: SimulatedEngine
    private let scheduler: SimulationScheduler

    package init() throws(HypervisorError) {
        engine = SimulatedEngine()
        do {
            scheduler = try SimulationScheduler()
        } catch {
            throw HypervisorError("no thread for simulated guests: \(error)")
        }
    }

    package var hypervisor: HypervisorDescription { engine.description }

    package func launch(
        _ launch: GuestLaunch, events: @escaping @Sendable (GuestEvent) -> Void
    ) async throws(GuestFailure) -> any GuestDriver {
        try start(launch, isPaused: false, events: events)
    }

    package func adopt(
        _ launch: GuestLaunch, isPaused: Bool, events: @escaping @Sendable (GuestEvent) -> Void
    ) async -> Adoption {
        var again = launch
        again.simulation.bootTime = 0
        again.simulation.banner = ""
        do throws(GuestFailure) {
            return .running(try start(again, isPaused: isPaused, events: events), isPaused: isPaused)
        } catch {
            return .ended(.failed(error))
        }
    }

    private func start(
        _ launch: GuestLaunch, isPaused: Bool, events: @escaping @Sendable (GuestEvent) -> Void
    ) throws(GuestFailure) -> SimulatedGuest {
        do {
            let guest = try SimulatedGuest(
                launch, engine: engine, scheduler: scheduler, events: events)
            if isPaused { guest.setPaused(true) }
            scheduler.schedule(guest, at: 0)
            return guest
        } catch {
            throw GuestFailure(code: "start-failed", message: "\(error)")
        }
    }
}
