import CLinux
import Glibc

/// What epoll said of a descriptor.
package struct Readiness: Sendable {
    /// As given when the descriptor was added.
    package let token: UInt64
    package let events: UInt32

    package var isReadable: Bool { events & EPOLLIN.rawValue != 0 }
    package var isWritable: Bool { events & EPOLLOUT.rawValue != 0 }
    /// The other side has gone, or the descriptor is broken.
    package var isClosed: Bool { events & (EPOLLHUP.rawValue | EPOLLERR.rawValue) != 0 }
}

/// A level-triggered epoll set whose descriptors are told apart by tokens.
package final class EpollSet: Sendable {
    private let descriptor: FileDescriptor

    package init() throws(Errno) {
        descriptor = FileDescriptor(owning: try retryingInterrupts { hv_epoll_make() })
    }

    /// The set's own descriptor: readable while one of the set's is ready.
    package var raw: Int32 { descriptor.raw }

    /// Adds a descriptor, which stays the caller's. Closing it takes it out of the set.
    package func add(_ fd: Int32, token: UInt64, writable: Bool = false) throws(Errno) {
        let number = descriptor.raw
        try retryingInterrupts {
            hv_epoll_control(number, EPOLL_CTL_ADD, fd, Self.interest(writable: writable), token)
        }
    }

    /// Says whether to report that the descriptor can be written to, beside that it can be read.
    package func change(_ fd: Int32, token: UInt64, readable: Bool = true, writable: Bool) throws(Errno) {
        let number = descriptor.raw
        try retryingInterrupts {
            hv_epoll_control(
                number, EPOLL_CTL_MOD, fd, Self.interest(readable: readable, writable: writable), token)
        }
    }

    /// Takes a descriptor out of the set; one that is not in it is left alone.
    package func remove(_ fd: Int32) {
        _ = hv_epoll_control(descriptor.raw, EPOLL_CTL_DEL, fd, 0, 0)
    }

    /// Waits for readiness, at most `milliseconds` (for ever where nil). Empty after that time or an interruption.
    package func wait(milliseconds: Int?) -> [Readiness] {
        var ready = [hv_ready](repeating: hv_ready(), count: 64)
        let limit = milliseconds.map { Int32(clamping: max($0, 0)) } ?? -1
        let count = hv_epoll_wait(descriptor.raw, &ready, 64, limit)
        guard count > 0 else { return [] }
        return ready.prefix(Int(count)).map { Readiness(token: $0.token, events: $0.events) }
    }

    private static func interest(readable: Bool = true, writable: Bool) -> UInt32 {
        (readable ? EPOLLIN.rawValue : 0) | (writable ? EPOLLOUT.rawValue : 0)
    }
}
