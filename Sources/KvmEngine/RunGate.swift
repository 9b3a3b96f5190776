import CLinux
import Glibc
import Synchronization

/// Decides who may touch a virtual processor: the thread that runs it, or somebody who holds it still.
///
/// The runner is inside between `enter` and `leave`. A holder's `hold` takes the runner out of KVM_RUN and waits until
/// it is outside; `enter` then waits for `release`. Everything a processor keeps in memory is touched inside only, or
/// by a holder.
final class RunGate: @unchecked Sendable {
    // Unchecked: the atomics are shared by design, the mutex and condition are made for it, and of the kvm_run page
    // only `immediate_exit` is written here, atomically.

    /// The kernel's id of the thread inside; 0: nobody is.
    private let thread = Atomic<Int32>(0)
    private let holders = Atomic<Int>(0)
    /// Lives as long as the processor that owns this gate's `VPMemory`; see `init`.
    private let runPage: VPMemory
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let changed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

    init(runPage: VPMemory) {
        self.runPage = runPage
        mutex.initialize(to: pthread_mutex_t())
        changed.initialize(to: pthread_cond_t())
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(changed, nil)
    }

    deinit {
        pthread_cond_destroy(changed)
        pthread_mutex_destroy(mutex)
        changed.deallocate()
        mutex.deallocate()
    }

    /// Makes the calling thread the one inside, as soon as nobody holds the processor.
    func enter() {
        while true {
            // "I am inside" before "does anybody hold?": together with the opposite order in `hold`, one of the two
            // threads sees the other.
            thread.store(hv_kvm_prepare_thread(), ordering: .sequentiallyConsistent)
            if holders.load(ordering: .sequentiallyConsistent) == 0 { return }
            leave()
            pthread_mutex_lock(mutex)
            while holders.load(ordering: .sequentiallyConsistent) != 0 { pthread_cond_wait(changed, mutex) }
            pthread_mutex_unlock(mutex)
        }
    }

    func leave() {
        thread.store(0, ordering: .sequentiallyConsistent)
        if holders.load(ordering: .sequentiallyConsistent) != 0 {
            pthread_mutex_lock(mutex)
            pthread_cond_broadcast(changed)
            pthread_mutex_unlock(mutex)
        }
    }

    /// Makes the KVM_RUN under way, or the next one, return EINTR. From any thread.
    func kick() {
        // The flag before the look at the thread: a thread that is not seen here sees the flag when it enters KVM_RUN.
        hv_kvm_run_set_immediate_exit(runPage.run, 1)
        let inside = thread.load(ordering: .sequentiallyConsistent)
        // The thread may have left and ended since; then the signal reaches nobody, or a thread that ignores it.
        if inside != 0 { _ = hv_tgkill(getpid(), inside, hv_kvm_kick_signal()) }
    }

    /// Announces a holder and takes the runner out, without waiting; `waitUntilOutside` follows.
    func beginHold() {
        holders.add(1, ordering: .sequentiallyConsistent)
        kick()
    }

    /// Returns when the runner is outside. After `beginHold` only.
    func waitUntilOutside() {
        pthread_mutex_lock(mutex)
        while thread.load(ordering: .sequentiallyConsistent) != 0 { pthread_cond_wait(changed, mutex) }
        pthread_mutex_unlock(mutex)
    }

    /// Ends what `beginHold` began.
    func release() {
        pthread_mutex_lock(mutex)
        holders.subtract(1, ordering: .sequentiallyConsistent)
        pthread_cond_broadcast(changed)
        pthread_mutex_unlock(mutex)
    }
}
