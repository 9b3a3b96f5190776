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

/// The one thread that waits for all irqfds of the process. It begins with the first of them and ends with the last.
final class IrqfdPump: Sendable {
    private struct State {
        var loop: Loop?
        var irqfds: [UInt64: Irqfd] = [:]
        var next: UInt64 = 0
    }

    /// What a thread waits for.
    private final class Loop: Sendable {
        static let end = UInt64.max
        let epoll: EpollSet
        private let ending: EventFD

        init() throws(Errno) {
            epoll = try EpollSet()
            ending = try EventFD()
            try epoll.add(ending.raw, token: Self.end)
        }

        func end() { ending.signal() }
    }

    private let state = Mutex(State())

    func add(_ irqfd: Irqfd) throws(Errno) {
        try state.withLock { state throws(Errno) in
            let loop = try self.loop(&state)
            let token = state.next
            try loop.epoll.add(irqfd.event.raw, token: token)
            state.next = token &+ 1
            state.irqfds[token] = irqfd
        }
    }

    func remove(_ irqfd: Irqfd) {
        state.withLock { state in
            guard let token = state.irqfds.first(where: { $0.value === irqfd })?.key else { return }
            state.loop?.epoll.remove(irqfd.event.raw)
            state.irqfds[token] = nil
            guard state.irqfds.isEmpty else { return }
            state.loop?.end()
            state.loop = nil
        }
    }

    private func loop(_ state: inout State) throws(Errno) -> Loop {
        if let loop = state.loop { return loop }
        let loop = try Loop()
        try SystemThread.withSignalsBlocked { () throws(Errno) in
            try SystemThread(name: "mshv-irqfd") { [self] in while fire(loop.epoll.wait(milliseconds: nil)) {} }
                .detach()
        }
        state.loop = loop
        return loop
    }

    /// - Returns: whether the thread goes on.
    private func fire(_ ready: [Readiness]) -> Bool {
        for readiness in ready {
            if readiness.token == Loop.end { return false }
            state.withLock { $0.irqfds[readiness.token] }?.fire()
        }
        return true
    }
}
