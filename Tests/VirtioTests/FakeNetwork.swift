import Glibc
import LinuxSystem
import NetworkBackends

/// A network in memory: what is sent can be looked at, what is to be received is put in.
final class FakeNetwork: NetworkBackend {
    struct Settings: Equatable {
        var receiveOffloads: NetworkOffloads = []
        var active = 0
        /// How often something was set.
        var changes = 0
        /// What the next changes of settings fail with.
        var failure: Errno?
    }

    let offloads: NetworkOffloads
    let mtu: Int
    let fakes: [FakeNetworkQueue]
    var queues: [any NetworkQueue] { fakes }
    let settings = Monitor(Settings())

    init(
        queues: Int = 1, offloads: NetworkOffloads = [.checksum, .tcp4, .tcp6, .udp], mtu: Int = 1500
    ) throws {
        self.offloads = offloads
        self.mtu = mtu
        fakes = try (0..<queues).map { _ in try FakeNetworkQueue() }
    }

    func setReceiveOffloads(_ offloads: NetworkOffloads) throws(Errno) {
        if let failure = settings.read({ $0.failure }) { throw failure }
        settings.withLock {
            $0.receiveOffloads = offloads
            $0.changes += 1
        }
    }

    func setActive(queues count: Int) throws(Errno) {
        if let failure = settings.read({ $0.failure }) { throw failure }
        settings.withLock {
            $0.active = count
            $0.changes += 1
        }
    }
}

final class FakeNetworkQueue: NetworkQueue {
    struct State {
        var incoming: [[UInt8]] = []
        var sent: [[UInt8]] = []
        var failure: Errno?
        var receives = 0
    }

    let state = Monitor(State())
    private let event: EventFD

    init() throws { event = try EventFD() }

    var descriptor: Int32 { event.raw }

    /// - Parameter packet: with virtio's header.
    func put(_ packet: [UInt8]) {
        state.withLock { $0.incoming.append(packet) }
        event.signal()
    }

    func fail(_ failure: Errno?) {
        state.withLock { $0.failure = failure }
        event.signal()
    }

    func send(_ parts: UnsafeBufferPointer<iovec>) throws(Errno) {
        if let failure = state.read({ $0.failure }) { throw failure }
        var packet: [UInt8] = []
        for part in parts { packet += UnsafeRawBufferPointer(start: part.iov_base, count: part.iov_len) }
        state.withLock { $0.sent.append(packet) }
    }

    func receive(_ buffer: UnsafeMutableRawBufferPointer) throws(Errno) -> Int? {
        let (packet, failure) = state.withLock { state -> ([UInt8]?, Errno?) in
            state.receives += 1
            guard state.failure == nil, !state.incoming.isEmpty else { return (nil, state.failure) }
            return (state.incoming.removeFirst(), nil)
        }
        if let failure { throw failure }
        guard let packet else {
            event.drain()
            // One that came before the drain: its signal may be gone.
            if state.read({ !$0.incoming.isEmpty }) { event.signal() }
            return nil
        }
        buffer.copyBytes(from: packet.prefix(buffer.count))
        return min(packet.count, buffer.count)
    }
}
