import GuestMemory

extension [GuestSegment] {
    /// - Throws: `VirtQueueError` for a segment that is not in guest memory.
    func check(_ memory: GuestMemory) throws(VirtQueueError) {
        for segment in self where memory.slice(segment.gpa, Int(segment.count)) == nil {
            throw VirtQueueError(
                "a buffer of \(segment.count) bytes at 0x\(String(segment.gpa, radix: 16)) is not in guest memory")
        }
    }

    /// A copy of the first `count` bytes that the segments hold; fewer where they are shorter.
    func copy(_ count: Int, _ memory: GuestMemory) throws(VirtQueueError) -> [UInt8] {
        var bytes: [UInt8] = []
        for segment in self where bytes.count < count {
            do throws(GuestMemoryError) {
                bytes += try memory.read(segment.gpa, count: Swift.min(Int(segment.count), count - bytes.count))
            } catch {
                throw VirtQueueError("a buffer is not in guest memory: \(error)")
            }
        }
        return bytes
    }

    /// What is left of the segments behind their first `count` bytes.
    func dropping(_ count: UInt32) -> [GuestSegment] {
        var left = count
        var result: [GuestSegment] = []
        for var segment in self {
            let cut = Swift.min(left, segment.count)
            left -= cut
            segment.gpa &+= UInt64(cut)
            segment.count -= cut
            if segment.count > 0 { result.append(segment) }
        }
        return result
    }
}
