import Glibc
import LinuxSystem

/// What may be left to the one who gets a packet.
package struct NetworkOffloads: OptionSet, Sendable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    /// TCP's and UDP's checksums. Segmentation needs it.
    package static let checksum = NetworkOffloads(rawValue: 1)
    /// Segmentation of TCP over IPv4.
    package static let tcp4 = NetworkOffloads(rawValue: 2)
    /// Segmentation of TCP over IPv6.
    package static let tcp6 = NetworkOffloads(rawValue: 4)
    /// Segmentation of UDP over both.
    package static let udp = NetworkOffloads(rawValue: 8)
}

/// Where packets of a network device go to and come from. Each begins with the 12 bytes of virtio's header (virtio 1.2,
/// 5.1.6).
package protocol NetworkBackend: AnyObject, Sendable {
    /// What the other side takes, and can be asked to give.
    var offloads: NetworkOffloads { get }
    /// Bytes of a packet without its Ethernet header.
    var mtu: Int { get }
    /// At least one.
    var queues: [any NetworkQueue] { get }
    /// The host's name of the tap whose queues' descriptors these are, which its kernel can serve; nil: they are no tap's.
    var tap: String? { get }

    /// What packets that come from now on may leave to the one who gets them.
    func setReceiveOffloads(_ offloads: NetworkOffloads) throws(Errno)
    /// From now on packets come through the first `count` queues only.
    func setActive(queues count: Int) throws(Errno)
    /// No packets are expected any more: what was the host's before is as it was then.
    func end()
}

extension NetworkBackend {
    package var tap: String? { nil }
    package func end() {}
}

/// One queue of a backend; for one thread at a time.
package protocol NetworkQueue: AnyObject, Sendable {
    /// Readable when there is a packet to receive.
    var descriptor: Int32 { get }
    /// Sends one packet; never waits. What the other side has no room for is an `EAGAIN`.
    func send(_ parts: UnsafeBufferPointer<iovec>) throws(Errno)
    /// Receives one packet; what the buffer has no room for is lost.
    ///
    /// - Returns: its bytes; nil where there is none.
    func receive(_ buffer: UnsafeMutableRawBufferPointer) throws(Errno) -> Int?
}

/// A network of the host can't be used; a sentence for people.
package struct NetworkError: Error, Equatable, Sendable, CustomStringConvertible {
    package var description: String
    package init(_ description: String) { self.description = description }
}
