import Glibc
import GuestMemory

/// The buffers of one request while its operation is under way: the guest's own, or one of ours where the guest's do
/// not have the alignment that the image needs.
struct BlockTransfer: ~Copyable {
    let vectors: UnsafeMutableBufferPointer<iovec>
    private let bounce: UnsafeMutableRawBufferPointer?
    private let segments: [GuestSegment]

    /// - Parameters:
    ///   - segments: were found to lie in guest memory.
    ///   - writes: whether their bytes go to the image.
    init(
        _ segments: [GuestSegment], count: UInt64, alignment: Int, writes: Bool, _ memory: GuestMemory
    ) throws(VirtQueueError) {
        self.segments = segments
        let mask = UInt(max(alignment, 1) - 1)
        var places: [iovec] = []
        var isAligned = true
        for segment in segments {
            guard let slice = memory.slice(segment.gpa, Int(segment.count)), let base = slice.baseAddress else {
                throw VirtQueueError("a buffer of \(segment.count) bytes is not in guest memory")
            }
            isAligned = isAligned && (UInt(bitPattern: base) | UInt(slice.count)) & mask == 0
            places.append(iovec(iov_base: base, iov_len: slice.count))
        }
        if isAligned {
            bounce = nil
        } else {
            // Bounded by the request's size, which the caller has checked.
            let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Int(count), alignment: max(alignment, 16))
            var done = 0
            for place in places where writes {
                guard let source = place.iov_base, let base = buffer.baseAddress else { continue }
                // Sound: the places' lengths sum up to the buffer's.
                memcpy(base + done, source, place.iov_len)
                done += place.iov_len
            }
            places = [iovec(iov_base: buffer.baseAddress, iov_len: buffer.count)]
            bounce = buffer
        }
        vectors = .allocate(capacity: places.count)
        _ = vectors.initialize(from: places)
    }

    /// Gives the guest what was read.
    func deliver(to memory: GuestMemory) {
        guard let bounce else { return }
        var done = 0
        for segment in segments {
            let piece = UnsafeRawBufferPointer(rebasing: bounce[done..<done + Int(segment.count)])
            // It was there when the request began, and guest memory does not go away.
            try? memory.write(segment.gpa, piece)
            done += piece.count
        }
    }

    deinit {
        vectors.deallocate()
        bounce?.deallocate()
    }
}
