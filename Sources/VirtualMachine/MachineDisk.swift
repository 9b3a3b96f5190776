import BlockStorage
import LinuxSystem
import Log
import Synchronization
import Virtio

/// A machine's disk: its open image, and the device of each of the machine's lives.
final class MachineDisk: Sendable {
    private let source: DiskSource
    private let image: any BlockImage
    /// One for all lives: a reset grants nothing.
    private let limiter: RateLimiter
    private let account: @Sendable (BlockAccount) -> Void
    private let current = Mutex<BlockDevice?>(nil)

    private init(
        _ source: DiskSource, _ image: any BlockImage, account: @escaping @Sendable (BlockAccount) -> Void
    ) {
        self.source = source
        self.image = image
        self.account = account
        limiter = RateLimiter(source.rateLimit)
    }

    /// Opens and locks the images of all disks.
    ///
    /// - Parameter account: is told of each request that ended, with the disk's place among `sources`.
    /// - Throws: `MachineError` that names the disk.
    static func open(
        _ sources: [DiskSource], account: @escaping @Sendable (Int, BlockAccount) -> Void
    ) throws(MachineError) -> [MachineDisk] {
        var disks: [MachineDisk] = []
        for (index, source) in sources.enumerated() {
            do throws(BlockStorageError) {
                let image = try BlockImages.open(source)
                disks.append(MachineDisk(source, image) { account(index, $0) })
            } catch {
                throw MachineError("disk '\(source.id)': \(error)")
            }
        }
        return disks
    }

    /// The device for one life of the machine, with a queue for each processor.
    func device(vpCount: Int) -> BlockDevice {
        let id = source.id
        let device = BlockDevice(
            image, queues: vpCount, serial: source.serial, limiter: limiter,
            report: { Log.warning("a disk is not served", ["disk": id, "reason": $0]) }, account: account)
        current.withLock { $0 = device }
        return device
    }

    /// Tells the guest where the image has another size than it had.
    func lookAtSize() {
        guard let device = current.withLock({ $0 }) else { return }
        do throws(BlockStorageError) {
            let before = image.byteCount
            let bytes = try device.refreshSize()
            guard image.byteCount != before else { return }
            Log.info("a disk has another size", ["disk": source.id, "bytes": String(bytes)])
        } catch {
            Log.debug("a disk's size is not known", ["disk": source.id, "reason": error.description])
        }
    }
}
