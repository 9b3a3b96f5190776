import Glibc
import LinuxSystem
import Synchronization

/// Addresses above a guest's RAM at which it gets further memory while it runs, block by block. What is not plugged can't
/// be touched: not by the guest, to which it is not mapped, and not by a device in its name.
package final class GrowthRegion: @unchecked Sendable {
    // Unchecked: the layout never changes after `init`; the blocks have their lock. See `GuestMemory` for the bytes.

    /// Bytes of a block, and what the region's first address is a multiple of: the blocks in which Linux takes memory in.
    package static let blockSize: UInt64 = 128 << 20
    /// Where the region begins is a multiple of this: Linux makes blocks that large on guests with much memory.
    private static let alignment: UInt64 = 2 << 30

    /// Guest physical address of the first byte.
    package let gpa: UInt64
    /// Bytes, a multiple of `blockSize`.
    package let size: UInt64
    private let mapping: MemoryMapping
    private let blocks: Mutex<[Bool]>
    private let observers = MemoryObservers()

    /// Reserves addresses; no memory is used until it is plugged and touched.
    ///
    /// - Parameters:
    ///   - end: where the guest's RAM ends.
    ///   - size: bytes, a multiple of `blockSize`, more than 0.
    ///   - backing: what the memory is made of; of pages that come as they are touched, whatever it says.
    init(above end: UInt64, size: UInt64, backing: MemoryBacking) throws(MemoryBacking.Failure) {
        guard size > 0, size <= GuestMemory.maximumSize, size.isMultiple(of: Self.blockSize) else {
            throw MemoryBacking.Failure(.mapping, Errno(EINVAL))
        }
        let backing = backing.growing
        mapping = try backing.map(Int(size), accessible: true)
        try backing.prepare(mapping.base, mapping.count)
        gpa = (end + Self.alignment - 1) / Self.alignment * Self.alignment
        self.size = size
        blocks = Mutex(Array(repeating: false, count: Int(size / Self.blockSize)))
        madvise(mapping.base, mapping.count, MADV_DONTDUMP)
    }

    /// Bytes plugged.
    package var plugged: UInt64 { blocks.withLock { UInt64($0.count { $0 }) * Self.blockSize } }

    /// The blocks of a range; nil for one that is not in the region, is empty, or begins or ends inside a block.
    package func blocks(of gpa: UInt64, count: UInt64) -> Range<Int>? {
        guard gpa >= self.gpa, count > 0, gpa - self.gpa <= size, count <= size - (gpa - self.gpa),
            gpa.isMultiple(of: Self.blockSize), count.isMultiple(of: Self.blockSize)
        else { return nil }
        let first = Int((gpa - self.gpa) / Self.blockSize)
        return first..<(first + Int(count / Self.blockSize))
    }

    package enum State: Equatable, Sendable { case plugged, unplugged, mixed }

    /// - Parameter range: of `blocks(of:count:)`.
    package func state(of range: Range<Int>) -> State {
        blocks.withLock { blocks in
            let count = blocks[range].count { $0 }
            return count == 0 ? .unplugged : count == range.count ? .plugged : .mixed
        }
    }

    /// - Parameter range: of `blocks(of:count:)`.
    package func set(_ range: Range<Int>, isPlugged: Bool) {
        blocks.withLock { blocks in for index in range { blocks[index] = isPlugged } }
        observers.tell()
    }

    /// Calls `body` after each change of what is plugged, on the thread that makes it, which waits for it. Before memory
    /// goes away it was called.
    ///
    /// - Returns: for `ignore`.
    package func observe(_ body: @escaping @Sendable () -> Void) -> UInt64 { observers.add(body) }
    package func ignore(_ token: UInt64) { observers.remove(token) }

    /// Gives the pages of blocks back to the kernel: they are zero when they are plugged again. No processor and no
    /// device may reach them any more.
    package func discard(_ range: Range<Int>) {
        madvise(address(of: range), range.count * Int(Self.blockSize), MADV_DONTNEED)
    }

    /// Where blocks lie in this process.
    ///
    /// - Parameter range: of `blocks(of:count:)`.
    package func address(of range: Range<Int>) -> UnsafeMutableRawPointer {
        // Sound: a range of `blocks(of:count:)` is inside the mapping.
        mapping.base + range.lowerBound * Int(Self.blockSize)
    }

    /// Runs of plugged blocks, in the order of addresses.
    package var pluggedRanges: [Range<Int>] {
        blocks.withLock { blocks in
            var ranges: [Range<Int>] = []
            for index in blocks.indices where blocks[index] {
                if let last = ranges.last, last.upperBound == index {
                    ranges[ranges.count - 1] = last.lowerBound..<(index + 1)
                } else {
                    ranges.append(index..<(index + 1))
                }
            }
            return ranges
        }
    }

    /// The host's view of `count` bytes at `gpa`; nil unless all of them are plugged.
    func slice(_ gpa: UInt64, _ count: Int) -> UnsafeMutableRawBufferPointer? {
        guard gpa >= self.gpa, gpa - self.gpa <= size, count >= 0, UInt64(count) <= size - (gpa - self.gpa) else {
            return nil
        }
        let offset = gpa - self.gpa
        let first = Int(offset / Self.blockSize)
        let end = Int((offset + UInt64(count) + Self.blockSize - 1) / Self.blockSize)
        guard blocks.withLock({ blocks in blocks[first..<max(first, end)].allSatisfy { $0 } }), end > first else {
            return nil
        }
        // Sound: offset and count were just checked against the region.
        return UnsafeMutableRawBufferPointer(start: mapping.base + Int(offset), count: count)
    }
}
