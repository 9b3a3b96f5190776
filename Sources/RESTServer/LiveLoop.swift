import CLinux
import CMicroHTTPD
import Glibc
import LinuxSystem
import ManagementService
import PartitionManager
import Synchronization

/// The thread on which all WebSockets live, and which reminds the event streams of their heartbeats. Everything that
/// waits for the service is a task beside it, whose result comes back as a message.
final class LiveLoop: Sendable {
    enum Message: Sendable {
        case add(ConsoleAttachment, id: UInt64, socket: Int32, handle: UpgradeHandle, early: [UInt8])
        case consoleChanged(id: UInt64)
        case consoleRead(id: UInt64, Result<ConsoleChunk, ServiceError>)
        case consoleWritten(id: UInt64, Result<Int, ServiceError>)
        case eventsChanged
        case stop
    }

    private struct Mailbox {
        var messages: [Message] = []
        var isOpen = false
        var nextID: UInt64 = 1
        var thread: SystemThread?
        var observation: Observation?
    }

    private let service: any ManagementAPI
    private let onTick: @Sendable () -> Void
    private let wakeUp: EventFD
    private let epoll: FileDescriptor
    private let mailbox = Mutex(Mailbox())

    init(service: any ManagementAPI, onTick: @escaping @Sendable () -> Void) throws {
        self.service = service
        self.onTick = onTick
        wakeUp = try EventFD()
        epoll = FileDescriptor(owning: try retryingInterrupts { epoll_create1(Int32(EPOLL_CLOEXEC)) })
    }

    func start() throws {
        var event = epoll_event(events: EPOLLIN.rawValue, data: epoll_data_t(u64: 0))
        guard epoll_ctl(epoll.raw, EPOLL_CTL_ADD, wakeUp.raw, &event) == 0 else { throw Errno.last }
        mailbox.withLock { $0.isOpen = true }
        let thread = try SystemThread(name: "live") { [self] in run() }
        let observation = service.observeEvents { [weak self] in self?.post(.eventsChanged) }
        mailbox.withLock { mailbox in
            mailbox.thread = thread
            mailbox.observation = observation
        }
    }

    /// Closes every WebSocket and ends the thread.
    func stop() {
        let (thread, observation) = mailbox.withLock { mailbox in
            let result = (mailbox.thread, mailbox.observation)
            if mailbox.isOpen { mailbox.messages.append(.stop) }
            mailbox.isOpen = false
            mailbox.thread = nil
            mailbox.observation = nil
            return result
        }
        observation?.cancel()
        wakeUp.signal()
        thread?.join()
    }

    /// Takes an upgraded connection over. False when the loop has ended: the caller closes the connection.
    func add(_ attachment: ConsoleAttachment, socket: Int32, handle: OpaquePointer, early: [UInt8]) -> Bool {
        let handle = UpgradeHandle(raw: handle)
        let isTaken = mailbox.withLock { mailbox in
            guard mailbox.isOpen else { return false }
            let id = mailbox.nextID
            mailbox.nextID += 1
            mailbox.messages.append(.add(attachment, id: id, socket: socket, handle: handle, early: early))
            return true
        }
        if isTaken { wakeUp.signal() }
        return isTaken
    }

    func post(_ message: Message) {
        mailbox.withLock { if $0.isOpen { $0.messages.append(message) } }
        wakeUp.signal()
    }

    // MARK: - On the loop's thread

    private func run() {
        var sockets: [UInt64: ConsoleSocket] = [:]
        var lastSequence = service.lastEventSequence
        var lastTick = monotonicNanoseconds()
        while true {
            var events = [epoll_event](repeating: epoll_event(), count: 64)
            let count = epoll_wait(epoll.raw, &events, Int32(events.count), 1000)
            for event in events.prefix(Int(max(count, 0))) where event.data.u64 != 0 {
                sockets[event.data.u64]?.proceed()
            }
            wakeUp.drain()
            let messages = mailbox.withLock { mailbox in
                let messages = mailbox.messages
                mailbox.messages = []
                return messages
            }
            for message in messages {
                switch message {
                case .add(let attachment, let id, let socket, let handle, let early):
                    sockets[id] = ConsoleSocket(
                        attachment, id: id, socket: socket, handle: handle, early: early, epoll: epoll.raw, loop: self)
                    sockets[id]?.proceed()
                case .consoleChanged(let id): sockets[id]?.consoleChanged()
                case .consoleRead(let id, let result): sockets[id]?.consoleRead(result)
                case .consoleWritten(let id, let result): sockets[id]?.consoleWritten(result)
                case .eventsChanged: closeDeleted(&sockets, since: &lastSequence)
                case .stop:
                    for socket in sockets.values {
                        socket.close(1001, "The server is stopping.")
                        socket.dispose()
                    }
                    return
                }
            }
            let now = monotonicNanoseconds()
            if now - lastTick >= 1_000_000_000 {
                lastTick = now
                onTick()
                for socket in sockets.values { socket.tick(now) }
            }
            for (id, socket) in sockets where socket.isDead {
                socket.dispose()
                sockets[id] = nil
            }
        }
    }

    /// A deleted VM's console has ended, even if a VM of the same id is made at once.
    private func closeDeleted(_ sockets: inout [UInt64: ConsoleSocket], since sequence: inout UInt64) {
        while true {
            let events = service.events(after: sequence, limit: 256)
            guard let last = events.last else { return }
            sequence = last.sequence
            for event in events where event.type == "vm.deleted" {
                for socket in sockets.values where socket.vmID == event.vmID {
                    socket.close(1001, "The VM was deleted.")
                }
            }
        }
    }
}
