import NetworkBackends

/// The feature bits of a network device (virtio 1.2, 5.1.3).
package enum NetFeature {
    package static let checksum: UInt64 = 1 << 0
    package static let guestChecksum: UInt64 = 1 << 1
    package static let controlGuestOffloads: UInt64 = 1 << 2
    package static let mtu: UInt64 = 1 << 3
    package static let mac: UInt64 = 1 << 5
    package static let guestTSO4: UInt64 = 1 << 7
    package static let guestTSO6: UInt64 = 1 << 8
    package static let hostTSO4: UInt64 = 1 << 11
    package static let hostTSO6: UInt64 = 1 << 12
    package static let mergeableBuffers: UInt64 = 1 << 15
    package static let status: UInt64 = 1 << 16
    package static let controlQueue: UInt64 = 1 << 17
    package static let multiQueue: UInt64 = 1 << 22
    package static let guestUSO4: UInt64 = 1 << 54
    package static let guestUSO6: UInt64 = 1 << 55
    package static let hostUSO: UInt64 = 1 << 56

    /// The bits that a driver can switch while it runs (5.1.6.5.6).
    static let guestOffloads = guestChecksum | guestTSO4 | guestTSO6 | guestUSO4 | guestUSO6

    /// What a device offers on a backend.
    static func offered(_ backend: NetworkOffloads, pairs: Int) -> UInt64 {
        var features = mtu | mac | mergeableBuffers | status | controlQueue
        if pairs > 1 { features |= multiQueue }
        guard backend.contains(.checksum) else { return features }
        features |= checksum | guestChecksum | controlGuestOffloads
        if backend.contains(.tcp4) { features |= guestTSO4 | hostTSO4 }
        if backend.contains(.tcp6) { features |= guestTSO6 | hostTSO6 }
        if backend.contains(.udp) { features |= guestUSO4 | guestUSO6 | hostUSO }
        return features
    }

    /// Without those that need another one that is not there (5.1.3.1).
    static func consistent(_ features: UInt64) -> UInt64 {
        var features = features
        let needs: [(UInt64, UInt64)] = [
            (checksum, hostTSO4 | hostTSO6 | hostUSO), (guestChecksum, guestTSO4 | guestTSO6 | guestUSO4 | guestUSO6),
            (controlQueue, multiQueue | controlGuestOffloads),
        ]
        for (needed, by) in needs where features & needed == 0 { features &= ~by }
        return features
    }

    /// What the driver may leave to us.
    static func sendOffloads(_ features: UInt64) -> NetworkOffloads {
        // Without checksums there is no segmentation, whatever a driver says that took no notice (5.1.3.1).
        guard features & checksum != 0 else { return [] }
        var offloads: NetworkOffloads = .checksum
        if features & hostTSO4 != 0 { offloads.insert(.tcp4) }
        if features & hostTSO6 != 0 { offloads.insert(.tcp6) }
        if features & hostUSO != 0 { offloads.insert(.udp) }
        return offloads
    }

    /// What we may leave to the driver.
    static func receiveOffloads(_ features: UInt64) -> NetworkOffloads {
        guard features & guestChecksum != 0 else { return [] }
        var offloads: NetworkOffloads = .checksum
        if features & guestTSO4 != 0 { offloads.insert(.tcp4) }
        if features & guestTSO6 != 0 { offloads.insert(.tcp6) }
        // Backends know both or none.
        if features & guestUSO4 != 0, features & guestUSO6 != 0 { offloads.insert(.udp) }
        return offloads
    }
}

/// What a device allows.
enum NetLimit {
    /// Elements of a queue of packets.
    static let queueSize: UInt16 = 256
    static let controlQueueSize: UInt16 = 64
    /// Bytes of the largest packet with its Ethernet header and tags (5.1.6.3.1), and room to see one that is larger.
    static let packetSize = 65550
    static let bufferSize = 68 << 10
    /// The Ethernet header and two tags, which do not count as MTU.
    static let linkHeader = 22
    /// Packets of one direction before the other has its turn.
    static let turn = 64
    /// After a failure the backend is left alone so long, in nanoseconds.
    static let pause: UInt64 = 500_000_000
}

/// The device's configuration as the driver reads it (virtio 1.2, 5.1.4).
struct NetConfiguration {
    let bytes: [UInt8]

    private static let linkIsUp: UInt16 = 1

    init(mac: MACAddress, pairs: Int, mtu: Int) {
        func little(_ value: UInt16) -> [UInt8] { [UInt8(truncatingIfNeeded: value), UInt8(value >> 8)] }
        bytes =
            mac.bytes + little(Self.linkIsUp) + little(UInt16(clamping: pairs)) + little(UInt16(clamping: mtu))
    }
}
