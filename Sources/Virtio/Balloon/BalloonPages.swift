import GuestMemory

/// Which pages a balloon's driver names, in the form in which they are given back.
enum BalloonPages {
    /// Bytes of a page, whatever the guest's or the host's own are (virtio 1.2, 5.5.6).
    static let size: UInt64 = 4096
    /// The most that one chain may name: Linux names 256.
    static let maximumCount = 16384

    /// Page numbers as the driver writes them, copied once.
    ///
    /// - Throws: `VirtQueueError` for a list that is no whole number of pages or too long, or outside of guest memory.
    static func numbers(_ chain: DescriptorChain, _ memory: GuestMemory) throws(VirtQueueError) -> [UInt32] {
        let count = chain.readableCount
        guard count.isMultiple(of: 4), count <= UInt64(4 * maximumCount) else {
            throw VirtQueueError("a list of pages of \(count) bytes: at most \(maximumCount) of 4 bytes are taken")
        }
        let bytes = try chain.readable.copy(Int(count), memory)
        return bytes.withUnsafeBytes { bytes in
            stride(from: 0, to: bytes.count, by: 4).map {
                UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: $0, as: UInt32.self))
            }
        }
    }

    /// The pages as few ranges of guest addresses: sorted, each page once. None goes over a boundary at which one part
    /// of a guest's memory could end and the next begin.
    static func ranges(_ numbers: [UInt32]) -> [Range<UInt64>] {
        var ranges: [Range<UInt64>] = []
        for number in numbers.sorted() {
            let page = UInt64(number) * size
            if let last = ranges.last {
                if page < last.upperBound { continue }
                if page == last.upperBound, !page.isMultiple(of: GrowthRegion.blockSize) {
                    ranges[ranges.count - 1] = last.lowerBound..<(page + size)
                    continue
                }
            }
            ranges.append(page..<(page + size))
        }
        return ranges
    }
}
