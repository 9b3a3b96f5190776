import BlockStorage

/// The feature bits of a block device (virtio 1.2, 5.2.3).
package enum BlockFeature {
    package static let sizeMax: UInt64 = 1 << 1
    package static let segMax: UInt64 = 1 << 2
    package static let readOnly: UInt64 = 1 << 5
    package static let blockSize: UInt64 = 1 << 6
    package static let flush: UInt64 = 1 << 9
    package static let topology: UInt64 = 1 << 10
    package static let configurableCache: UInt64 = 1 << 11
    package static let multiQueue: UInt64 = 1 << 12
    package static let discard: UInt64 = 1 << 13
    package static let writeZeroes: UInt64 = 1 << 14

    /// What a device offers on an image.
    static func offered(isReadOnly: Bool, queues: Int) -> UInt64 {
        var features = sizeMax | segMax | blockSize | flush | topology | configurableCache
        features |= isReadOnly ? readOnly : discard | writeZeroes
        if queues > 1 { features |= multiQueue }
        return features
    }
}

/// What a device allows in one request, and says so in its configuration.
enum BlockLimit {
    static let sector: UInt64 = 512
    /// Elements of a queue.
    static let queueSize: UInt16 = 256
    /// Data segments of a request: the header and the status have one each.
    static let segments = UInt32(queueSize) - 2
    /// Bytes of a segment. As many of them as a request may have stay below `requestSize`: a driver that keeps to what
    /// the configuration says is never refused.
    static let segmentSize: UInt32 = 256 << 10
    /// Bytes of a request's data. A driver that goes beyond gets an error, so that no guest makes us hold more.
    static let requestSize: UInt64 = 64 << 20
    /// Bytes of our own that the requests of all queues of a disk have at a time, for buffers that do not suit the
    /// image. The largest request fits.
    static let bounceSize = requestSize
    static let discardSectors: UInt32 = 1 << 21
    /// Little enough to be written by hand where the file system knows no other way.
    static let writeZeroesSectors: UInt32 = 1 << 15
    /// Threads.
    static let queues = 16
}

/// The device's configuration as the driver reads it (virtio 1.2, 5.2.4).
struct BlockConfiguration {
    /// Where the driver's choice of the cache is.
    static let writebackOffset = 32

    let bytes: [UInt8]

    /// - Parameter capacity: sectors of 512 bytes.
    init(capacity: UInt64, geometry: BlockGeometry, isWriteback: Bool, queues: Int) {
        var bytes: [UInt8] = []
        func add(_ value: some FixedWidthInteger & UnsignedInteger) {
            for byte in 0..<value.bitWidth / 8 { bytes.append(UInt8(truncatingIfNeeded: value >> (8 * byte))) }
        }
        add(capacity)
        add(BlockLimit.segmentSize)
        add(BlockLimit.segments)
        // Cylinders, heads and sectors, which nothing has any more.
        add(UInt32(0))
        add(UInt32(clamping: geometry.logicalBlockSize))
        // Topology: the exponent of the physical block, no offset, the least and the best size in logical blocks.
        let blocks = max(geometry.physicalBlockSize / max(geometry.logicalBlockSize, 1), 1)
        add(UInt8(clamping: blocks.trailingZeroBitCount))
        add(UInt8(0))
        add(UInt16(clamping: blocks))
        add(UInt32(clamping: blocks))
        add(UInt8(isWriteback ? 1 : 0))
        add(UInt8(0))
        add(UInt16(clamping: queues))
        let sectors = UInt32(clamping: geometry.logicalBlockSize / Int(BlockLimit.sector))
        add(BlockLimit.discardSectors)
        add(UInt32(1))
        add(max(sectors, UInt32(clamping: geometry.physicalBlockSize / Int(BlockLimit.sector))))
        add(BlockLimit.writeZeroesSectors)
        add(UInt32(1))
        add(UInt8(1))
        self.bytes = bytes
    }
}
