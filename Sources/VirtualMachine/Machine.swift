import BootLoader
import DeviceSources
import GuestMemory
import Hypervisor
import LinuxSystem
import Synchronization
import Virtio
import VirtualDevices

/// A virtual machine that executes: one thread for each virtual processor, and one that starts, resets and ends them.
///
/// All methods may be called from any thread but the machine's own. A reset builds the partition again on the same
/// memory, so nothing of the guest before it is left.
package final class Machine: Sendable {
    let configuration: MachineConfiguration
    private let backend: any HypervisorBackend
    let observer: any MachineObserver
    private let memory: GuestMemory
    /// Open, and so locked, from the first life to the last.
    let devices = MachineDevices()
    private let diskSizes = Mutex<DiskSizeWatch?>(nil)
    /// Held while a life is built and while devices are plugged and unplugged, so that none of these misses the other.
    let changes = Mutex(())
    /// The devices that it has once or not at all.
    let fixed: FixedDevices
    let monitor: Monitor<State>

    struct State {
        /// The life under way; nil between two lives and after the end.
        var core: MachineCore?
        var isStarted = false
        var isPaused = false
        /// Bytes that the guest should have beyond what it booted with.
        var growth: UInt64 = 0
        /// Processors that the guest should have.
        var vpCount: Int
        /// Processor threads that wait because the machine is paused.
        var parked = 0
        /// Processors whose threads have not ended.
        var executing: Set<Int> = []
        /// Those of them that the guest gave back: their threads end.
        var retired: Set<Int> = []
        /// All that were started in this life and not joined.
        var threads: [Int: SystemThread] = [:]
        /// Set when this life has to end; the first reason stays.
        var ending: Ending?
        var hasEnded = false

        /// Whether the processor must not run any more.
        func hasEnded(vp index: Int) -> Bool { ending != nil || retired.contains(index) }
    }

    enum Ending {
        case reset
        case end(MachineEnd)
    }

    /// Makes the machine and loads its image: everything that can fail does so here.
    ///
    /// - Throws: `MachineError` naming the step; `backend` then holds nothing of it.
    package init(
        _ configuration: MachineConfiguration, on backend: any HypervisorBackend, observer: any MachineObserver
    ) throws(MachineError) {
        self.configuration = configuration
        self.backend = backend
        self.observer = observer
        do {
            memory = try GuestMemory(
                size: configuration.memorySize,
                growth: configuration.memoryGrowth / GrowthRegion.blockSize * GrowthRegion.blockSize,
                backing: configuration.memoryBacking)
        } catch {
            throw MachineError("guest memory: \(error)")
        }
        fixed = try FixedDevices(configuration, returnsPages: !backend.pinsGuestMemory, observer: observer)
        monitor = Monitor(State(vpCount: configuration.vpCount))
        try open(configuration.disks.map(DeviceSource.disk))
        try open(configuration.networkInterfaces.map(DeviceSource.networkInterface))
        let core = try makeCore()
        monitor.withLock { $0.core = core }
    }

    /// Sees to it that the images' sizes are looked at.
    func watchSizes() throws(MachineError) {
        try diskSizes.withLock { watch throws(MachineError) in
            guard watch == nil else { return }
            do throws(Errno) {
                watch = try DiskSizeWatch(devices)
            } catch {
                throw MachineError("no thread for the disks' sizes: \(error)")
            }
        }
    }

    /// The life under way.
    var core: MachineCore? { monitor.read { $0.core } }

    private func makeCore() throws(MachineError) -> MachineCore {
        let image: BootImage
        do {
            image = try BootImage.inspect(configuration.boot, memorySize: configuration.memorySize)
        } catch {
            throw MachineError("\(error)")
        }
        let (present, growth) = monitor.read { ($0.vpCount, $0.growth) }
        return try MachineCore(
            configuration, on: backend, memory: memory, image: image, present: present, devices: devices.present,
            growth: growth,
            fixed: fixed.life(expired: { [weak self] in self?.watchdogExpired() }),
            output: { [fixed] in fixed.print($0) },
            request: { [weak self] in self?.guestRequested($0) }, panic: { [weak self] in self?.guestPanicked($0) },
            slotEvents: Chassis.SlotEvents(
                leaving: { [weak self] in self?.deviceLeaves($0) }, gone: { [weak self] in self?.deviceIsGone($0) },
                processorEjected: { [weak self] in self?.processorWasEjected($0) }))
    }

    // MARK: - Commands

    /// Starts the processors. Called once.
    package func start() throws(MachineError) {
        monitor.withLock { $0.isStarted = true }
        do {
            try SystemThread(name: "machine") { self.supervise() }.detach()
        } catch {
            throw MachineError("no thread for the machine: \(error)")
        }
    }

    /// Holds all processors; when it returns none executes guest code.
    package func pause() {
        let processors = monitor.withLock { state -> [any VirtualProcessor] in
            state.isPaused = true
            return state.core?.processors ?? []
        }
        for processor in processors { processor.cancelRun() }
        monitor.wait { state in
            state.parked == state.executing.count || state.ending != nil || !state.isPaused ? () : nil
        }
        core?.chassis.watchdog?.suspend()
    }

    /// Lets the processors go on where they were.
    package func resume() {
        core?.chassis.watchdog?.resume()
        monitor.withLock { $0.isPaused = false }
    }

    package var isPaused: Bool { monitor.read { $0.isPaused } }

    /// Starts the guest again from its boot source. `machineDidReset` follows.
    package func reset() { end(.reset) }

    /// Ends the machine at once. `machineDidEnd(.stopped)` follows.
    package func stop() { end(.end(.stopped)) }

    /// Tells the guest that its power button was pressed.
    package func pressPowerButton() { monitor.read { $0.core }?.chassis.events.pressPowerButton() }

    /// Asks the guest to come to `size` bytes of memory. What it has is in `memoryMapped`, as soon as its driver has done
    /// its part.
    ///
    /// - Throws: `MachineError` for a size that this machine can't have.
    package func setMemory(size: UInt64) throws(MachineError) {
        let base = configuration.memorySize
        guard size >= base, size - base <= configuration.memoryGrowth,
            (size - base).isMultiple(of: GrowthRegion.blockSize)
        else {
            throw MachineError(
                "a guest that booted with \(base) bytes of memory and can grow by \(configuration.memoryGrowth) in "
                    + "steps of \(GrowthRegion.blockSize) can't have \(size)")
        }
        let core = monitor.withLock { state in
            state.growth = size - base
            return state.core
        }
        core?.chassis.growth?.request(size - base)
    }

    /// Gives bytes to the console; returns how many it took.
    package func receive(_ bytes: [UInt8]) -> Int { core?.chassis.receive(bytes) ?? 0 }

    /// Bytes of guest memory mapped.
    package var memoryMapped: UInt64 { monitor.read { $0.core }?.partition.mappedBytes ?? 0 }

    /// Bytes deposited to the hypervisor for the partition.
    package var memoryDeposited: UInt64 { monitor.read { $0.core }?.partition.depositedBytes ?? 0 }

    // MARK: - One life after an other

    private func guestRequested(_ request: PowerRequest) {
        switch request {
        case .powerOff: end(.end(.poweredOff))
        case .debugExit(let code): end(.end(.debugExit(code: code)))
        case .reset: end(.reset)
        }
    }

    private func guestPanicked(_ events: PanicDevice.Events) {
        if events.contains(.crashLoaded) {
            observer.machineDidLoadCrashKernel()
        } else {
            end(.end(.crashed(.panic, "the guest's kernel panicked; its console says why")))
        }
    }

    func end(_ ending: Ending) {
        let processors = monitor.withLock { state -> [any VirtualProcessor] in
            switch (state.ending, ending) {
            case (nil, _): state.ending = ending
            // An end is stronger than a reset that has not been done yet.
            case (.reset, .end): state.ending = ending
            default: break
            }
            return state.core?.processors ?? []
        }
        for processor in processors { processor.cancelRun() }
    }

    /// The machine's own thread: runs lives until one ends for good.
    private func supervise() {
        while true {
            switch runLife() {
            case .reset:
                do {
                    try beginNextLife()
                } catch {
                    return finish(.failed("the machine could not be reset: \(error)"))
                }
            case .end(let end): return finish(end)
            case nil: return finish(.failed("the machine ended without a reason"))
            }
        }
    }

    /// Runs the life under way to its end. When it returns, nothing of that life is left.
    ///
    /// - Returns: what follows.
    private func runLife() -> Ending? {
        guard let core = monitor.read({ $0.core }) else { return nil }
        startProcessors(of: core)
        monitor.wait { $0.ending != nil ? () : nil }
        joinProcessors(of: core)
        let ending = monitor.withLock { state -> Ending? in
            state.core = nil
            defer { state.ending = nil }
            return state.ending
        }
        if case .end(.crashed) = ending { dump(core) }
        core.tearDown()
        return ending
    }

    /// Devices that the guest was asked to eject are not in it any more.
    private func beginNextLife() throws {
        try memory.zeroAll()
        let dropped = try changes.withLock { _ throws(MachineError) in
            let dropped = devices.takeLeaving()
            let next = try makeCore()
            monitor.withLock { $0.core = next }
            return dropped
        }
        for departure in dropped { tellEjected(departure) }
        observer.machineDidReset()
    }

    private func dump(_ core: MachineCore) {
        guard let place = configuration.coreDump else { return }
        do throws(Errno) {
            try core.dump(directory: place.directory, name: place.name)
            observer.machineDidDump(place, nil)
        } catch {
            observer.machineDidDump(place, error)
        }
    }

    private func finish(_ end: MachineEnd) {
        monitor.withLock { $0.hasEnded = true }
        for device in devices.all { device.machineHasEnded() }
        // The process may end as soon as the end is told.
        fixed.end()
        observer.machineDidEnd(end)
    }

    /// A processor's thread: runs it until its life ends.
    func run(_ processor: any VirtualProcessor, of core: MachineCore) {
        let index = Int(processor.index)
        guard mayRun(processor, deadline: nil) else { return }
        while true {
            let exit = processor.run()
            observer.machineDidExit(vp: index, reason: exit.reason)
            switch core.handle(exit, of: processor) {
            case .runAgain:
                // Whoever wants this thread to stop cancels its run, this thread itself included: only then is the
                // lock worth taking.
                if exit == .interrupted && !mayRun(processor, deadline: nil) { return }
            case .idle(let wakeAt):
                if !mayRun(processor, deadline: wakeAt ?? monotonicNanoseconds() + 1_000_000_000) { return }
            case .end(let end):
                self.end(.end(end))
                return
            }
        }
    }

    /// Waits while the machine is paused (and until `deadline`, for a processor that has nothing to do).
    ///
    /// - Returns: false when this life has to end, or the guest gave the processor back.
    private func mayRun(_ processor: any VirtualProcessor, deadline: UInt64?) -> Bool {
        let index = Int(processor.index)
        if let deadline {
            _ = monitor.wait(until: deadline) { $0.hasEnded(vp: index) || $0.isPaused ? () : nil }
        }
        let isParked = monitor.withLock { state -> Bool? in
            if state.hasEnded(vp: index) { return nil }
            if state.isPaused { state.parked += 1 }
            return state.isPaused
        }
        guard let isParked else { return false }
        guard isParked else { return true }
        let goesOn = monitor.wait { state -> Bool? in
            if !state.hasEnded(vp: index) && state.isPaused { return nil }
            state.parked -= 1
            return !state.hasEnded(vp: index)
        }
        if goesOn { processor.noteGuestPaused() }
        return goesOn
    }
}
