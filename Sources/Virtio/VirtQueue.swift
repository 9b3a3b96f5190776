import GuestMemory
import Synchronization

/// One queue of a device, split or packed: takes what the driver makes available and gives it back.
///
/// For one thread: the device's. Everything in guest memory may change at any time and hold anything; each step copies
/// what it checks.
package struct VirtQueue: Sendable {
    package enum Kind: Equatable, Sendable {
        case split(SplitQueueState)
        case packed(PackedQueueState)
    }

    package let layout: VirtQueueLayout
    /// VIRTIO_F_EVENT_IDX was negotiated.
    package let usesEventIndex: Bool
    /// Where the device is in the rings: with the layout all that has to be saved.
    package private(set) var position: Kind
    let memory: GuestMemory

    /// - Throws: `VirtQueueError` for a size that is no size of a queue, and areas outside of guest memory or not
    ///   aligned.
    package init(
        _ layout: VirtQueueLayout, memory: GuestMemory, isPacked: Bool, usesEventIndex: Bool, position: Kind? = nil
    ) throws(VirtQueueError) {
        self.layout = layout
        self.memory = memory
        self.usesEventIndex = usesEventIndex
        self.position = position ?? (isPacked ? .packed(PackedQueueState()) : .split(SplitQueueState()))
        try layout.check(memory, isPacked: isPacked)
    }

    /// The next chain that the driver made available; nil when there is none.
    package mutating func next() throws(VirtQueueError) -> DescriptorChain? {
        switch position {
        case .split(var state):
            defer { position = .split(state) }
            return try state.next(self)
        case .packed(var state):
            defer { position = .packed(state) }
            return try state.next(self)
        }
    }

    /// Gives a chain back, with how many bytes were written into its writable part.
    package mutating func complete(_ chain: DescriptorChain, written: UInt32) throws(VirtQueueError) {
        try complete(CollectionOfOne(UsedChain(chain, written: written)))
    }

    /// Gives chains back, in their order; the driver sees all of them at once.
    mutating func complete(_ used: some Collection<UsedChain>) throws(VirtQueueError) {
        switch position {
        case .split(var state):
            defer { position = .split(state) }
            try state.complete(used, self)
        case .packed(var state):
            defer { position = .packed(state) }
            try state.complete(used, self)
        }
    }

    /// Whether the driver wants an interrupt for what was completed since this was asked the last time.
    package mutating func needsInterrupt() throws(VirtQueueError) -> Bool {
        // What was completed has to be seen before the look at the driver's wish: else both sides could wait.
        atomicMemoryFence(ordering: .sequentiallyConsistent)
        switch position {
        case .split(var state):
            defer { position = .split(state) }
            return try state.needsInterrupt(self)
        case .packed(var state):
            defer { position = .packed(state) }
            return try state.needsInterrupt(self)
        }
    }

    /// Goes on at an element of the rings of a split queue, before which all is given back: another has served it so far.
    mutating func goOn(at index: UInt16) {
        guard case .split = position else { return }
        position = .split(SplitQueueState(at: index))
    }

    /// Asks the driver to notify of what it makes available from now on, or not to.
    ///
    /// - Returns: true where something became available meanwhile, of which no notification may come.
    package mutating func setNotifications(_ isWanted: Bool) throws(VirtQueueError) -> Bool {
        switch position {
        case .split(let state): try state.setNotifications(isWanted, self)
        case .packed(let state): try state.setNotifications(isWanted, self)
        }
        guard isWanted else { return false }
        atomicMemoryFence(ordering: .sequentiallyConsistent)
        return switch position {
        case .split(let state): try state.isAvailable(self)
        case .packed(let state): try state.isAvailable(self)
        }
    }
}

extension VirtQueue {
    /// Carries out what is available, for a device that does so at once: on the thread of the processor that notified.
    ///
    /// - Parameter body: carries out one chain; returns how many bytes were written into its writable part.
    /// - Returns: whether the driver wants an interrupt.
    /// - Throws: `VirtQueueError` of the queue, of `body`, and where the driver adds more and more: it would keep the
    ///   processor's thread.
    mutating func serve(
        _ body: (DescriptorChain) throws(VirtQueueError) -> UInt32
    ) throws(VirtQueueError) -> Bool {
        for _ in 0..<max(16 * Int(layout.size), 256) {
            if let chain = try next() {
                try complete(chain, written: try body(chain))
            } else if try !setNotifications(true) {
                return try needsInterrupt()
            }
        }
        throw VirtQueueError("the driver adds to the queue without an end")
    }
}

extension VirtQueueLayout {
    /// The alignments are those of virtio 1.2, 2.7 and 2.8.
    fileprivate func check(_ memory: GuestMemory, isPacked: Bool) throws(VirtQueueError) {
        guard size > 0, size <= 32768, isPacked || size & (size - 1) == 0 else {
            throw VirtQueueError(
                "a queue of \(size) elements: \(isPacked ? "1 to" : "powers of two up to") 32768 are allowed")
        }
        let areas: [(name: String, gpa: UInt64, count: Int, alignment: UInt64)] =
            isPacked
            ? [
                ("descriptor ring", descriptors, 16 * Int(size), 16), ("driver area", driver, 4, 4),
                ("device area", device, 4, 4),
            ]
            : [
                ("descriptor table", descriptors, 16 * Int(size), 16), ("available ring", driver, 6 + 2 * Int(size), 2),
                ("used ring", device, 6 + 8 * Int(size), 4),
            ]
        for area in areas {
            guard area.gpa % area.alignment == 0, memory.slice(area.gpa, area.count) != nil else {
                throw VirtQueueError(
                    "a queue's \(area.name) of \(area.count) bytes at 0x\(String(area.gpa, radix: 16)) is not in guest "
                        + "memory or not aligned to \(area.alignment) bytes")
            }
        }
    }
}
