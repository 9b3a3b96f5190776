import BlockStorage
import Glibc
import GuestMemory
import Synchronization

/// The buffers of one request while its operation is under way: the guest's own, or one of ours where the guest's do
/// not have the alignment that the image needs.
struct BlockTransfer: ~Copyable {
    let vectors: UnsafeMutableBufferPointer<iovec>
    private let bounce: BounceBuffer?
    private let segments: [GuestSegment]

    /// - Parameters:
    ///   - segments: were found to lie in guest memory, and have `count` bytes in all.
    ///   - writes: whether their bytes go to the image.
    /// - Returns: nil where there is no buffer for it before others of the disk's requests have ended.
    init?(
        _ segments: [GuestSegment], count: UInt64, geometry: BlockGeometry, writes: Bool, _ pool: BouncePool,
        _ memory: GuestMemory
    ) throws(VirtQueueError) {
        self.segments = segments
        let addressMask = UInt(max(geometry.memoryAlignment, 1) - 1)
        let lengthMask = UInt(max(geometry.lengthAlignment, 1) - 1)
        var places: [iovec] = []
        var isAligned = true
        for segment in segments {
            guard let slice = memory.slice(segment.gpa, Int(segment.count)), let base = slice.baseAddress else {
                throw VirtQueueError("a buffer of \(segment.count) bytes is not in guest memory")
            }
            isAligned =
                isAligned && UInt(bitPattern: base) & addressMask == 0 && UInt(slice.count) & lengthMask == 0
            places.append(iovec(iov_base: base, iov_len: slice.count))
        }
        if isAligned {
            bounce = nil
        } else {
            guard let taken = pool.take(Int(count), alignment: geometry.memoryAlignment) else { return nil }
            var done = 0
            for place in places where writes {
                guard let source = place.iov_base, let base = taken.bytes.baseAddress else { continue }
                // Sound: the places' lengths sum up to the buffer's.
                memcpy(base + done, source, place.iov_len)
                done += place.iov_len
            }
            places = [iovec(iov_base: taken.bytes.baseAddress, iov_len: taken.bytes.count)]
            bounce = taken
        }
        vectors = .allocate(capacity: places.count)
        _ = vectors.initialize(from: places)
    }

    /// Gives the guest what was read.
    func deliver(to memory: GuestMemory) {
        guard let bounce else { return }
        var done = 0
        for segment in segments {
            let piece = UnsafeRawBufferPointer(rebasing: bounce.bytes[done..<done + Int(segment.count)])
            // It was there when the request began, and guest memory does not go away.
            try? memory.write(segment.gpa, piece)
            done += piece.count
        }
    }

    deinit { vectors.deallocate() }
}

/// The memory that a disk has for buffers of its own, so that no guest makes the host hold more by what it asks for.
final class BouncePool: Sendable {
    private let used = Atomic<UInt64>(0)

    /// - Parameter count: at most `BlockLimit.requestSize`.
    /// - Returns: nil where as much is not free.
    func take(_ count: Int, alignment: Int) -> BounceBuffer? {
        let size = UInt64(clamping: count)
        var now = used.load(ordering: .relaxed)
        while true {
            guard size <= BlockLimit.bounceSize, now <= BlockLimit.bounceSize - size else { return nil }
            let (isExchanged, found) = used.compareExchange(expected: now, desired: now + size, ordering: .relaxed)
            if isExchanged { return BounceBuffer(count, alignment: alignment, of: self) }
            now = found
        }
    }

    /// What is taken at the moment, for tests.
    var taken: UInt64 { used.load(ordering: .relaxed) }

    fileprivate func giveBack(_ count: Int) { used.wrappingSubtract(UInt64(clamping: count), ordering: .relaxed) }
}

/// Memory of a pool; given back with this object.
final class BounceBuffer {
    let bytes: UnsafeMutableRawBufferPointer
    private let pool: BouncePool

    fileprivate init(_ count: Int, alignment: Int, of pool: BouncePool) {
        bytes = .allocate(byteCount: count, alignment: max(alignment, 16))
        self.pool = pool
    }

    deinit {
        bytes.deallocate()
        pool.giveBack(bytes.count)
    }
}
