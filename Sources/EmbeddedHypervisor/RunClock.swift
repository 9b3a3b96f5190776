import Glibc
import Hypervisor

/// Adds up the processor time of the threads that run a virtual processor. A thread's clock costs a system call, so it
/// is read when another thread comes, at exits that are rare anyway, and at every 64th of the others; what a thread did
/// between its last reading and its end is lost.
struct RunClock {
    private var total: UInt64 = 0
    private var thread: pthread_t?
    private var threadClock = clockid_t()
    private var last: UInt64 = 0
    private var runs: UInt64 = 0

    /// The calling thread begins to run the processor.
    mutating func begin() {
        let me = pthread_self()
        if let thread, pthread_equal(thread, me) != 0 { return }
        guard pthread_getcpuclockid(me, &threadClock) == 0 else { return }
        thread = me
        last = Self.read(threadClock) ?? 0
    }

    /// The calling thread, which began, is out again.
    mutating func end(_ exit: VPExit) {
        runs &+= 1
        switch exit {
        case .interrupted, .halt, .failed, .unrecoverableException: break
        default: if !runs.isMultiple(of: 64) { return }
        }
        sample()
    }

    /// - Parameter isRunning: whether the thread that began last is there for sure.
    mutating func nanoseconds(isRunning: Bool) -> UInt64 {
        if isRunning || thread.map({ pthread_equal($0, pthread_self()) != 0 }) == true { sample() }
        return total
    }

    private mutating func sample() {
        guard thread != nil, let now = Self.read(threadClock), now > last else { return }
        total &+= now - last
        last = now
    }

    private static func read(_ clock: clockid_t) -> UInt64? {
        var time = timespec()
        guard clock_gettime(clock, &time) == 0 else { return nil }
        return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
    }
}
