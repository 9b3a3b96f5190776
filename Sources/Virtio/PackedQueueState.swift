import GuestMemory
import Synchronization

/// Where a device is in a packed queue (virtio 1.2, 2.8).
package struct PackedQueueState: Equatable, Sendable {
    /// The next element to look for an available descriptor in, and the wrap counter there.
    var nextAvailable: UInt16 = 0
    var availableWrap = true
    /// The next element to write a used descriptor into, and the wrap counter there.
    var nextUsed: UInt16 = 0
    var usedWrap = true
    /// Where `nextUsed` was when an interrupt was last decided about.
    var signalledUsed: UInt16 = 0
    var signalledWrap = true

    package init() {}

    private enum Event {
        static let enable: UInt16 = 0
        static let disable: UInt16 = 1
        static let descriptor: UInt16 = 2
        static let wrap: UInt16 = 1 << 15
    }

    func isAvailable(_ queue: VirtQueue) throws(VirtQueueError) -> Bool {
        let flags = try queue.memory.queueField(
            queue.layout.descriptors, UInt64(nextAvailable) * UInt64(RawDescriptor.size) + 14, UInt16.self)
        let isAvailable = flags & DescriptorFlag.available != 0
        let isUsed = flags & DescriptorFlag.used != 0
        return isAvailable == availableWrap && isUsed != availableWrap
    }

    mutating func next(_ queue: VirtQueue) throws(VirtQueueError) -> DescriptorChain? {
        guard try isAvailable(queue) else { return nil }
        // The flags before the rest: the driver writes them in the other order.
        atomicMemoryFence(ordering: .acquiring)
        var builder = ChainBuilder(queueSize: queue.layout.size)
        var index = nextAvailable
        for count in 1...queue.layout.size {
            let place = queue.layout.descriptors &+ UInt64(index) * UInt64(RawDescriptor.size)
            let descriptor = try RawDescriptor(queue.memory, at: place)
            let flags = descriptor.second
            if flags & DescriptorFlag.indirect != 0 {
                guard count == 1, flags & DescriptorFlag.next == 0 else {
                    throw VirtQueueError("an indirect descriptor in a chain")
                }
                try Self.collect(descriptor, queue, &builder)
            } else {
                try builder.add(
                    gpa: descriptor.address, count: descriptor.count, isWritable: flags & DescriptorFlag.write != 0)
            }
            index = index + 1 == queue.layout.size ? 0 : index + 1
            // The identifier counts in the last descriptor.
            guard flags & DescriptorFlag.next == 0 else { continue }
            let chain = DescriptorChain(
                id: descriptor.first, readable: builder.readable, writable: builder.writable, descriptorCount: count)
            Self.advance(&nextAvailable, &availableWrap, by: count, queue)
            return chain
        }
        throw VirtQueueError("a descriptor chain that never ends")
    }

    /// All of the table belongs to the chain; its order is the chain's, and its "next" flags mean nothing.
    private static func collect(
        _ table: RawDescriptor, _ queue: VirtQueue, _ builder: inout ChainBuilder
    ) throws(VirtQueueError) {
        let entries = table.count / UInt32(RawDescriptor.size)
        guard table.count % UInt32(RawDescriptor.size) == 0, entries > 0, entries <= UInt32(queue.layout.size) else {
            throw VirtQueueError("an indirect table of \(table.count) bytes in a queue of \(queue.layout.size)")
        }
        for index in 0..<UInt64(entries) {
            let descriptor = try RawDescriptor(queue.memory, at: table.address &+ index * UInt64(RawDescriptor.size))
            guard descriptor.second & DescriptorFlag.indirect == 0 else {
                throw VirtQueueError("an indirect descriptor inside an indirect table")
            }
            try builder.add(
                gpa: descriptor.address, count: descriptor.count,
                isWritable: descriptor.second & DescriptorFlag.write != 0)
        }
    }

    mutating func complete(_ used: some Collection<UsedChain>, _ queue: VirtQueue) throws(VirtQueueError) {
        var first: (place: UInt64, flags: UInt16)?
        for chain in used {
            let place = UInt64(nextUsed) * UInt64(RawDescriptor.size)
            try queue.memory.setQueueField(queue.layout.descriptors, place + 8, chain.written)
            try queue.memory.setQueueField(queue.layout.descriptors, place + 12, chain.id)
            var flags: UInt16 = usedWrap ? DescriptorFlag.available | DescriptorFlag.used : 0
            if chain.written > 0 { flags |= DescriptorFlag.write }
            if first == nil {
                first = (place, flags)
            } else {
                try queue.memory.setQueueField(queue.layout.descriptors, place + 14, flags)
            }
            Self.advance(&nextUsed, &usedWrap, by: max(chain.descriptorCount, 1), queue)
        }
        guard let first else { return }
        // The rest before the first one's flags, at which the driver looks first.
        atomicMemoryFence(ordering: .releasing)
        try queue.memory.setQueueField(queue.layout.descriptors, first.place + 14, first.flags)
    }

    mutating func needsInterrupt(_ queue: VirtQueue) throws(VirtQueueError) -> Bool {
        let old = signalledUsed
        let hasWrapped = signalledWrap != usedWrap
        guard old != nextUsed || hasWrapped else { return false }
        signalledUsed = nextUsed
        signalledWrap = usedWrap
        let flags = try queue.memory.queueField(queue.layout.driver, 2, UInt16.self)
        switch flags & 3 {
        case Event.disable: return false
        case Event.descriptor where queue.usesEventIndex:
            let value = try queue.memory.queueField(queue.layout.driver, 0, UInt16.self)
            let wantsWrap = value & Event.wrap != 0
            let size = Int(queue.layout.size)
            // Positions since the last decision, counted on: the wish may lie behind the ring's end.
            let first = Int(old)
            let last = Int(nextUsed) + (hasWrapped ? size : 0)
            var event = Int(value & ~Event.wrap)
            if wantsWrap == usedWrap, hasWrapped { event += size }
            return event >= first && event < last
        default: return true
        }
    }

    func setNotifications(_ isWanted: Bool, _ queue: VirtQueue) throws(VirtQueueError) {
        if isWanted, queue.usesEventIndex {
            let position = nextAvailable | (availableWrap ? Event.wrap : 0)
            try queue.memory.setQueueField(queue.layout.device, 0, position)
            atomicMemoryFence(ordering: .releasing)
            return try queue.memory.setQueueField(queue.layout.device, 2, Event.descriptor)
        }
        try queue.memory.setQueueField(queue.layout.device, 2, isWanted ? Event.enable : Event.disable)
    }

    private static func advance(_ index: inout UInt16, _ wrap: inout Bool, by count: UInt16, _ queue: VirtQueue) {
        // Both are at most 32768: no overflow in Int.
        let sum = Int(index) + Int(count)
        let size = Int(queue.layout.size)
        index = UInt16(sum % size)
        if sum >= size { wrap.toggle() }
    }
}
