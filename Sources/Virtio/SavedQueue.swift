import GuestMemory

/// The state of a device that has nothing but its queues.
package struct QueueDeviceState: Equatable, Sendable {
    /// What was negotiated; 0 where the device does not run.
    package var features: UInt64
    /// By index; nil for those that the driver does not use, none where the device does not run.
    package var queues: [SavedQueue?]

    /// The queues, ready to go on.
    ///
    /// - Throws: `VirtQueueError` for a state of a device with other features or more queues.
    func restored(
        offered: UInt64, limits: [UInt16], memory: GuestMemory
    ) throws(VirtQueueError) -> [VirtQueue?] {
        guard features & ~(offered | VirtioFeature.common) == 0 else {
            throw VirtQueueError("the saved state is of a device with other features")
        }
        return try SavedQueue.restore(queues, features: features, limits: limits, memory: memory)
    }
}

/// A queue of a device as one value: where it is in guest memory and where the device is in it.
package struct SavedQueue: Equatable, Sendable {
    package var layout: VirtQueueLayout
    package var position: VirtQueue.Kind

    init(_ queue: VirtQueue) {
        layout = queue.layout
        position = queue.position
    }

    private var isPacked: Bool {
        if case .packed = position { return true }
        return false
    }

    /// The queues of a saved state, ready to go on.
    ///
    /// - Parameters:
    ///   - features: what was negotiated.
    ///   - limits: the most elements of each queue.
    /// - Throws: `VirtQueueError` for queues that do not go with these or with the memory.
    static func restore(
        _ saved: [SavedQueue?], features: UInt64, limits: [UInt16], memory: GuestMemory
    ) throws(VirtQueueError) -> [VirtQueue?] {
        guard saved.count <= limits.count else { throw VirtQueueError("the saved state has more queues") }
        let isPacked = features & VirtioFeature.ringPacked != 0
        var queues: [VirtQueue?] = []
        for (index, queue) in saved.enumerated() {
            guard let queue else {
                queues.append(nil)
                continue
            }
            guard queue.isPacked == isPacked, queue.layout.size <= limits[index] else {
                throw VirtQueueError("the saved state of a queue does not go with its features")
            }
            queues.append(
                try VirtQueue(
                    queue.layout, memory: memory, isPacked: isPacked,
                    usesEventIndex: features & VirtioFeature.eventIndex != 0, position: queue.position))
        }
        return queues
    }
}
