import GuestMemory
import Synchronization

/// Where a device is in a split queue (virtio 1.2, 2.7).
package struct SplitQueueState: Equatable, Sendable {
    /// The next element of the available ring.
    var nextAvailable: UInt16 = 0
    /// The next element of the used ring.
    var nextUsed: UInt16 = 0
    /// `nextUsed` when an interrupt was last decided about.
    var signalledUsed: UInt16 = 0

    package init() {}

    /// All before an element was given back.
    init(at index: UInt16) { (nextAvailable, nextUsed, signalledUsed) = (index, index, index) }

    private enum Flag {
        /// In the available ring: no interrupts. In the used ring: no notifications.
        static let suppress: UInt16 = 1
    }

    func isAvailable(_ queue: VirtQueue) throws(VirtQueueError) -> Bool {
        let index = try queue.memory.queueField(queue.layout.driver, 2, UInt16.self)
        // More than there are elements can't be outstanding.
        guard index &- nextAvailable <= queue.layout.size else {
            throw VirtQueueError(
                "the available ring went from \(nextAvailable) to \(index) in a queue of \(queue.layout.size)")
        }
        return index != nextAvailable
    }

    mutating func next(_ queue: VirtQueue) throws(VirtQueueError) -> DescriptorChain? {
        guard try isAvailable(queue) else { return nil }
        // The index before the element: the driver writes them in the other order.
        atomicMemoryFence(ordering: .acquiring)
        let slot = UInt64(nextAvailable % queue.layout.size)
        let head = try queue.memory.queueField(queue.layout.driver, 4 + 2 * slot, UInt16.self)
        let chain = try Self.chain(from: head, queue)
        nextAvailable &+= 1
        return chain
    }

    private static func chain(from head: UInt16, _ queue: VirtQueue) throws(VirtQueueError) -> DescriptorChain {
        var builder = ChainBuilder(queueSize: queue.layout.size)
        try collect(from: head, table: queue.layout.descriptors, count: queue.layout.size, queue, &builder, depth: 0)
        return DescriptorChain(
            id: head, readable: builder.readable, writable: builder.writable, descriptorCount: 0)
    }

    private static func collect(
        from head: UInt16, table: UInt64, count: UInt16, _ queue: VirtQueue, _ builder: inout ChainBuilder, depth: Int
    ) throws(VirtQueueError) {
        var index = head
        // As many steps as the table has entries: a chain that is longer is a loop.
        for _ in 0..<count {
            guard index < count else {
                throw VirtQueueError("descriptor \(index) of a table of \(count)")
            }
            let descriptor = try RawDescriptor(queue.memory, at: table &+ UInt64(index) * UInt64(RawDescriptor.size))
            let flags = descriptor.first
            if flags & DescriptorFlag.indirect != 0 {
                guard depth == 0, flags & DescriptorFlag.next == 0 else {
                    throw VirtQueueError("an indirect descriptor inside an indirect table, or with a next one")
                }
                let entries = descriptor.count / UInt32(RawDescriptor.size)
                guard descriptor.count % UInt32(RawDescriptor.size) == 0, entries > 0, entries <= 32768 else {
                    throw VirtQueueError("an indirect table of \(descriptor.count) bytes")
                }
                return try collect(
                    from: 0, table: descriptor.address, count: UInt16(entries), queue, &builder, depth: 1)
            }
            try builder.add(
                gpa: descriptor.address, count: descriptor.count, isWritable: flags & DescriptorFlag.write != 0)
            if flags & DescriptorFlag.next == 0 { return }
            index = descriptor.second
        }
        throw VirtQueueError("a descriptor chain that never ends")
    }

    mutating func complete(_ used: some Collection<UsedChain>, _ queue: VirtQueue) throws(VirtQueueError) {
        for chain in used {
            let slot = UInt64(nextUsed % queue.layout.size)
            try queue.memory.setQueueField(queue.layout.device, 4 + 8 * slot, UInt32(chain.id))
            try queue.memory.setQueueField(queue.layout.device, 8 + 8 * slot, chain.written)
            nextUsed &+= 1
        }
        // The elements before the index: the driver reads them in the other order.
        atomicMemoryFence(ordering: .releasing)
        try queue.memory.setQueueField(queue.layout.device, 2, nextUsed)
    }

    mutating func needsInterrupt(_ queue: VirtQueue) throws(VirtQueueError) -> Bool {
        let (old, new) = (signalledUsed, nextUsed)
        signalledUsed = new
        guard old != new else { return false }
        guard queue.usesEventIndex else {
            return try queue.memory.queueField(queue.layout.driver, 0, UInt16.self) & Flag.suppress == 0
        }
        let event = try queue.memory.queueField(queue.layout.driver, 4 + 2 * UInt64(queue.layout.size), UInt16.self)
        // Whether `event` is among the indices from `old` up to before `new` (virtio 1.2, 2.7.7.2).
        return new &- event &- 1 < new &- old
    }

    func setNotifications(_ isWanted: Bool, _ queue: VirtQueue) throws(VirtQueueError) {
        guard queue.usesEventIndex else {
            return try queue.memory.setQueueField(queue.layout.device, 0, isWanted ? 0 : Flag.suppress)
        }
        // Without a wish the old index stays, which lies behind and so is not reached again.
        guard isWanted else { return }
        try queue.memory.setQueueField(
            queue.layout.device, 4 + 8 * UInt64(queue.layout.size), nextAvailable)
    }
}
