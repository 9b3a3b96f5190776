import CLinux
import Glibc

/// A counter that can be waited for: the bridge between threads, epoll loops and the kernel's irqfd and ioeventfd.
package final class EventFD: Sendable {
    private let descriptor: FileDescriptor

    package init() throws(Errno) {
        descriptor = FileDescriptor(
            owning: try retryingInterrupts { eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK)) })
    }

    /// The descriptor's number, valid as long as this object lives.
    package var raw: Int32 { descriptor.raw }

    /// Adds one; a waiter wakes.
    package func signal() {
        var one: UInt64 = 1
        // The only failure is a counter at its limit, and then the waiter wakes all the same.
        _ = write(descriptor.raw, &one, 8)
    }

    /// Takes all that was added since the last call; 0 where nothing was.
    @discardableResult
    package func drain() -> UInt64 {
        var count: UInt64 = 0
        return Glibc.read(descriptor.raw, &count, 8) == 8 ? count : 0
    }
}
