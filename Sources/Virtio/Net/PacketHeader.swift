import NetworkBackends

/// The header in front of each packet (virtio 1.2, 5.1.6): what is left to the one who gets it.
struct PacketHeader {
    static let size = 12
    /// Where the number of buffers is.
    static let buffersOffset = 10

    enum Flag {
        static let needsChecksum: UInt8 = 1
        static let dataIsValid: UInt8 = 2
    }

    enum Segmentation {
        static let none: UInt8 = 0
        static let tcp4: UInt8 = 1
        static let tcp6: UInt8 = 4
        static let udp: UInt8 = 5
    }

    var flags: UInt8
    var segmentation: UInt8

    /// - Parameter bytes: at least two.
    init(_ bytes: UnsafeRawBufferPointer) {
        flags = bytes[0]
        segmentation = bytes[1]
    }

    var isSegmented: Bool { segmentation != Segmentation.none }

    /// Whether the one who gets the packet said that it takes what is left to it.
    func isAllowed(_ offloads: NetworkOffloads) -> Bool {
        if flags & Flag.needsChecksum != 0, !offloads.contains(.checksum) { return false }
        return switch segmentation {
        case Segmentation.none: true
        case Segmentation.tcp4: offloads.contains(.tcp4)
        case Segmentation.tcp6: offloads.contains(.tcp6)
        case Segmentation.udp: offloads.contains(.udp)
        default: false
        }
    }
}

/// What went through a device since the last report.
package struct NetAccount: Equatable, Sendable {
    /// One direction, as the guest sees it. Bytes are those of packets without virtio's header.
    package struct Direction: Equatable, Sendable {
        package var packets: UInt64 = 0
        package var bytes: UInt64 = 0
        /// Packets that went nowhere.
        package var dropped: UInt64 = 0
        package init() {}
    }

    package var received = Direction()
    package var sent = Direction()
    /// Packets dropped because their source address was another one; they are counted in `sent.dropped` too.
    package var spoofed: UInt64 = 0

    package init() {}
}
