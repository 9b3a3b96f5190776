import Testing

@testable import Virtio

/// Features that a driver is not told of.
@Suite struct FeatureNamesTests {
    @Test func namesOfDevices() throws {
        #expect(FeatureNames.bits(["VIRTIO_F_RING_PACKED", "VIRTIO_BLK_F_MQ"], of: "disk/root") == 1 << 34 | 1 << 12)
        #expect(FeatureNames.bits(["VIRTIO_NET_F_MRG_RXBUF"], of: "networkInterface/net0") == 1 << 15)
        #expect(FeatureNames.bits(["VIRTIO_BALLOON_F_PAGE_REPORTING"], of: "balloon") == 1 << 5)
        // Of another device, unknown, and one that no driver can go on without.
        #expect(FeatureNames.bits(["VIRTIO_BLK_F_MQ", "x", "VIRTIO_F_VERSION_1"], of: "rng") == 0)
        for device in ["", "disk", "disk/", "tape/0", "/root", "RNG"] {
            #expect(FeatureNames.features(of: device) == nil, "\(device)")
        }
        // No name stands for two bits, and none for a bit of the transport's.
        for device in ["rng", "balloon", "console", "vsock", "disk/x", "networkInterface/x"] {
            let features = try #require(FeatureNames.features(of: device))
            #expect(Set(features.values).count == features.count)
            #expect(features.values.allSatisfy { $0.nonzeroBitCount == 1 && $0 != VirtioFeature.version1 })
        }
    }
}
