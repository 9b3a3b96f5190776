import BlockStorage
import DeviceSources
import LinuxSystem
import Log
import Synchronization
import Virtio

/// A machine's disk: its open image, and the device of each of the machine's lives.
final class MachineDisk: MachineDevice {
    private let current: Mutex<Current>
    /// Its place among the machine's, 0 to 15, while it is attached.
    let place: Int
    private let image: any BlockImage
    /// One for all lives: a reset grants nothing.
    private let limiter: RateLimiter
    private let account: @Sendable (BlockAccount) -> Void
    private let id: String
    private let serial: String
    var backing: AnyObject { image }

    private struct Current {
        var source: DiskSource
        var device: BlockDevice?
    }

    private init(
        _ source: DiskSource, _ image: any BlockImage, place: Int, account: @escaping @Sendable (BlockAccount) -> Void
    ) {
        id = source.id
        serial = source.serial
        self.place = place
        current = Mutex(Current(source: source))
        self.image = image
        self.account = account
        limiter = RateLimiter(source.rateLimit)
    }

    var source: DeviceSource { .disk(current.withLock { $0.source }) }

    /// Opens and locks the image of a disk.
    ///
    /// - Parameters:
    ///   - place: by which the observer is told of requests that ended.
    ///   - directory: where sockets are made.
    ///   - vpCount: as for `virtioDevice`.
    /// - Throws: `MachineError` that names the disk.
    static func open(
        _ source: DiskSource, place: Int, directory: String, vpCount: Int, observer: any MachineObserver
    ) throws(MachineError) -> MachineDisk {
        do throws(BlockStorageError) {
            let image = try BlockImages.open(source, directory: directory, queues: vpCount)
            return MachineDisk(source, image, place: place) { [weak observer] in
                observer?.machineDidUse(disk: place, $0)
            }
        } catch {
            throw MachineError("disk '\(source.id)': \(error)")
        }
    }

    /// With a queue for each processor.
    func virtioDevice(vpCount: Int) -> any VirtioDevice {
        let id = id
        let device = BlockDevice(
            image, queues: vpCount, serial: serial, limiter: limiter,
            report: { Log.warning("a disk is not served", ["disk": id, "reason": $0]) }, account: account)
        current.withLock { $0.device = device }
        return device
    }

    func limit(_ limit: DeviceLimit?) {
        current.withLock { current in
            var source = DeviceSource.disk(current.source)
            source.limit = limit
            if case .disk(let disk) = source { current.source = disk }
        }
        limiter.change(bytesPerSecond: limit?.bytesPerSecond, operationsPerSecond: limit?.operationsPerSecond)
    }

    /// Tells the guest where the image has another size than it had.
    func lookAtSize() {
        guard let device = current.withLock({ $0.device }) else { return }
        do throws(BlockStorageError) {
            let before = image.byteCount
            let bytes = try device.refreshSize()
            guard image.byteCount != before else { return }
            Log.info("a disk has another size", ["disk": id, "bytes": String(bytes)])
        } catch {
            Log.debug("a disk's size is not known", ["disk": id, "reason": error.description])
        }
    }
}
