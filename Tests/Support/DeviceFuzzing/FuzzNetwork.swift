import Glibc
import LinuxSystem
import NetworkBackends

/// A network that always has a packet to receive, and where what is sent is lost.
final class FuzzNetwork: NetworkBackend {
    let offloads: NetworkOffloads = [.checksum, .tcp4, .tcp6, .udp]
    let mtu = 1500
    let queues: [any NetworkQueue]

    init() throws(Errno) { queues = [try Queue()] }

    func setReceiveOffloads(_ offloads: NetworkOffloads) throws(Errno) {}
    func setActive(queues count: Int) throws(Errno) {}

    private final class Queue: NetworkQueue {
        private let event: EventFD

        init() throws(Errno) {
            event = try EventFD()
            event.signal()
        }

        var descriptor: Int32 { event.raw }

        func send(_ parts: UnsafeBufferPointer<iovec>) throws(Errno) {}

        /// A header of zeros, and a packet of as many bytes as fit into an Ethernet frame.
        func receive(_ buffer: UnsafeMutableRawBufferPointer) throws(Errno) -> Int? {
            let count = min(12 + 1514, buffer.count)
            guard let base = buffer.baseAddress else { return nil }
            // Sound: `count` is at most the buffer's.
            memset(base, 0, count)
            return count
        }
    }
}
