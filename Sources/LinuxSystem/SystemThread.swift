import CLinux
import Glibc

/// A thread of the kernel's own scheduling. Virtual processors, device loops and epoll loops run on these, never on
/// Swift's cooperative pool, because they block.
package final class SystemThread: @unchecked Sendable {
    // Unchecked: `handle` is written once, before the object is handed out, and joined at most once by its owner.
    private var handle = pthread_t()

    /// Starts a thread that runs `body` and ends.
    ///
    /// - Parameter name: as `/proc` shows it; cut to 15 bytes.
    package init(name: String, _ body: @escaping @Sendable () -> Void) throws(Errno) {
        let start = Unmanaged.passRetained(Start(name: name, body: body))
        let code = pthread_create(
            &handle, nil,
            { argument in
                guard let argument else { return nil }
                let start = Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
                hv_name_thread(start.name)
                start.body()
                return nil
            }, start.toOpaque())
        if code != 0 {
            start.release()
            throw Errno(code)
        }
    }

    /// Calls `body` with all signals blocked in the calling thread. A thread that it makes begins so: none of the
    /// program's signals is ever handled there.
    package static func withSignalsBlocked<Failure: Error>(
        _ body: () throws(Failure) -> Void
    ) throws(Failure) {
        var everything = sigset_t()
        var before = sigset_t()
        sigfillset(&everything)
        pthread_sigmask(SIG_SETMASK, &everything, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
        try body()
    }

    /// Waits for the thread's end. Call it once at most, and never from the thread itself.
    package func join() { pthread_join(handle, nil) }

    /// Lets the thread end on its own; it is not joined.
    package func detach() { pthread_detach(handle) }

    /// The calling thread's id, as `/proc/self/task` names it.
    package static var currentID: Int32 { hv_gettid() }

    private final class Start {
        let name: String
        let body: @Sendable () -> Void
        init(name: String, body: @escaping @Sendable () -> Void) {
            self.name = name
            self.body = body
        }
    }
}
