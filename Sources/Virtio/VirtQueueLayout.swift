/// Where a queue's three areas are in guest memory, as the driver told it (virtio 1.2, 2.6).
package struct VirtQueueLayout: Equatable, Sendable {
    /// Elements; a power of two for a split queue, at most 32768.
    package var size: UInt16
    /// Descriptor table, or the descriptor ring of a packed queue.
    package var descriptors: UInt64
    /// Available ring, or the driver's event suppression.
    package var driver: UInt64
    /// Used ring, or the device's event suppression.
    package var device: UInt64

    package init(size: UInt16, descriptors: UInt64, driver: UInt64, device: UInt64) {
        self.size = size
        self.descriptors = descriptors
        self.driver = driver
        self.device = device
    }
}

/// A driver broke the rules of its queue: the device needs a reset (virtio 1.2, 2.1.1, DEVICE_NEEDS_RESET).
package struct VirtQueueError: Error, Equatable, Sendable, CustomStringConvertible {
    package var description: String
    package init(_ description: String) { self.description = description }
}

/// A piece of guest memory that a descriptor names. Its bytes are the guest's: whoever uses them copies them once.
package struct GuestSegment: Equatable, Sendable {
    package var gpa: UInt64
    package var count: UInt32

    package init(gpa: UInt64, count: UInt32) {
        self.gpa = gpa
        self.count = count
    }
}

/// What the driver made available in one go: first what the device reads, then what it writes.
package struct DescriptorChain: Equatable, Sendable {
    /// What is given back with the chain: the head's index (split) or the buffer's identifier (packed).
    package var id: UInt16
    package var readable: [GuestSegment]
    package var writable: [GuestSegment]
    /// Descriptors of the ring that it takes (packed queues go on behind them).
    package var descriptorCount: UInt16

    /// Bytes; no overflow, since there are at most 2^15 segments of less than 2^32 bytes.
    package var readableCount: UInt64 { readable.reduce(0) { $0 + UInt64($1.count) } }
    package var writableCount: UInt64 { writable.reduce(0) { $0 + UInt64($1.count) } }
}

/// A chain that is given back.
struct UsedChain: Sendable {
    var id: UInt16
    var descriptorCount: UInt16
    /// Bytes that were written into its writable part.
    var written: UInt32

    init(_ chain: DescriptorChain, written: UInt32) {
        id = chain.id
        descriptorCount = chain.descriptorCount
        self.written = written
    }
}

/// The bits of a descriptor's flags.
enum DescriptorFlag {
    static let next: UInt16 = 1 << 0
    static let write: UInt16 = 1 << 1
    static let indirect: UInt16 = 1 << 2
    static let available: UInt16 = 1 << 7
    static let used: UInt16 = 1 << 15
}
