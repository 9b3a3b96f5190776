import BlockStorage
import GuestMemory
import LinuxSystem
import Synchronization

/// virtio-blk (virtio 1.2, 5.2): a disk with a thread for each queue, so that no processor waits for the image.
package final class BlockDevice: VirtioDevice {
    package let deviceType: UInt16 = 2
    package let features: UInt64
    package let queueSizes: [UInt16]
    private let target: BlockTarget
    private let report: @Sendable (String) -> Void
    private let running = Mutex<Running?>(nil)

    private struct Running {
        var queues: [BlockQueueThread?]
        let features: UInt64
        let memory: GuestMemory
        let signals: any VirtioSignals
    }

    /// - Parameters:
    ///   - queues: how many; a value outside of 1 to 16 is taken as the nearer end.
    ///   - serial: what the driver reads as the serial number; the first 20 bytes count.
    ///   - withheld: feature bits of the device that are not offered.
    ///   - report: is given a line where a thread or its way to the image could not be had.
    ///   - account: is told of each request that ended, on the queue's thread.
    package init(
        _ image: any BlockImage, queues: Int, serial: String, limiter: RateLimiter = RateLimiter(nil),
        withheld: UInt64 = 0, report: @escaping @Sendable (String) -> Void = { _ in },
        account: @escaping @Sendable (BlockAccount) -> Void = { _ in }
    ) {
        let count = min(max(queues, 1), BlockLimit.queues)
        queueSizes = Array(repeating: BlockLimit.queueSize, count: count)
        features = BlockFeature.offered(isReadOnly: image.isReadOnly, queues: count) & ~withheld
        target = BlockTarget(
            image, serial: Array(serial.utf8.prefix(DiskSource.maximumSerial)), limiter: limiter, account: account)
        self.report = report
    }

    // MARK: Configuration

    private var configuration: BlockConfiguration {
        BlockConfiguration(
            capacity: target.capacity.load(ordering: .relaxed), geometry: target.geometry,
            isWriteback: target.isWriteback.load(ordering: .relaxed), queues: queueSizes.count)
    }

    package func readConfiguration(offset: Int, count: Int) -> UInt64 {
        littleEndian(configuration.bytes, offset: offset, count: count)
    }

    package func writeConfiguration(offset: Int, count: Int, value: UInt64) {
        guard offset == BlockConfiguration.writebackOffset, count == 1,
            features & BlockFeature.configurableCache != 0
        else { return }
        target.isWriteback.store(value & 1 != 0, ordering: .relaxed)
    }

    /// Looks at the image's size again and tells the driver where it is another one.
    ///
    /// - Returns: bytes that the guest sees from now on.
    @discardableResult
    package func refreshSize() throws(BlockStorageError) -> UInt64 {
        let sectors = BlockTarget.sectors(of: try target.image.refreshSize(), target.geometry)
        if target.capacity.exchange(sectors, ordering: .relaxed) != sectors {
            // With the lock held: after a stop the device is not to be heard of any more.
            running.withLock { $0?.signals.configurationChanged() }
        }
        return sectors * BlockLimit.sector
    }

    // MARK: Queues

    package func start(_ queues: [VirtQueue?], features: UInt64, memory: GuestMemory, signals: any VirtioSignals) {
        running.withLock { running in
            guard running == nil else { return }
            running = Running(
                queues: startThreads(queues, features: features, memory, signals), features: features, memory: memory,
                signals: signals)
        }
    }

    private func startThreads(
        _ queues: [VirtQueue?], wakes: [EventFD?] = [], features: UInt64, _ memory: GuestMemory,
        _ signals: any VirtioSignals
    ) -> [BlockQueueThread?] {
        queues.enumerated().map { index, queue in
            guard let queue else { return nil }
            do {
                return try BlockQueueThread(
                    queue, wake: wakes.indices.contains(index) ? wakes[index] : nil, index: index, target: target,
                    memory: memory, features: features, signals: signals,
                    report: report)
            } catch {
                report("queue \(index) of a disk has no thread: \(error)")
                signals.needsReset(VirtQueueError("the host has no thread for queue \(index)"))
                return nil
            }
        }
    }

    package func notify(queue: Int) {
        running.withLock { running in
            guard let queues = running?.queues, queues.indices.contains(queue) else { return }
            queues[queue]?.wake.signal()
        }
    }

    package func doorbell(queue: Int) -> EventFD? {
        running.withLock { running in
            guard let queues = running?.queues, queues.indices.contains(queue) else { return nil }
            return queues[queue]?.wake
        }
    }

    @discardableResult
    package func stop() -> [VirtQueue?] {
        let ended = running.withLock { running in
            defer { running = nil }
            return running?.queues ?? []
        }
        target.isWriteback.store(true, ordering: .relaxed)
        return Self.end(ended)
    }

    private static func end(_ threads: [BlockQueueThread?]) -> [VirtQueue?] {
        // All are told before the first is waited for.
        for thread in threads { thread?.requestStop() }
        return threads.map { $0?.finish() }
    }

    // MARK: State

    /// The device's whole state. What was under way is brought to its end first; the device goes on afterwards. No
    /// processor may run meanwhile.
    package func save() -> BlockDeviceState {
        running.withLock { current in
            var state = BlockDeviceState(
                features: 0, isWriteback: target.isWriteback.load(ordering: .relaxed), queues: [])
            guard var now = current else { return state }
            let queues = Self.end(now.queues)
            state.features = now.features
            state.queues = queues.map { $0.map(SavedQueue.init) }
            now.queues = startThreads(
                queues, wakes: now.queues.map { $0?.wake }, features: now.features, now.memory, now.signals)
            current = now
            return state
        }
    }

    /// Goes on from a saved state: on an image with the same contents, with the guest memory of that time.
    ///
    /// - Throws: `VirtQueueError` for a state that is not one of such a device, or does not fit the memory.
    package func load(
        _ state: BlockDeviceState, memory: GuestMemory, signals: any VirtioSignals
    ) throws(VirtQueueError) {
        let known = features | VirtioFeature.common
        guard state.features & ~known == 0, state.queues.count <= queueSizes.count else {
            throw VirtQueueError("the saved state is of a disk with other features or more queues")
        }
        let queues = try SavedQueue.restore(
            state.queues, features: state.features, limits: queueSizes, memory: memory)
        stop()
        target.isWriteback.store(state.isWriteback, ordering: .relaxed)
        guard !queues.isEmpty else { return }
        start(queues, features: state.features, memory: memory, signals: signals)
    }
}

/// A block device's state as one value: with the transport's all that has to be saved. Requests under way are not part
/// of it, because there are none when it is taken.
package struct BlockDeviceState: Equatable, Sendable {
    /// What was negotiated; 0 where the device does not run.
    package var features: UInt64
    /// The driver's choice of the cache.
    package var isWriteback: Bool
    /// By index; nil for those that the driver does not use, none where the device does not run.
    package var queues: [SavedQueue?]
}
