/// What a guest's balloon driver tells of its memory (virtio 1.2, 5.5.6.3). All of it is the guest's word.
package struct BalloonStatistics: Equatable, Sendable {
    /// VIRTIO_BALLOON_S_*: those of virtio 1.2, and what Linux 6.12 has beside them.
    package enum Tag: UInt16, CaseIterable, Sendable {
        /// Bytes swapped in and out.
        case swapIn, swapOut
        case majorFaults, minorFaults
        /// Bytes that nobody uses, bytes in all, bytes that programs could have without swapping, bytes of files kept.
        case memoryFree, memoryTotal, memoryAvailable, diskCaches
        case hugePageAllocations, hugePageFailures
        case oomKills, allocationStalls
        /// Bytes looked at and reclaimed, by the kernel's own threads and by those that wanted memory.
        case asynchronousScans, directScans, asynchronousReclaims, directReclaims
    }

    /// By tag; those that the driver does not tell are left out.
    package var values: [Tag: UInt64] = [:]

    package init() {}

    /// Bytes of an entry: the tag and the value.
    static let entrySize = 10
    /// More bytes than these are not looked at: each tag once and much room for those of later drivers.
    static let maximumSize = 64 * entrySize

    /// Reads entries; tags that are not known are left out, and so is an entry that is cut off.
    init(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { bytes in
            for place in stride(from: 0, through: bytes.count - Self.entrySize, by: Self.entrySize) {
                let number = UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: place, as: UInt16.self))
                guard let tag = Tag(rawValue: number) else { continue }
                values[tag] = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: place + 2, as: UInt64.self))
            }
        }
    }
}

/// Where a balloon is now.
package struct BalloonNews: Equatable, Sendable {
    /// Bytes that the driver says are in the balloon.
    package var inflated: UInt64 = 0
    /// Bytes given back to the host so far, those that were taken again among them.
    package var returned: UInt64 = 0
    /// Nil where the driver has told none.
    package var statistics: BalloonStatistics?

    package init() {}
}
