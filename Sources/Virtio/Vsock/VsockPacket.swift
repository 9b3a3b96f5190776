/// A packet's header (virtio 1.2, 5.10.6): 44 bytes, little-endian.
struct VsockPacket: Equatable {
    enum Operation: UInt16 {
        case request = 1
        case response, reset, shutdown, readWrite, creditUpdate, creditRequest
    }

    /// Flags of `shutdown`: what the sender does no more.
    enum Shutdown {
        static let receive: UInt32 = 1 << 0
        static let send: UInt32 = 1 << 1
        static let both = receive | send
    }

    static let size = 44
    /// The only type of socket that there is: a stream.
    static let stream: UInt16 = 1
    /// The context identifier of the host.
    static let hostCID: UInt64 = 2
    /// More bytes than these are in no packet (VIRTIO_VSOCK_MAX_PKT_BUF_SIZE of Linux).
    static let maximumPayload = 64 << 10

    var sourceCID: UInt64
    var destinationCID: UInt64
    var sourcePort: UInt32
    var destinationPort: UInt32
    /// Bytes behind the header.
    var count: UInt32 = 0
    var type = VsockPacket.stream
    /// `Operation`, or what a driver made up.
    var operation: UInt16
    var flags: UInt32 = 0
    /// The sender's space for what it receives on this connection, and how much of all it received its user has taken.
    var bufferSize: UInt32 = 0
    var forwarded: UInt32 = 0

    init(
        _ operation: Operation, from source: (cid: UInt64, port: UInt32), to destination: (cid: UInt64, port: UInt32)
    ) {
        self.operation = operation.rawValue
        (sourceCID, sourcePort) = source
        (destinationCID, destinationPort) = destination
    }

    /// - Parameter bytes: `size` of them.
    init(_ bytes: [UInt8]) {
        func word<T: FixedWidthInteger>(_ offset: Int, _ type: T.Type) -> T {
            (0..<T.bitWidth / 8).reduce(0) { $0 | T(truncatingIfNeeded: bytes[offset + $1]) << T(8 * $1) }
        }
        sourceCID = word(0, UInt64.self)
        destinationCID = word(8, UInt64.self)
        sourcePort = word(16, UInt32.self)
        destinationPort = word(20, UInt32.self)
        count = word(24, UInt32.self)
        type = word(28, UInt16.self)
        operation = word(30, UInt16.self)
        flags = word(32, UInt32.self)
        bufferSize = word(36, UInt32.self)
        forwarded = word(40, UInt32.self)
    }

    var bytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Self.size)
        func add(_ value: some FixedWidthInteger) { withUnsafeBytes(of: value.littleEndian) { bytes += $0 } }
        add(sourceCID)
        add(destinationCID)
        add(sourcePort)
        add(destinationPort)
        add(count)
        add(type)
        add(operation)
        add(flags)
        add(bufferSize)
        add(forwarded)
        return bytes
    }
}
