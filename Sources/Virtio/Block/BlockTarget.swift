import BlockStorage
import Synchronization

/// What all queues of one block device share while they run.
final class BlockTarget: Sendable {
    let image: any BlockImage
    let geometry: BlockGeometry
    /// What the driver reads as the serial number: at most 20 bytes.
    let serial: [UInt8]
    let limiter: RateLimiter
    let account: @Sendable (BlockAccount) -> Void
    /// Sectors of 512 bytes.
    let capacity: Atomic<UInt64>
    /// Whether a write may end before it is on the disk.
    let isWriteback: Atomic<Bool>
    let bounces = BouncePool()

    init(
        _ image: any BlockImage, serial: [UInt8], limiter: RateLimiter,
        account: @escaping @Sendable (BlockAccount) -> Void
    ) {
        self.image = image
        geometry = image.geometry
        self.serial = serial
        self.limiter = limiter
        self.account = account
        capacity = Atomic(Self.sectors(of: image.byteCount, geometry))
        isWriteback = Atomic(true)
    }

    /// virtio 1.2, 5.2.6.2: without flushes, or with the cache off, what is answered is on the disk.
    func writesAreDurable(_ features: UInt64) -> Bool {
        features & BlockFeature.flush == 0 || !isWriteback.load(ordering: .relaxed)
    }

    /// Whole logical blocks only: what is left at the end of a file can't be read in one.
    static func sectors(of bytes: UInt64, _ geometry: BlockGeometry) -> UInt64 {
        let block = UInt64(max(geometry.logicalBlockSize, Int(BlockLimit.sector)))
        return bytes / block * (block / BlockLimit.sector)
    }
}

/// One request that has ended.
package struct BlockAccount: Equatable, Sendable {
    package enum Kind: Int, CaseIterable, Sendable {
        case read, write, flush, discard
    }

    package var kind: Kind
    /// Bytes read, written or discarded; 0 for a request that failed.
    package var bytes: UInt64
    package var hasFailed: Bool
}
