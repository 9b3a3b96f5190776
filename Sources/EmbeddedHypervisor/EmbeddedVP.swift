import Glibc
import HypercallABI
import Hypervisor

/// A processor of the embedded hypervisor: the engine's, with the suspension that registers and properties ask for.
///
/// A processor begins not suspended: one that its owner does not run executes nothing in any case.
final class EmbeddedVP: VirtualProcessor, @unchecked Sendable {
    // Unchecked: everything that changes is touched only with `mutex` held.

    let index: VPIndex
    /// The registers of the whole partition.
    let shared: PartitionRegisters
    private let doorbells: Doorbells
    private let partition: PartitionID
    private let engineVP: any EngineVP
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let changed: UnsafeMutablePointer<pthread_cond_t>

    /// HV_REGISTER_EXPLICIT_SUSPEND.
    private var isExplicitlySuspended = false
    /// HV_REGISTER_INTERCEPT_SUSPEND: the last run ended with something for the one who runs it.
    private var isInterceptSuspended = false
    /// HV_REGISTER_DISPATCH_SUSPEND.
    private var isDispatchSuspended = false
    /// The exit that a dispatch ended with; the next run gives it out.
    private var dispatchedExit: VPExit?
    /// Whether it was ever in the engine, or was started by a call.
    private var hasStarted = false
    private var clock = RunClock()
    private var exits = ExitCounts()
    private var record = ProcessorRecord()
    /// The partition's property HV_PARTITION_PROPERTY_SUSPEND.
    private var isPartitionSuspended: Bool
    private var isCancelled = false
    private var isRunning = false
    /// Calls under way into the engine beside `run`.
    private var accesses = 0
    /// Deleted: the engine must not be touched any more.
    private var isRetired = false

    init(
        _ engineVP: any EngineVP, index: VPIndex, partition: PartitionID, isPartitionSuspended: Bool,
        shared: PartitionRegisters, doorbells: Doorbells
    ) {
        self.engineVP = engineVP
        self.shared = shared
        self.doorbells = doorbells
        self.index = index
        self.partition = partition
        self.isPartitionSuspended = isPartitionSuspended
        // Sound: allocated once, initialized here, never moved, destroyed in `deinit` when nobody can wait any more.
        mutex = .allocate(capacity: 1)
        changed = .allocate(capacity: 1)
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(changed, nil)
    }

    deinit {
        pthread_cond_destroy(changed)
        pthread_mutex_destroy(mutex)
        changed.deallocate()
        mutex.deallocate()
    }

    // MARK: The hot path

    /// Waits while the processor is suspended; a cancelled wait returns `.interrupted`. Gives out what a dispatch left.
    func run() -> VPExit {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        if isRunning { return .failed("two threads run processor \(index) of partition \(partition)") }
        if let exit = dispatchedExit, !isRetired {
            dispatchedExit = nil
            return exit
        }
        isInterceptSuspended = false
        while true {
            while isSuspended, !isRetired, !isCancelled { pthread_cond_wait(changed, mutex) }
            if isRetired { return .failed("processor \(index) of partition \(partition) is deleted") }
            if isCancelled {
                isCancelled = false
                return .interrupted
            }
            if let exit = enter() { return exit }
        }
    }

    /// One run in the engine. With `mutex` held, which it gives away meanwhile; the processor may run.
    ///
    /// - Returns: nil for what is not the caller's business: an interruption that only a suspension wanted, writes that
    ///   ring a doorbell, and accesses to MSRs that HvCallRegisterInterceptResult answered.
    private func enter() -> VPExit? {
        isRunning = true
        hasStarted = true
        clock.begin()
        pthread_mutex_unlock(mutex)
        let exit = engineVP.run()
        let isDoorbell = doorbells.ring(by: exit)
        pthread_mutex_lock(mutex)
        let action = record.msrResults.isEmpty ? nil : record.action(for: exit)
        if let action {
            pthread_mutex_unlock(mutex)
            switch action {
            case .fault: engineVP.failAccess()
            case .ignoreWriteReadZero: engineVP.completeRead(0)
            }
            pthread_mutex_lock(mutex)
        }
        exits.add(exit)
        isRunning = false
        clock.end(exit)
        pthread_cond_broadcast(changed)
        if action != nil || isDoorbell { return nil }
        if exit == .interrupted {
            if !isCancelled, isSuspended || isRetired { return nil }
            isCancelled = false
        } else {
            isInterceptSuspended = true
        }
        return exit
    }

    /// HvCallDispatchVp: as `run`, but it does not wait.
    ///
    /// - Throws: `invalidVpIndex` for a deleted processor, `invalidVpState` for one that another thread runs,
    ///   `operationFailed` where the engine can't go on.
    func dispatch(_ flags: DispatchVPFlags) throws(HypercallStatus) -> DispatchVPOutput {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        if isRetired { throw HypercallStatus.invalidVpIndex }
        if isRunning { throw HypercallStatus.invalidVpState }
        if flags.contains(.clearInterceptSuspend) {
            isInterceptSuspended = false
            dispatchedExit = nil
        }
        while true {
            if isRetired { throw HypercallStatus.invalidVpIndex }
            if isInterceptSuspended { return DispatchVPOutput(state: .ready, event: .intercept) }
            if isSuspended { return DispatchVPOutput(state: .blocked, event: .suspend) }
            if isCancelled {
                isCancelled = false
                return DispatchVPOutput(state: .ready, event: .none)
            }
            switch enter() {
            case nil: continue
            case .interrupted: return DispatchVPOutput(state: .ready, event: .none)
            case .halt:
                isInterceptSuspended = false
                return DispatchVPOutput(state: .blocked, event: .none)
            case .failed:
                throw HypercallStatus.operationFailed
            case .some(let exit):
                dispatchedExit = exit
                return DispatchVPOutput(state: .ready, event: .intercept)
            }
        }
    }

    func completeRead(_ value: UInt64) {
        _ = access { $0.completeRead(value) }
    }

    func completeCPUID(_ result: CPUIDRegisters) {
        _ = access { $0.completeCPUID(result) }
    }

    func failAccess() {
        _ = access { $0.failAccess() }
    }

    func abandonExit() { _ = access { $0.abandonExit() } }

    func returnAtSignals() { _ = access { $0.returnAtSignals() } }

    func noteGuestPaused() { _ = access { $0.noteGuestPaused() } }

    func cancelRun() {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        isCancelled = true
        if isRunning { engineVP.cancelRun() }
        pthread_cond_broadcast(changed)
    }

    // MARK: The hypervisor's side

    /// Uses the engine's processor from any thread.
    ///
    /// - Returns: nil where the processor is deleted.
    func access<Result>(_ body: (any EngineVP) -> Result) -> Result? {
        pthread_mutex_lock(mutex)
        if isRetired {
            pthread_mutex_unlock(mutex)
            return nil
        }
        accesses += 1
        // Not held during the access: an engine may wait there for the running processor, which `cancelRun` ends.
        pthread_mutex_unlock(mutex)
        let result = body(engineVP)
        pthread_mutex_lock(mutex)
        accesses -= 1
        pthread_cond_broadcast(changed)
        pthread_mutex_unlock(mutex)
        return result
    }

    /// The suspensions that are registers. When one of them returns that keeps the processor from running, it is not in
    /// the engine.
    subscript(suspension name: RegisterName) -> Bool {
        get {
            pthread_mutex_lock(mutex)
            defer { pthread_mutex_unlock(mutex) }
            return switch name {
            case .interceptSuspend: isInterceptSuspended
            case .dispatchSuspend: isDispatchSuspended
            default: isExplicitlySuspended
            }
        }
        set {
            pthread_mutex_lock(mutex)
            defer { pthread_mutex_unlock(mutex) }
            switch name {
            case .interceptSuspend:
                isInterceptSuspended = newValue
                if !newValue { dispatchedExit = nil }
            case .dispatchSuspend: isDispatchSuspended = newValue
            default: isExplicitlySuspended = newValue
            }
            settle()
        }
    }

    /// How long the processor ran, in units of 100 ns: the processor time of the threads that ran it.
    var runTime: UInt64 {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return clock.nanoseconds(isRunning: isRunning) / 100
    }

    /// What its statistics page shows.
    var counters: [VPCounter: UInt64] {
        let time = runTime
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        var counters = exits.counters
        counters[.totalRunTime] = time
        return counters
    }

    /// - Returns: false where the processor has run already.
    func claimStart() -> Bool {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        if hasStarted { return false }
        hasStarted = true
        return true
    }

    /// The end of `claimStart` where nothing came of it.
    func abandonStart() {
        pthread_mutex_lock(mutex)
        hasStarted = false
        pthread_mutex_unlock(mutex)
    }

    /// What the hypervisor keeps of the processor.
    ///
    /// - Throws: what `body` throws; `invalidVpIndex` for a deleted processor.
    func withRecord<Result>(
        _ body: (inout ProcessorRecord) throws(HypercallStatus) -> Result
    ) throws(HypercallStatus) -> Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        if isRetired { throw HypercallStatus.invalidVpIndex }
        return try body(&record)
    }

    /// Follows the partition's property.
    func setPartitionSuspend(_ suspend: Bool) {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        isPartitionSuspended = suspend
        settle()
    }

    /// Ends the processor: when it returns, nobody is in the engine and nobody will go there.
    func retire() {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        isRetired = true
        settle()
        while accesses > 0 { pthread_cond_wait(changed, mutex) }
    }

    private var isSuspended: Bool { isExplicitlySuspended || isDispatchSuspended || isPartitionSuspended }

    /// Wakes who waits, and gets the processor out of the engine where it must not be there. With `mutex` held.
    private func settle() {
        pthread_cond_broadcast(changed)
        guard isRunning, isSuspended || isRetired else { return }
        engineVP.cancelRun()
        while isRunning, isSuspended || isRetired { pthread_cond_wait(changed, mutex) }
    }
}
