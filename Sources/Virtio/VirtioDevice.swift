import GuestMemory
import LinuxSystem

/// What a virtio device does behind its transport.
///
/// The transport calls it from processors' threads, one call at a time.
package protocol VirtioDevice: AnyObject, Sendable {
    /// The device's number (virtio 1.2, 5).
    var deviceType: UInt16 { get }
    /// The device's own feature bits; the transport adds those of queues and of itself.
    var features: UInt64 { get }
    /// Those of queues and of the transport that the device can work with.
    var commonFeatures: UInt64 { get }
    /// Without those of `features` that need another one that is not among them (virtio 1.2, 2.2.1).
    func consistent(_ features: UInt64) -> UInt64
    /// The most elements of each queue; each a power of two.
    var queueSizes: [UInt16] { get }

    /// The device's configuration, as the driver reads it: any place, `count` bytes of 1 to 8; zeros outside.
    func readConfiguration(offset: Int, count: Int) -> UInt64
    func writeConfiguration(offset: Int, count: Int, value: UInt64)

    /// The driver is ready: from now on until `stop` the queues are the device's.
    ///
    /// - Parameters:
    ///   - queues: by index; nil for those that the driver does not use.
    ///   - features: what was negotiated.
    func start(_ queues: [VirtQueue?], features: UInt64, memory: GuestMemory, signals: any VirtioSignals)
    /// The driver made something available in a queue.
    func notify(queue: Int)
    /// What a write to the queue's notification register signals by itself, instead of `notify`, from `start` on until
    /// `stop`; nil: nothing, and every such write is a call of `notify`.
    func doorbell(queue: Int) -> EventFD?
    /// Ends the use of the queues: when it returns nothing of the device touches guest memory.
    ///
    /// - Returns: the queues with their positions, for saving.
    @discardableResult
    func stop() -> [VirtQueue?]
}

extension VirtioDevice {
    package var commonFeatures: UInt64 { VirtioFeature.common }
    package func consistent(_ features: UInt64) -> UInt64 { features }
    package func doorbell(queue: Int) -> EventFD? { nil }
}

/// `count` bytes, at most eight, of a configuration at `offset`; zeros outside.
func littleEndian(_ bytes: [UInt8], offset: Int, count: Int) -> UInt64 {
    var value: UInt64 = 0
    for index in 0..<min(count, 8) where bytes.indices.contains(offset + index) {
        value |= UInt64(bytes[offset + index]) << (8 * UInt64(index))
    }
    return value
}

/// What a device tells its driver. From any thread.
package protocol VirtioSignals: Sendable {
    /// Something was given back in a queue.
    func queueWasUsed(_ queue: Int)
    func configurationChanged()
    /// The driver broke a rule: it has to reset the device.
    func needsReset(_ reason: VirtQueueError)
    /// How somebody else can tell the driver that something was given back in a queue.
    func interrupt(ofQueue queue: Int) -> VirtioInterrupt
}

extension VirtioSignals {
    package func interrupt(ofQueue queue: Int) -> VirtioInterrupt { .call }
}

/// The interrupt of a queue.
package enum VirtioInterrupt: Sendable {
    /// The driver wants none.
    case none
    /// A signal of the eventfd; one while the vector is masked comes when it no longer is.
    case event(EventFD)
    /// `VirtioSignals.queueWasUsed` alone.
    case call
}

/// Feature bits that do not belong to one type of device (virtio 1.2, 6).
package enum VirtioFeature {
    package static let indirectDescriptors: UInt64 = 1 << 28
    package static let eventIndex: UInt64 = 1 << 29
    package static let version1: UInt64 = 1 << 32
    package static let ringPacked: UInt64 = 1 << 34

    /// What every device offers.
    package static let common = indirectDescriptors | eventIndex | version1 | ringPacked
}

/// The device status (virtio 1.2, 2.1).
enum VirtioStatus {
    static let acknowledge: UInt8 = 1
    static let driver: UInt8 = 2
    static let driverOK: UInt8 = 4
    static let featuresOK: UInt8 = 8
    static let needsReset: UInt8 = 64
    static let failed: UInt8 = 128
}
