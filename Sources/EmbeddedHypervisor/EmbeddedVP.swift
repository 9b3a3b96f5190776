import Glibc
import HypercallABI
import Hypervisor

/// A processor of the embedded hypervisor: the engine's, with the suspension that registers and properties ask for.
///
/// A processor begins not suspended: one that its owner does not run executes nothing in any case.
final class EmbeddedVP: VirtualProcessor, @unchecked Sendable {
    // Unchecked: everything that changes is touched only with `mutex` held.

    let index: VPIndex
    private let partition: PartitionID
    private let engineVP: any EngineVP
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let changed: UnsafeMutablePointer<pthread_cond_t>

    /// HV_REGISTER_EXPLICIT_SUSPEND.
    private var isExplicitlySuspended = false
    /// The partition's property HV_PARTITION_PROPERTY_SUSPEND.
    private var isPartitionSuspended: Bool
    private var isCancelled = false
    private var isRunning = false
    /// Calls under way into the engine beside `run`.
    private var accesses = 0
    /// Deleted: the engine must not be touched any more.
    private var isRetired = false

    init(_ engineVP: any EngineVP, index: VPIndex, partition: PartitionID, isPartitionSuspended: Bool) {
        self.engineVP = engineVP
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

    /// Waits while the processor is suspended; a cancelled wait returns `.interrupted`.
    func run() -> VPExit {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        if isRunning { return .failed("two threads run processor \(index) of partition \(partition)") }
        while true {
            while isSuspended, !isRetired, !isCancelled { pthread_cond_wait(changed, mutex) }
            if isRetired { return .failed("processor \(index) of partition \(partition) is deleted") }
            if isCancelled {
                isCancelled = false
                return .interrupted
            }
            isRunning = true
            pthread_mutex_unlock(mutex)
            let exit = engineVP.run()
            pthread_mutex_lock(mutex)
            isRunning = false
            pthread_cond_broadcast(changed)
            // An interruption that only a suspension wanted is not the caller's business.
            if exit == .interrupted, !isCancelled, isSuspended || isRetired { continue }
            if exit == .interrupted { isCancelled = false }
            return exit
        }
    }

    func completeRead(_ value: UInt64) {
        _ = access { $0.completeRead(value) }
    }

    func failAccess() {
        _ = access { $0.failAccess() }
    }

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

    /// HV_REGISTER_EXPLICIT_SUSPEND. When a suspension returns the processor is not in the engine.
    var explicitSuspend: Bool {
        get {
            pthread_mutex_lock(mutex)
            defer { pthread_mutex_unlock(mutex) }
            return isExplicitlySuspended
        }
        set {
            pthread_mutex_lock(mutex)
            defer { pthread_mutex_unlock(mutex) }
            isExplicitlySuspended = newValue
            settle()
        }
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

    private var isSuspended: Bool { isExplicitlySuspended || isPartitionSuspended }

    /// Wakes who waits, and gets the processor out of the engine where it must not be there. With `mutex` held.
    private func settle() {
        pthread_cond_broadcast(changed)
        guard isRunning, isSuspended || isRetired else { return }
        engineVP.cancelRun()
        while isRunning, isSuspended || isRetired { pthread_cond_wait(changed, mutex) }
    }
}
