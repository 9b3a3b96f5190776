/// Features by the names that the specification gives them (virtio 1.2, 5 and 6): those that a device goes on without.
package enum FeatureNames {
    /// Of queues, whatever the device.
    private static let common: [String: UInt64] = [
        "VIRTIO_F_INDIRECT_DESC": VirtioFeature.indirectDescriptors, "VIRTIO_F_EVENT_IDX": VirtioFeature.eventIndex,
        "VIRTIO_F_RING_PACKED": VirtioFeature.ringPacked,
    ]
    private static let block: [String: UInt64] = [
        "VIRTIO_BLK_F_SIZE_MAX": BlockFeature.sizeMax, "VIRTIO_BLK_F_SEG_MAX": BlockFeature.segMax,
        "VIRTIO_BLK_F_BLK_SIZE": BlockFeature.blockSize, "VIRTIO_BLK_F_FLUSH": BlockFeature.flush,
        "VIRTIO_BLK_F_TOPOLOGY": BlockFeature.topology, "VIRTIO_BLK_F_CONFIG_WCE": BlockFeature.configurableCache,
        "VIRTIO_BLK_F_MQ": BlockFeature.multiQueue, "VIRTIO_BLK_F_DISCARD": BlockFeature.discard,
        "VIRTIO_BLK_F_WRITE_ZEROES": BlockFeature.writeZeroes,
    ]
    private static let network: [String: UInt64] = [
        "VIRTIO_NET_F_CSUM": NetFeature.checksum, "VIRTIO_NET_F_GUEST_CSUM": NetFeature.guestChecksum,
        "VIRTIO_NET_F_CTRL_GUEST_OFFLOADS": NetFeature.controlGuestOffloads, "VIRTIO_NET_F_MTU": NetFeature.mtu,
        "VIRTIO_NET_F_MAC": NetFeature.mac, "VIRTIO_NET_F_GUEST_TSO4": NetFeature.guestTSO4,
        "VIRTIO_NET_F_GUEST_TSO6": NetFeature.guestTSO6, "VIRTIO_NET_F_HOST_TSO4": NetFeature.hostTSO4,
        "VIRTIO_NET_F_HOST_TSO6": NetFeature.hostTSO6, "VIRTIO_NET_F_MRG_RXBUF": NetFeature.mergeableBuffers,
        "VIRTIO_NET_F_STATUS": NetFeature.status, "VIRTIO_NET_F_CTRL_VQ": NetFeature.controlQueue,
        "VIRTIO_NET_F_MQ": NetFeature.multiQueue, "VIRTIO_NET_F_GUEST_USO4": NetFeature.guestUSO4,
        "VIRTIO_NET_F_GUEST_USO6": NetFeature.guestUSO6, "VIRTIO_NET_F_HOST_USO": NetFeature.hostUSO,
    ]
    private static let balloon: [String: UInt64] = [
        "VIRTIO_BALLOON_F_STATS_VQ": BalloonDevice.Feature.statistics,
        "VIRTIO_BALLOON_F_DEFLATE_ON_OOM": BalloonDevice.Feature.deflateOnOOM,
        "VIRTIO_BALLOON_F_PAGE_REPORTING": BalloonDevice.Feature.pageReporting,
    ]
    private static let console: [String: UInt64] = [
        "VIRTIO_CONSOLE_F_SIZE": ConsoleDevice.Feature.size,
        "VIRTIO_CONSOLE_F_EMERG_WRITE": ConsoleDevice.Feature.emergencyWrite,
    ]
    private static let vsock: [String: UInt64] = ["VIRTIO_VSOCK_F_STREAM": VsockDevice.Feature.stream]

    /// The devices that a machine has by themselves, and the kinds of those that have an id.
    package static let devices = ["rng", "memory", "balloon", "console", "vsock"]
    package static let kinds = ["disk", "networkInterface"]

    /// The features that may be kept from the driver of a device; nil where there is no such device.
    ///
    /// - Parameter device: `rng`, or a kind and an id: `disk/root`.
    package static func features(of device: String) -> [String: UInt64]? {
        switch device {
        case "balloon": return common.merging(balloon) { own, _ in own }
        case "console": return common.merging(console) { own, _ in own }
        case "vsock": return common.merging(vsock) { own, _ in own }
        default: if devices.contains(device) { return common }
        }
        let parts = device.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, !parts[1].isEmpty else { return nil }
        switch parts[0] {
        case "disk": return common.merging(block) { own, _ in own }
        case "networkInterface": return common.merging(network) { own, _ in own }
        default: return nil
        }
    }

    /// The bits of names; a name that is not known has none.
    package static func bits(_ names: [String], of device: String) -> UInt64 {
        let known = features(of: device) ?? [:]
        return names.reduce(0) { $0 | (known[$1] ?? 0) }
    }
}
