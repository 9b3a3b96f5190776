import CLinux
import Glibc
import Synchronization

/// Decides who may touch a virtual processor: the thread that runs it, or somebody who holds it still.
///
/// The runner is inside between `enter` and `leave`. A holder's `beginHold` takes the runner out of the kernel's run
/// call, and `waitUntilOutside` waits for that; `enter` then waits for `release`. Everything a processor keeps in memory
/// is touched inside only, or by a holder.
package final class RunGate: @unchecked Sendable {
    // Unchecked: the atomics are shared by design, and the mutex and condition are made for it.

    /// The kernel's id of the thread inside; 0: nobody is.
    private let thread = Atomic<Int32>(0)
    private let holders = Atomic<Int>(0)
    private let prepareThread: @Sendable () -> Int32
    private let demand: @Sendable () -> Void
    private let signal: Int32
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let changed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

    /// - Parameters:
    ///   - prepareThread: makes the calling thread ready for `signal` and returns its kernel id.
    ///   - demand: notes, where the run call or the signal's handler looks, that the run is to end.
    ///   - signal: what takes a thread out of the run call.
    package init(
        prepareThread: @escaping @Sendable () -> Int32, demand: @escaping @Sendable () -> Void, signal: Int32
    ) {
        self.prepareThread = prepareThread
        self.demand = demand
        self.signal = signal
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

    /// Whether somebody holds the processor or waits to.
    package var isHeld: Bool { holders.load(ordering: .sequentiallyConsistent) != 0 }

    /// Makes the calling thread the one inside, as soon as nobody holds the processor.
    package func enter() {
        while true {
            // "I am inside" before "does anybody hold?": together with the opposite order in `beginHold`, one of the
            // two threads sees the other.
            thread.store(prepareThread(), ordering: .sequentiallyConsistent)
            if holders.load(ordering: .sequentiallyConsistent) == 0 { return }
            leave()
            pthread_mutex_lock(mutex)
            while holders.load(ordering: .sequentiallyConsistent) != 0 { pthread_cond_wait(changed, mutex) }
            pthread_mutex_unlock(mutex)
        }
    }

    package func leave() {
        thread.store(0, ordering: .sequentiallyConsistent)
        if holders.load(ordering: .sequentiallyConsistent) != 0 {
            pthread_mutex_lock(mutex)
            pthread_cond_broadcast(changed)
            pthread_mutex_unlock(mutex)
        }
    }

    /// Ends the run call under way, or the next one. From any thread.
    package func kick() {
        // The demand before the look at the thread: a thread that is not seen here sees it before it runs.
        demand()
        let inside = thread.load(ordering: .sequentiallyConsistent)
        // The thread may have left and ended since; then the signal reaches nobody, or a thread that ignores it.
        if inside != 0 { _ = hv_tgkill(getpid(), inside, signal) }
    }

    /// Announces a holder and takes the runner out, without waiting; `waitUntilOutside` follows.
    package func beginHold() {
        holders.add(1, ordering: .sequentiallyConsistent)
        kick()
    }

    /// Returns when the runner is outside. After `beginHold` only.
    package func waitUntilOutside() {
        pthread_mutex_lock(mutex)
        while thread.load(ordering: .sequentiallyConsistent) != 0 { pthread_cond_wait(changed, mutex) }
        pthread_mutex_unlock(mutex)
    }

    /// Ends what `beginHold` began.
    package func release() {
        pthread_mutex_lock(mutex)
        holders.subtract(1, ordering: .sequentiallyConsistent)
        pthread_cond_broadcast(changed)
        pthread_mutex_unlock(mutex)
    }
}
