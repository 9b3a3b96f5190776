import Glibc
import GuestMemory
import LinuxSystem
import Synchronization

/// Carries bytes between a guest's queues and sockets of the host. On a thread of its own.
final class VsockLoop: @unchecked Sendable {
    // Unchecked: everything that changes is touched with `lock` held only.

    private enum Token {
        static let wake: UInt64 = 0
        static let listener: UInt64 = 1
        static let first: UInt64 = 2
    }

    /// Packets and chains that are moved before the descriptors are looked at again.
    private static let batch = 64
    /// Answers that wait for the guest's buffers; while there are so many nothing more is taken from it. A guest that
    /// takes none gets into its own way only.
    private static let maximumControl = 512
    /// Programs that have not said yet what they want.
    private static let maximumGreetings = 32
    private static let greetingPatience: UInt64 = 5_000_000_000
    /// How long a guest has to answer a connection of the host.
    private static let requestPatience: UInt64 = 10_000_000_000

    private let lock = Mutex(())
    let cid: UInt64
    private let host: VsockHost
    private let memory: GuestMemory
    private let signals: any VirtioSignals
    private let epoll: EpollSet
    let wake: EventFD

    /// Receive, transmit and event.
    private var queues: [VirtQueue?]
    /// The driver is to learn that all its connections are gone.
    private var needsTransportReset: Bool
    var table = VsockTable()
    /// Packets without bytes for the guest, in their order.
    private var control: [VsockPacket] = []
    /// Connections whose programs have sent something, in the order in which they get their turns.
    private var readable: [VsockConnection.Key] = []
    private var greetings: [UInt64: VsockGreeting] = [:]
    private var nextToken = Token.first
    /// Whether the guest has, as far as is known, buffers for what it receives.
    private var hasRoom = true
    private var listens = false
    private var isBroken = false

    /// - Throws: `Errno` where the host has no descriptors left.
    init(
        _ queues: [VirtQueue?], cid: UInt64, host: VsockHost, needsTransportReset: Bool, memory: GuestMemory,
        signals: any VirtioSignals
    ) throws(Errno) {
        self.queues = queues + [VirtQueue?](repeating: nil, count: max(0, 3 - queues.count))
        self.cid = cid
        self.host = host
        self.needsTransportReset = needsTransportReset
        self.memory = memory
        self.signals = signals
        epoll = try EpollSet()
        wake = try EventFD()
        try epoll.add(wake.raw, token: Token.wake)
        // What the driver made available before it said that it is ready, or a saved state has left.
        wake.signal()
    }

    /// The queues as they are between two steps, and whether the driver still has to learn of a reset.
    var saved: (queues: [VirtQueue?], needsTransportReset: Bool) {
        lock.withLock { _ in (queues, needsTransportReset) }
    }

    /// Serves until `isStopping` says so.
    func run(isStopping: () -> Bool) {
        var isBusy = false
        // Asked after each step, never between the wait and the step: a step takes what woke the thread, and that may
        // have been the word that it is to stop.
        while !isStopping() {
            let timeout = isBusy ? 0 : lock.withLock { _ in patience() }
            let ready = epoll.wait(milliseconds: timeout)
            isBusy = lock.withLock { _ in step(ready) }
        }
    }

    // MARK: One step

    /// - Returns: whether there is more to do at once.
    private func step(_ ready: [Readiness]) -> Bool {
        for event in ready { note(event) }
        guard !isBroken else { return false }
        expire()
        do throws(VirtQueueError) {
            let didTake = try takeFromGuest()
            let didGive = try giveToGuest()
            try tellTransportReset()
            watch()
            if didTake || didGive { return true }
            return try prepareToSleep()
        } catch {
            isBroken = true
            for connection in table.all { drop(connection) }
            for token in greetings.keys { leave(token) }
            watch()
            signals.needsReset(error)
            return false
        }
    }

    private func note(_ event: Readiness) {
        switch event.token {
        case Token.wake:
            wake.drain()
            hasRoom = true
        case Token.listener: accept()
        default:
            if greetings[event.token] != nil { return greet(event.token) }
            guard let connection = table[token: event.token] else { return }
            if event.isWritable || event.isClosed, connection.hasPending { flush(connection) }
            if event.isReadable || event.isClosed, !readable.contains(connection.key) {
                readable.append(connection.key)
            }
        }
    }

    /// Whether something became available of which no notification comes.
    private func prepareToSleep() throws(VirtQueueError) -> Bool {
        var more = false
        if control.count < Self.maximumControl, try queues[1]?.setNotifications(true) == true { more = true }
        if !hasRoom, try queues[0]?.setNotifications(true) == true {
            hasRoom = true
            more = true
        }
        if needsTransportReset, try queues[2]?.setNotifications(true) == true { more = true }
        return more
    }

    private func patience() -> Int? {
        var deadlines = greetings.values.map(\.deadline)
        for connection in table.all {
            if case .requested(let until) = connection.phase { deadlines.append(until) }
        }
        guard let first = deadlines.min() else { return nil }
        let now = monotonicNanoseconds()
        return first > now ? Int((first - now) / 1_000_000) + 1 : 0
    }

    private func expire() {
        let now = monotonicNanoseconds()
        for (token, greeting) in greetings where greeting.deadline <= now { leave(token) }
        for connection in table.all {
            if case .requested(let until) = connection.phase, until <= now { reset(connection) }
        }
    }

    // MARK: Descriptors

    /// Waits for what there is use for, and for nothing else: epoll tells of the rest without an end.
    private func watch() {
        for connection in table.all {
            guard let descriptor = connection.descriptor else { continue }
            var wanted = connection.wanted
            // Without buffers of the guest there is nothing to read for.
            if !hasRoom || isBroken {
                wanted?.readable = false
                if wanted?.writable == false { wanted = nil }
            }
            guard wanted != connection.interest else { continue }
            if let wanted {
                if connection.interest == nil { try? epoll.add(descriptor, token: connection.token) }
                try? epoll.change(
                    descriptor, token: connection.token, readable: wanted.readable, writable: wanted.writable)
            } else {
                epoll.remove(descriptor)
            }
            connection.interest = wanted
        }
        let shouldListen = !isBroken && !table.isFull && greetings.count < Self.maximumGreetings
        guard shouldListen != listens else { return }
        if shouldListen {
            try? epoll.add(host.descriptor, token: Token.listener)
        } else {
            epoll.remove(host.descriptor)
        }
        listens = shouldListen
    }

    private func newToken() -> UInt64 {
        defer { nextToken += 1 }
        return nextToken
    }

    // MARK: Programs of the host

    private func accept() {
        while greetings.count < Self.maximumGreetings, let socket = host.accept() {
            let token = newToken()
            let greeting = VsockGreeting(socket, deadline: monotonicNanoseconds() + Self.greetingPatience)
            do throws(Errno) {
                try epoll.add(greeting.socket.raw, token: token)
                greetings[token] = greeting
            } catch {
                // No memory for one more: it is closed.
            }
        }
    }

    private func leave(_ token: UInt64) {
        if let greeting = greetings.removeValue(forKey: token) { epoll.remove(greeting.socket.raw) }
    }

    private func greet(_ token: UInt64) {
        guard let greeting = greetings[token] else { return }
        switch greeting.read() {
        case .incomplete: return
        case .wrong: leave(token)
        case .port(let port):
            let socket = try? greeting.socket.duplicate()
            leave(token)
            guard let socket, !table.isFull else { return }
            let key = VsockConnection.Key(hostPort: table.freePort(to: port), guestPort: port)
            let connection = VsockConnection(
                key, socket, token: newToken(),
                phase: .requested(until: monotonicNanoseconds() + Self.requestPatience))
            table.add(connection)
            tell(.request, connection)
        }
    }

    // MARK: To the guest

    /// Queues a packet without bytes.
    func tell(_ operation: VsockPacket.Operation, _ connection: VsockConnection, flags: UInt32 = 0) {
        var packet = VsockPacket(
            operation, from: (VsockPacket.hostCID, connection.key.hostPort), to: (cid, connection.key.guestPort))
        packet.flags = flags
        control.append(packet)
    }

    /// Answers a packet for which there is no connection.
    func refuse(_ packet: VsockPacket) {
        control.append(
            VsockPacket(
                .reset, from: (packet.destinationCID, packet.destinationPort),
                to: (packet.sourceCID, packet.sourcePort)))
    }

    /// Ends a connection, and tells the guest.
    func reset(_ connection: VsockConnection) {
        tell(.reset, connection)
        drop(connection)
    }

    /// Forgets a connection.
    func drop(_ connection: VsockConnection) {
        close(connection)
        table.remove(connection)
    }

    private func close(_ connection: VsockConnection) {
        if let descriptor = connection.descriptor, connection.interest != nil { epoll.remove(descriptor) }
        connection.interest = nil
        connection.closeSocket()
    }

    /// The host's program has gone altogether.
    func programHasGone(_ connection: VsockConnection) {
        close(connection)
        if connection.isDone { return reset(connection) }
        guard connection.hostShutdown != VsockPacket.Shutdown.both else { return }
        connection.hostShutdown = VsockPacket.Shutdown.both
        tell(.shutdown, connection, flags: VsockPacket.Shutdown.both)
    }

    /// Gives the program what waits for it.
    func flush(_ connection: VsockConnection) {
        guard connection.flush() else { return programHasGone(connection) }
        if connection.isDone { return reset(connection) }
        if connection.credit.shouldTell { tell(.creditUpdate, connection) }
    }

    /// Connects the guest with a program that listens for it.
    func connect(_ key: VsockConnection.Key, _ packet: VsockPacket) {
        guard !table.isFull, let socket = try? host.connect(port: key.hostPort) else { return refuse(packet) }
        let connection = VsockConnection(key, socket, token: newToken(), phase: .established)
        connection.credit.hear(packet)
        table.add(connection)
        tell(.response, connection)
    }

    private func giveToGuest() throws(VirtQueueError) -> Bool {
        guard var queue = queues[0] else { return false }
        var didWork = false
        for _ in 0..<Self.batch where !control.isEmpty || !readable.isEmpty {
            let before = queue
            guard let chain = try queue.next() else {
                hasRoom = false
                break
            }
            guard chain.writableCount >= UInt64(VsockPacket.size) else {
                throw VirtQueueError("a buffer of \(chain.writableCount) bytes for a packet of \(VsockPacket.size)")
            }
            let room = Int(min(chain.writableCount, UInt64(VsockPacket.maximumPayload + VsockPacket.size)))
            guard let bytes = nextPacket(room: room - VsockPacket.size) else {
                queue = before
                break
            }
            try queue.complete(chain, written: try chain.answer(bytes, in: memory))
            didWork = true
        }
        let wantsInterrupt = didWork ? try queue.needsInterrupt() : false
        queues[0] = queue
        if wantsInterrupt { signals.queueWasUsed(0) }
        return didWork
    }

    /// - Parameter room: bytes that fit behind the header.
    private func nextPacket(room: Int) -> [UInt8]? {
        while true {
            if !control.isEmpty {
                var packet = control.removeFirst()
                let key = VsockConnection.Key(hostPort: packet.sourcePort, guestPort: packet.destinationPort)
                table[key]?.credit.tell(&packet)
                return packet.bytes
            }
            guard !readable.isEmpty else { return nil }
            let key = readable.removeFirst()
            guard let connection = table[key], connection.canReceive, room > 0 else { continue }
            switch connection.read(limit: min(room, connection.credit.available, VsockPacket.maximumPayload)) {
            case .nothing: continue
            case .end:
                // What is behind it shows whether it also takes no more.
                if connection.isHungUp { programHasGone(connection) } else { endOfProgram(connection) }
            case .bytes(let bytes):
                readable.append(key)
                connection.credit.send(bytes.count)
                var packet = VsockPacket(
                    .readWrite, from: (VsockPacket.hostCID, key.hostPort), to: (cid, key.guestPort))
                packet.count = UInt32(bytes.count)
                connection.credit.tell(&packet)
                return packet.bytes + bytes
            }
        }
    }

    private func endOfProgram(_ connection: VsockConnection) {
        connection.hostShutdown |= VsockPacket.Shutdown.send
        tell(.shutdown, connection, flags: VsockPacket.Shutdown.send)
    }

    // MARK: From the guest

    private func takeFromGuest() throws(VirtQueueError) -> Bool {
        guard var queue = queues[1] else { return false }
        var didWork = false
        for _ in 0..<Self.batch where control.count < Self.maximumControl {
            guard let chain = try queue.next() else { break }
            didWork = true
            let packet = VsockPacket(try chain.copy(VsockPacket.size, from: memory))
            guard packet.count <= VsockPacket.maximumPayload,
                UInt64(packet.count) <= chain.readableCount - UInt64(VsockPacket.size)
            else { throw VirtQueueError("a packet says that it has \(packet.count) bytes, and has not") }
            let payload = try chain.readable.dropping(UInt32(VsockPacket.size)).copy(Int(packet.count), memory)
            take(packet, payload)
            try queue.complete(chain, written: 0)
        }
        let wantsInterrupt = didWork ? try queue.needsInterrupt() : false
        queues[1] = queue
        if wantsInterrupt { signals.queueWasUsed(1) }
        return didWork
    }

    /// virtio 1.2, 5.10.6.6: after a saved state was loaded.
    private func tellTransportReset() throws(VirtQueueError) {
        guard needsTransportReset, var queue = queues[2], let chain = try queue.next() else { return }
        let transportReset: [UInt8] = [0, 0, 0, 0]
        try queue.complete(chain, written: try chain.answer(transportReset, in: memory))
        needsTransportReset = false
        let wantsInterrupt = try queue.needsInterrupt()
        queues[2] = queue
        if wantsInterrupt { signals.queueWasUsed(2) }
    }
}
