import Glibc
import LinuxSystem

/// Memory that the guest has no use for.
extension GuestMemory {
    /// Gives the whole pages of a range back to the kernel: they are zero when somebody touches them again.
    ///
    /// - Returns: false where the kernel keeps them, because the memory is locked.
    /// - Throws: `GuestMemoryError` where a part of the range is no memory of the guest; nothing has changed then.
    package func discard(_ range: Range<UInt64>) throws(GuestMemoryError) -> Bool {
        let bytes = try checkedRange(range)
        guard let base = bytes.baseAddress else { return true }
        // Host addresses of regions are aligned as their guest addresses are.
        let before = min(bytes.count, (pageSize - Int(range.lowerBound % UInt64(pageSize))) % pageSize)
        let pages = (bytes.count - before) / pageSize * pageSize
        // Sound: both stay inside `bytes`.
        return pages == 0 || madvise(base + before, pages, MADV_DONTNEED) == 0
    }

    /// The host's view of a range of guest addresses, all of which must be memory.
    package func checkedRange(_ range: Range<UInt64>) throws(GuestMemoryError) -> UnsafeMutableRawBufferPointer {
        guard let count = Int(exactly: range.upperBound - range.lowerBound) else {
            throw GuestMemoryError(gpa: range.lowerBound, count: .max, reason: .outsideMemory)
        }
        return try checked(range.lowerBound, count)
    }
}
