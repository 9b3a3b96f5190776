import BlockStorage
import LinuxSystem
import Log
import Virtio

/// A machine's disk: its open image, and the device of each of the machine's lives.
final class MachineDisk: Sendable {
    private let source: DiskSource
    private let image: any BlockImage
    /// One for all lives: a reset grants nothing.
    private let limiter: RateLimiter
    private let account: @Sendable (BlockAccount) -> Void

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
        return BlockDevice(
            image, queues: vpCount, serial: source.serial, limiter: limiter,
            report: { Log.warning("a disk is not served", ["disk": id, "reason": $0]) }, account: account)
    }
}
