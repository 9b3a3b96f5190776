import Glibc
import LinuxSystem

// Copies in and out of guest memory. Each checks its whole range first, so a refused access changes nothing (but for
// `readFile`, which may have read a part when the file ends or fails).
extension GuestMemory {
    /// A copy of `count` bytes.
    package func read(_ gpa: UInt64, count: Int) throws(GuestMemoryError) -> [UInt8] {
        let source = try checked(gpa, count)
        return [UInt8](source)
    }

    /// Copies as many bytes as `buffer` has.
    package func read(_ gpa: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws(GuestMemoryError) {
        let source = try checked(gpa, buffer.count)
        buffer.copyMemory(from: UnsafeRawBufferPointer(source))
    }

    package func write(_ gpa: UInt64, _ bytes: [UInt8]) throws(GuestMemoryError) {
        let target = try checked(gpa, bytes.count)
        target.copyBytes(from: bytes)
    }

    package func write(_ gpa: UInt64, _ bytes: UnsafeRawBufferPointer) throws(GuestMemoryError) {
        let target = try checked(gpa, bytes.count)
        target.copyMemory(from: bytes)
    }

    /// A little-endian integer, at any alignment.
    package func load<T: FixedWidthInteger & BitwiseCopyable>(
        _ gpa: UInt64, as type: T.Type = T.self
    ) throws(GuestMemoryError) -> T {
        let source = try checked(gpa, MemoryLayout<T>.size)
        return T(littleEndian: source.loadUnaligned(as: T.self))
    }

    /// Writes a little-endian integer, at any alignment.
    package func store<T: FixedWidthInteger & BitwiseCopyable>(_ gpa: UInt64, _ value: T) throws(GuestMemoryError) {
        let target = try checked(gpa, MemoryLayout<T>.size)
        target.storeBytes(of: value.littleEndian, as: T.self)
    }

    /// Makes `count` bytes zero. Whole pages among them go back to the kernel, so that zeroing costs no memory.
    package func zero(_ gpa: UInt64, count: Int) throws(GuestMemoryError) {
        let target = try checked(gpa, count)
        guard let base = target.baseAddress, count > 0 else { return }
        // Regions start and end on page boundaries, so the distance to the next page stays inside the region.
        let before = min(count, (pageSize - Int(gpa % UInt64(pageSize))) % pageSize)
        let pages = (count - before) / pageSize * pageSize
        memset(base, 0, before)
        // Sound: both stay inside `target`. The kernel refuses only memory that is locked or special; then by hand.
        if pages > 0, madvise(base + before, pages, MADV_DONTNEED) != 0 { memset(base + before, 0, pages) }
        memset(base + before + pages, 0, count - before - pages)
    }

    /// Makes all memory zero and gives its pages back to the kernel, where they may come and go: for a reset. No processor may be running. What was
    /// plugged is no longer.
    package func zeroAll() throws(GuestMemoryError) {
        for range in growth?.pluggedRanges ?? [] {
            growth?.set(range, isPlugged: false)
            growth?.discard(range)
        }
        guard isMapped else { throw GuestMemoryError(gpa: 0, count: Int(size), reason: .notMapped) }
        for region in regions { backing.zero(region.hostBase, region.count) }
    }

    /// Reads `count` bytes of a file from `offset` straight into the guest's memory.
    ///
    /// - Throws: `.endOfFile` where the file is shorter, `.file` where the kernel refuses; then a part may be written.
    package func readFile(
        _ file: borrowing FileDescriptor, offset: UInt64, gpa: UInt64, count: Int
    ) throws(GuestMemoryError) {
        let target = try checked(gpa, count)
        guard let base = target.baseAddress else { return }
        guard let start = Int64(exactly: offset), start <= Int64.max - Int64(count) else {
            throw GuestMemoryError(gpa: gpa, count: count, reason: .endOfFile)
        }
        let number = file.raw
        var done = 0
        while done < count {
            let got: Int
            do {
                got = try retryingInterrupts { pread(number, base + done, count - done, off_t(start) + off_t(done)) }
            } catch {
                throw GuestMemoryError(gpa: gpa, count: count, reason: .file(error))
            }
            guard got > 0 else { throw GuestMemoryError(gpa: gpa, count: count, reason: .endOfFile) }
            done += got
        }
    }
}
