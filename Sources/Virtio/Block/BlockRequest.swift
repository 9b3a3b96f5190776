import GuestMemory

/// A request of the driver (virtio 1.2, 5.2.6), with its parts told apart wherever the driver put the borders between
/// its buffers.
struct BlockRequest {
    enum Kind: Equatable {
        case read, write, flush, identify, discard, writeZeroes
        case unknown(UInt32)
    }

    enum Status {
        static let ok: UInt8 = 0
        static let ioError: UInt8 = 1
        static let unsupported: UInt8 = 2
    }

    static let headerSize = 16

    let kind: Kind
    let sector: UInt64
    /// What the driver gave beside the header, and where it wants the answer but for the status.
    let output: [GuestSegment]
    let input: [GuestSegment]
    /// Where the status goes.
    let status: UInt64
    /// Bytes.
    let outputCount: UInt64
    let inputCount: UInt64

    /// Copies the header and cuts it and the status off.
    ///
    /// - Throws: `VirtQueueError` for a chain without room for them, or with a buffer outside of guest memory.
    init(_ chain: DescriptorChain, _ memory: GuestMemory) throws(VirtQueueError) {
        try chain.readable.check(memory)
        try chain.writable.check(memory)
        guard chain.readableCount >= UInt64(Self.headerSize), chain.writableCount >= 1 else {
            throw VirtQueueError(
                "a block request of \(chain.readableCount) bytes to read and \(chain.writableCount) to write")
        }
        let header = try chain.readable.copy(Self.headerSize, memory)
        let type = header.withUnsafeBytes { UInt32(littleEndian: $0.loadUnaligned(as: UInt32.self)) }
        sector = header.withUnsafeBytes { UInt64(littleEndian: $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self)) }
        kind = Kind(type)
        output = chain.readable.dropping(UInt32(Self.headerSize))
        outputCount = chain.readableCount - UInt64(Self.headerSize)
        var input = chain.writable.filter { $0.count > 0 }
        guard var last = input.popLast() else { throw VirtQueueError("a block request without room for its status") }
        last.count -= 1
        // No overflow: the segment was found to lie in guest memory.
        status = last.gpa + UInt64(last.count)
        if last.count > 0 { input.append(last) }
        self.input = input
        inputCount = chain.writableCount - 1
    }
}

extension BlockRequest.Kind {
    init(_ type: UInt32) {
        switch type {
        case 0: self = .read
        case 1: self = .write
        case 4: self = .flush
        case 8: self = .identify
        case 11: self = .discard
        case 13: self = .writeZeroes
        default: self = .unknown(type)
        }
    }
}

/// What a discard or a write of zeros names (virtio 1.2, 5.2.6: struct virtio_blk_discard_write_zeroes).
struct BlockRange {
    static let size = 16

    var sector: UInt64
    var sectors: UInt32
    var flags: UInt32

    /// - Parameter bytes: at least 16.
    init?(_ bytes: [UInt8]) {
        guard bytes.count >= Self.size else { return nil }
        sector = bytes.withUnsafeBytes { UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self)) }
        sectors = bytes.withUnsafeBytes { UInt32(littleEndian: $0.loadUnaligned(fromByteOffset: 8, as: UInt32.self)) }
        flags = bytes.withUnsafeBytes { UInt32(littleEndian: $0.loadUnaligned(fromByteOffset: 12, as: UInt32.self)) }
    }
}
