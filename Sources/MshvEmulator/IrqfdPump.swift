import Glibc
import LinuxSystem
import Synchronization

/// An eventfd of the program that raises an interrupt line (MSHV_IRQFD).
final class Irqfd: Sendable {
    let event: EventHandle
    /// Signalled when the interrupt that it raised has ended.
    let resample: EventHandle?
    let line: UInt32
    private let delivery: Weak
    private let isActive = Mutex(true)

    init(event: EventHandle, resample: EventHandle?, line: UInt32, delivery: InterruptDelivery) {
        self.event = event
        self.resample = resample
        self.line = line
        self.delivery = Weak(delivery)
    }

    /// Raises the line if the eventfd was signalled.
    func fire() {
        isActive.withLock { isActive in
            guard isActive, event.take() else { return }
            delivery.value?.raise(line)
        }
    }

    /// When it returns, `fire` does nothing any more.
    func deactivate() {
        isActive.withLock { $0 = false }
    }

    /// The partition's interrupts, which have this irqfd in their list.
    private final class Weak: @unchecked Sendable {
        // Unchecked: weak references are read atomically, and this one is never written again.
        weak let value: InterruptDelivery?
        init(_ value: InterruptDelivery) { self.value = value }
    }
}

/// The one thread that waits for all irqfds of the process. It begins with the first of them.
final class IrqfdPump: Sendable {
    private struct State {
        var epoll: EpollSet?
        var irqfds: [UInt64: Irqfd] = [:]
        var next: UInt64 = 0
    }

    private let state = Mutex(State())

    func add(_ irqfd: Irqfd) throws(Errno) {
        try state.withLock { state throws(Errno) in
            let epoll = try self.epoll(&state)
            let token = state.next
            try epoll.add(irqfd.event.raw, token: token)
            state.next = token &+ 1
            state.irqfds[token] = irqfd
        }
    }

    func remove(_ irqfd: Irqfd) {
        state.withLock { state in
            guard let token = state.irqfds.first(where: { $0.value === irqfd })?.key else { return }
            state.epoll?.remove(irqfd.event.raw)
            state.irqfds[token] = nil
        }
    }

    private func epoll(_ state: inout State) throws(Errno) -> EpollSet {
        if let epoll = state.epoll { return epoll }
        let epoll = try EpollSet()
        try SystemThread.withSignalsBlocked { () throws(Errno) in
            // It ends with the process. The pump lives as long, in the one emulator that a process has.
            try SystemThread(name: "mshv-irqfd") { [self] in
                while true { pump(epoll.wait(milliseconds: nil)) }
            }.detach()
        }
        state.epoll = epoll
        return epoll
    }

    private func pump(_ ready: [Readiness]) {
        for readiness in ready {
            state.withLock { $0.irqfds[readiness.token] }?.fire()
        }
    }
}
