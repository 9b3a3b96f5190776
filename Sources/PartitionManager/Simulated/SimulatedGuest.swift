import DeviceSources
import EmbeddedHypervisor
import HypercallABI
import Hypervisor
import LinuxSystem
import Log
import SimulatedEngine
import Synchronization
import VirtualMachine
import WorkerProtocol

/// A guest on the simulated engine: a machine that is stepped, never run.
final class SimulatedGuest: GuestDriver {
    private let machine: Mutex<Stepped>
    private let record: SimulatedRecord
    private let backend: EmbeddedHypervisor
    private let engine: SimulatedEngine
    private let scheduler: SimulationScheduler
    private let vpCount: Int

    /// Bytes of console kept: less than a real guest's, since there may be thousands of these.
    private static let consoleCapacity = 16 << 10

    /// The machine, and whether it is held. Only touched under the guest's lock.
    private struct Stepped: ~Copyable {
        var machine: SteppedMachine
        var isPaused = false
    }

    init(
        _ launch: GuestLaunch, engine: SimulatedEngine, scheduler: SimulationScheduler,
        events: @escaping @Sendable (GuestEvent) -> Void
    ) throws {
        // A hypervisor of its own, as a guest with a worker process has: its partition gets the id that was chosen for
        // it, and its hypercalls are counted for it.
        backend = EmbeddedHypervisor(
            engine: engine, firstPartitionID: PartitionID(rawValue: launch.partitionID), vpCount: launch.vpCount,
            simulation: launch.simulation, report: { Log.warning($0) })
        self.engine = engine
        self.scheduler = scheduler
        vpCount = launch.vpCount
        record = SimulatedRecord(
            console: try ConsoleRing.Writer(
                launch.directory + "/" + VMFiles.consoleRing, capacity: Self.consoleCapacity),
            vpCount: launch.vpCount, events: events)
        let configuration = MachineConfiguration(
            vpCount: launch.vpCount, memorySize: launch.memorySize, boot: launch.boot, simulation: launch.simulation)
        machine = Mutex(Stepped(machine: try SteppedMachine(configuration, on: backend, observer: record)))
    }

    /// A simulated guest has the processors that it began with.
    func setProcessors(count: Int) async throws(GuestError) {}

    /// A simulated guest has no memory.
    func setMemory(size: UInt64) async throws(GuestError) {}

    /// On the scheduler's thread. Returns when to step next; nil when only a command can change anything.
    func step() -> UInt64? {
        let next = machine.withLock { $0.isPaused ? nil : $0.machine.step() }
        record.flush()
        return next == UInt64.max ? nil : next
    }

    func setPaused(_ paused: Bool) {
        machine.withLock { stepped in
            guard stepped.isPaused != paused else { return }
            stepped.isPaused = paused
            if let simulated = stepped.machine.partition.flatMap({ engine.partition($0.id) }) {
                if paused { simulated.pauseClock() } else { simulated.resumeClock() }
            }
        }
        if !paused { scheduler.schedule(self, at: 0) }
    }

    func pause() async throws(GuestError) { setPaused(true) }
    func resume() async throws(GuestError) { setPaused(false) }

    func reset() async throws(GuestError) {
        machine.withLock { _ = $0.machine.reset() }
        record.flush()
        scheduler.schedule(self, at: 0)
    }

    func pressPowerButton() async throws(GuestError) {
        machine.withLock { $0.machine.pressPowerButton() }
        scheduler.schedule(self, at: 0)
    }

    func stop() async throws(GuestError) {
        machine.withLock { $0.machine.stop() }
        record.flush()
    }

    func writeConsole(_ bytes: [UInt8]) async throws(GuestError) -> Int {
        let taken = machine.withLock { stepped in
            stepped.machine.receive(bytes)
        }
        scheduler.schedule(self, at: 0)
        return taken
    }

    // A simulated guest has no disks: what it is given it takes, and what it shall give back is gone.
    func attach(_ device: DeviceSource) async throws(GuestError) {}
    func detach(_ device: DeviceName, force: Bool) async throws(GuestError) { record.tell(.ejected(device)) }
    func keep(_ device: DeviceName) async throws(GuestError) {}
    func limit(_ device: DeviceName, _ limit: DeviceLimit?) async throws(GuestError) {}

    func setBalloon(size: UInt64, statisticsInterval: Int) async throws(GuestError) {}

    func statistics() -> GuestStatistics {
        machine.withLock { stepped in
            var statistics = record.statistics
            statistics.hypercalls = backend.hypercallCounts
            statistics.memoryMapped = stepped.machine.memoryMapped
            statistics.memoryDeposited = stepped.machine.memoryDeposited
            if let simulated = stepped.machine.partition.flatMap({ engine.partition($0.id) }) {
                statistics.vpRunTime = Array(repeating: simulated.runTime, count: vpCount)
            }
            return statistics
        }
    }

    var processID: Int32? { nil }
}

/// What a simulated guest has done: its console and its counters.
private final class SimulatedRecord: MachineObserver {
    private let console: ConsoleRing.Writer
    private let state: Mutex<State>
    private let events: @Sendable (GuestEvent) -> Void

    private struct State {
        var counters: GuestStatistics
        /// Told after the step, outside the guest's lock, in order.
        var news: [GuestEvent] = []
        var hasPrinted = false
    }

    init(console: ConsoleRing.Writer, vpCount: Int, events: @escaping @Sendable (GuestEvent) -> Void) {
        var counters = GuestStatistics()
        counters.exits = Array(repeating: Array(repeating: 0, count: ExitReason.allCases.count), count: vpCount)
        counters.vpRunTime = Array(repeating: 0, count: vpCount)
        self.console = console
        state = Mutex(State(counters: counters))
        self.events = events
    }

    var statistics: GuestStatistics { state.withLock { $0.counters } }

    /// Tells what happened since the last call.
    func flush() {
        let news = state.withLock { state in
            var news = state.news
            state.news = []
            if state.hasPrinted { news.insert(.consoleAdvanced, at: 0) }
            state.hasPrinted = false
            return news
        }
        for event in news { events(event) }
    }

    func tell(_ event: GuestEvent) { events(event) }

    func machineDidPrint(_ bytes: UnsafeRawBufferPointer) {
        console.write(bytes)
        state.withLock { state in
            state.counters.consoleBytes += UInt64(bytes.count)
            state.hasPrinted = true
        }
    }

    func machineDidReset() {
        state.withLock { state in
            state.counters.reboots += 1
            state.news.append(.rebooted)
        }
    }

    func machineDidEnd(_ end: MachineEnd) {
        let end: GuestEnd =
            switch end {
            case .poweredOff: .poweredOff
            case .stopped: .stopped
            case .debugExit(let code): .debugExit(code: code)
            case .watchdogExpired: .watchdogExpired
            case .crashed(_, let message): .failed(GuestFailure(code: "triple-fault", message: message))
            case .failed(let message): .failed(GuestFailure(code: "hypervisor-error", message: message))
            }
        state.withLock { $0.news.append(.ended(end)) }
    }

    func machineDidStart(vp: Int, thread: Int32) {}

    func machineDidExit(vp: Int, reason: ExitReason) {
        state.withLock { $0.counters.exits[vp][reason.rawValue] += 1 }
    }
}
