/// The flow control of one connection (virtio 1.2, 5.10.6.3): who may send how much. All counters go round at 2^32.
struct VsockCredit: Equatable {
    /// Bytes that the device keeps of a connection until its other side takes them.
    static let bufferSize: UInt32 = 256 << 10
    /// The driver is told again when so much was taken since it was told last.
    private static let step = bufferSize / 4

    /// What the driver said of its space.
    private var peerSize: UInt32 = 0
    private var peerForwarded: UInt32 = 0
    /// Bytes sent to the driver.
    private var sent: UInt32 = 0
    /// Bytes received from it, those of them that were taken, and what it knows of these.
    private var received: UInt32 = 0
    private(set) var forwarded: UInt32 = 0
    private var told: UInt32 = 0

    /// Bytes that the driver has room for. One that says that it took more than it got, or that its space became smaller
    /// than what is in it, has none.
    var available: Int {
        let outstanding = sent &- peerForwarded
        return outstanding < peerSize ? Int(peerSize - outstanding) : 0
    }

    /// Whether the driver should be told how much was taken.
    var shouldTell: Bool { forwarded &- told >= Self.step }

    /// Takes what a packet says of the driver's space.
    mutating func hear(_ packet: VsockPacket) {
        peerSize = packet.bufferSize
        peerForwarded = packet.forwarded
    }

    /// The driver sent bytes.
    ///
    /// - Returns: false where it had no room for them.
    mutating func receive(_ count: Int) -> Bool {
        guard count <= Int(Self.bufferSize) - Int(received &- forwarded) else { return false }
        received &+= UInt32(count)
        return true
    }

    /// Bytes of those were taken.
    mutating func forward(_ count: Int) { forwarded &+= UInt32(count) }

    mutating func send(_ count: Int) { sent &+= UInt32(count) }

    /// Puts into a packet what the driver is to know.
    mutating func tell(_ packet: inout VsockPacket) {
        packet.bufferSize = Self.bufferSize
        packet.forwarded = forwarded
        told = forwarded
    }
}
