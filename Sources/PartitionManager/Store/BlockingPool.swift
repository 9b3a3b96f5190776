import LinuxSystem
import Synchronization

/// A few threads for work that waits for a disk, which must never hold a thread of the cooperative pool.
package final class BlockingPool: Sendable {
    private struct State {
        var jobs: [@Sendable () -> Void] = []
        var isClosed = false
    }

    private let state = Mutex(State())
    private let wakeup = Wakeup()
    private let threads: Int

    /// - Throws: `Errno` when the kernel gives no thread.
    package init(name: String, threads: Int) throws(Errno) {
        self.threads = threads
        for _ in 0..<threads {
            // The threads keep the pool alive until `close`.
            try SystemThread(name: name) { [self] in work() }.detach()
        }
    }

    /// Runs `body` on one of the threads, in the order of calls.
    package func run<T: Sendable>(_ body: @escaping @Sendable () -> T) async -> T {
        await withCheckedContinuation { continuation in
            let job: @Sendable () -> Void = { continuation.resume(returning: body()) }
            let isClosed = state.withLock { state in
                if !state.isClosed { state.jobs.append(job) }
                return state.isClosed
            }
            // After the end there is no thread left; the few calls that still come may block their own.
            if isClosed { job() } else { wakeup.signal() }
        }
    }

    /// Ends the threads when the work that was given is done.
    package func close() {
        state.withLock { $0.isClosed = true }
        for _ in 0..<threads { wakeup.signal() }
    }

    private func work() {
        while true {
            wakeup.wait()
            let (job, isClosed) = state.withLock { state in
                (state.jobs.isEmpty ? nil : state.jobs.removeFirst(), state.isClosed)
            }
            if let job { job() } else if isClosed { return }
        }
    }
}
