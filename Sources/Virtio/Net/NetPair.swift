import LinuxSystem
import NetworkBackends

/// Who serves a pair of queues of a network device: a thread of this process, or the host's kernel.
protocol NetPair: AnyObject, Sendable {
    /// Signalled by the driver's notifications of both queues.
    var wake: EventFD { get }
    /// Begins the end; `finish` waits for it.
    func requestStop()
    /// Waits for the end, which `requestStop` has asked for. Once.
    ///
    /// - Returns: the queues as they were left.
    func finish() -> NetPairQueues
}

/// A tap whose packets the host's kernel can move by itself (Linux's vhost-net).
package struct NetKernelPath: Sendable {
    /// The tap's name on the host.
    package var tap: String
    /// Whether the kernel may do it now: nothing is asked for that only this process can do, as a limit.
    package var isAllowed: @Sendable () -> Bool
    /// What keeps other source addresses back; nil: nothing has to.
    package var filter: SourceFilter?

    package init(tap: String, filter: SourceFilter? = nil, isAllowed: @escaping @Sendable () -> Bool) {
        self.tap = tap
        self.filter = filter
        self.isAllowed = isAllowed
    }
}
