import HypercallABI
import Hypervisor
import Synchronization

/// A partition of the simulated engine. All of it is safe to call from any thread; nothing blocks.
package final class SimulatedPartition: EnginePartition {
    private let vpCount: Int
    private let state: Mutex<State>
    private let clock: @Sendable () -> UInt64
    private let closed: @Sendable () -> Void

    struct State {
        var guest: SimulatedGuest
        var time = SimulatedTime()
        var memory = MappedRanges()
        var created: Set<VPIndex> = []
        var onWake: (@Sendable () -> Void)?
    }

    init(
        _ configuration: EnginePartitionConfiguration, clock: @escaping @Sendable () -> UInt64,
        closed: @escaping @Sendable () -> Void
    ) {
        vpCount = configuration.vpCount
        state = Mutex(State(guest: SimulatedGuest(configuration.simulation)))
        self.clock = clock
        self.closed = closed
    }

    /// Called, from the thread that signals, when an interrupt arrives: the next `run` of processor 0 has work.
    package var onWake: (@Sendable () -> Void)? {
        get { state.withLock { $0.onWake } }
        set { state.withLock { $0.onWake = newValue } }
    }

    /// Stops simulated time until `resumeClock`. Again: no effect.
    package func pauseClock() {
        let now = clock()
        state.withLock { $0.time.pause(at: now) }
    }

    /// Lets simulated time go on where it stopped. Every `wakeAt` told before is void: run the processors again.
    package func resumeClock() {
        let now = clock()
        state.withLock { $0.time.resume(at: now) }
    }

    /// The bytes of guest memory that are mapped.
    package var mappedBytes: UInt64 { state.withLock { $0.memory.bytes } }

    package func map(gpa: UInt64, hostAddress: UInt, count: UInt64, access: GPAAccess) throws(HypervisorError) {
        try state.withLock { (state) throws(HypervisorError) in try state.memory.add(gpa, count) }
    }

    package func unmap(gpa: UInt64, count: UInt64) throws(HypervisorError) {
        try state.withLock { (state) throws(HypervisorError) in try state.memory.remove(gpa, count) }
    }

    package func createVP(_ index: VPIndex) throws(HypervisorError) -> any EngineVP {
        guard index < vpCount else {
            throw HypervisorError("virtual processor \(index) of a partition that was made for \(vpCount)")
        }
        guard state.withLock({ $0.created.insert(index).inserted }) else {
            throw HypervisorError("virtual processor \(index) exists already")
        }
        return SimulatedVP(index: index, partition: self)
    }

    package func signalMSI(address: UInt64, data: UInt32) throws(HypervisorError) {
        let wake = state.withLock { state in
            state.guest.interrupt(vector: UInt8(truncatingIfNeeded: data))
            return state.onWake
        }
        wake?()
    }

    /// The simulated guest ends no level-triggered interrupt.
    package func setIOAPICMessages(_ messages: [IOAPICMessage?]) throws(HypervisorError) {}

    package func close() {
        state.withLock { state in
            state.memory = MappedRanges()
            state.onWake = nil
        }
        closed()
    }

    func step(_ index: VPIndex) -> VPExit {
        let now = clock()
        return state.withLock { state in
            state.time.start(at: now)
            // Other processors have nothing to do; only their consumption counts.
            guard index == 0 else { return state.guest.hasCrashed ? .unrecoverableException : .halt(wakeAt: nil) }
            let exit = state.guest.next(at: state.time.elapsed(at: now))
            if case .halt(let deadline?) = exit { return .halt(wakeAt: state.time.clockTime(of: deadline)) }
            return exit
        }
    }

    func answer(_ value: UInt64) { state.withLock { $0.guest.answer(value) } }

    /// Simulated nanoseconds of processor time that each processor has consumed.
    package var runTime: UInt64 {
        let now = clock()
        return state.withLock { $0.guest.runTime(at: $0.time.elapsed(at: now)) }
    }
}

/// Simulated time: the clock's, from the first run on, less the pauses.
struct SimulatedTime {
    /// The clock's time at which simulated time was, or would have been, 0.
    private var origin: UInt64?
    private var pausedAt: UInt64?

    mutating func start(at now: UInt64) {
        if origin == nil { origin = pausedAt ?? now }
    }

    mutating func pause(at now: UInt64) {
        if pausedAt == nil { pausedAt = now }
    }

    mutating func resume(at now: UInt64) {
        guard let since = pausedAt else { return }
        pausedAt = nil
        // Clocks never go back; a wrapped sum would take 584 years.
        if let origin { self.origin = origin &+ (now &- since) }
    }

    func elapsed(at now: UInt64) -> UInt64 {
        guard let origin else { return 0 }
        return (pausedAt ?? now) &- origin
    }

    func clockTime(of elapsed: UInt64) -> UInt64 {
        let (sum, overflow) = (origin ?? 0).addingReportingOverflow(elapsed)
        return overflow ? .max : sum
    }
}
