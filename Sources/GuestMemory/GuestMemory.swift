import Glibc
import LinuxSystem

/// A guest's memory: RAM from address 0 up to 3 GiB, and the rest from 4 GiB, so that the last GiB below 4 GiB is free
/// for devices.
///
/// Every access names a guest physical address and a length, both possibly chosen by a guest or a file: each is checked
/// without overflow and answered by `GuestMemoryError` where it leaves the memory.
package final class GuestMemory: @unchecked Sendable {
    // Unchecked: the layout never changes after `init`. The bytes are shared with the guest's processors, which write
    // them at any time whatever we lock, so every reader takes a copy and treats it as foreign; two host threads that
    // write the same bytes are ordered by the device or loader that owns them.

    /// A stretch of RAM.
    package struct Region: @unchecked Sendable {
        // Unchecked: a plain address; the memory behind it lives as long as the `GuestMemory` it came from.

        /// Guest physical address of the first byte.
        package let gpa: UInt64
        /// Where the first byte lies in this process; 2 MiB aligned.
        package let hostBase: UnsafeMutableRawPointer
        /// Bytes, a multiple of 2 MiB.
        package let count: Int
    }

    /// Sizes are multiples of this, so that the hypervisor can map every region with large pages.
    package static let granularity: UInt64 = 2 << 20
    /// Where low RAM ends at the latest.
    package static let lowLimit: UInt64 = 3 << 30
    /// Where RAM goes on.
    package static let highStart: UInt64 = 4 << 30
    /// The largest guest: far below what 47 bits of addresses can hold.
    package static let maximumSize: UInt64 = 16 << 40

    /// Bytes of RAM.
    package let size: UInt64
    /// Low RAM, and RAM from 4 GiB where there is any.
    package let regions: [Region]
    /// Where the guest gets further memory while it runs; nil where it can't.
    package let growth: GrowthRegion?
    /// False where the addresses are only reserved and every access is refused.
    package let isMapped: Bool

    let backing: MemoryBacking
    private let low: MemoryMapping
    private let high: MemoryMapping?

    /// Reserves a guest's memory; the kernel gives zeroed pages on first use.
    ///
    /// - Parameters:
    ///   - size: bytes; a multiple of 2 MiB, from 2 MiB to 16 TiB.
    ///   - mapped: false reserves addresses only (for engines that run no guest code): no memory is ever used, and
    ///     every access throws `.notMapped`.
    ///   - growth: bytes by which it can grow; a multiple of `GrowthRegion.blockSize`.
    ///   - backing: what the memory is made of.
    /// - Throws: `MemoryBacking.Failure`: `EINVAL` for another size, or what the kernel said to which step.
    package init(
        size: UInt64, growth: UInt64 = 0, mapped: Bool = true, backing: MemoryBacking = MemoryBacking()
    ) throws(MemoryBacking.Failure) {
        guard size > 0, size <= Self.maximumSize, size.isMultiple(of: Self.granularity) else {
            throw MemoryBacking.Failure(.mapping, Errno(EINVAL))
        }
        self.backing = backing
        self.growth =
            growth > 0 && mapped
            ? try GrowthRegion(above: Self.end(of: size), size: growth, backing: backing) : nil
        // Private: MADV_DONTNEED then gives zeroed pages back, which `zeroAll` builds on (shared memory keeps its
        // contents). Nobody else needs to see it: the manager never maps guest memory.
        let lowCount = Int(Self.lowEnd(of: size))
        low = try backing.map(lowCount, accessible: mapped)
        let highCount = Int(size) - lowCount
        if highCount > 0 {
            let mapping = try backing.map(highCount, accessible: mapped)
            regions = [
                Region(gpa: 0, hostBase: low.base, count: lowCount),
                Region(gpa: Self.highStart, hostBase: mapping.base, count: highCount),
            ]
            high = consume mapping
        } else {
            regions = [Region(gpa: 0, hostBase: low.base, count: lowCount)]
            high = nil
        }
        self.size = size
        isMapped = mapped
        // A guest's memory has no place in this process's core dump. Advice: a refusal changes nothing else.
        for region in regions { madvise(region.hostBase, region.count, MADV_DONTDUMP) }
        guard mapped else { return }
        for region in regions { try backing.prepare(region.hostBase, region.count) }
    }

    /// Where the low RAM of a guest with `size` bytes ends.
    package static func lowEnd(of size: UInt64) -> UInt64 { min(size, lowLimit) }

    /// Where the RAM of a guest with `size` bytes ends.
    private static func end(of size: UInt64) -> UInt64 {
        size > lowLimit ? highStart + (size - lowLimit) : highStart
    }

    /// The first address that is no RAM's, now or later.
    package var end: UInt64 { growth.map { $0.gpa + $0.size } ?? Self.end(of: size) }

    /// All RAM that there is now: the regions, and what was plugged.
    package var populated: [Region] {
        guard let growth else { return regions }
        return regions
            + growth.pluggedRanges.map { range in
                Region(
                    gpa: growth.gpa + UInt64(range.lowerBound) * GrowthRegion.blockSize,
                    hostBase: growth.address(of: range), count: range.count * Int(GrowthRegion.blockSize))
            }
    }

    /// The host's view of `count` bytes at `gpa`; nil unless all of them lie in one region and may be touched.
    ///
    /// The pointer is good as long as this object lives. A guest may change the bytes at any time.
    package func slice(_ gpa: UInt64, _ count: Int) -> UnsafeMutableRawBufferPointer? {
        try? checked(gpa, count)
    }

    /// The same, with the reason of a refusal.
    func checked(_ gpa: UInt64, _ count: Int) throws(GuestMemoryError) -> UnsafeMutableRawBufferPointer {
        guard isMapped else { throw GuestMemoryError(gpa: gpa, count: count, reason: .notMapped) }
        for region in regions where gpa >= region.gpa && gpa - region.gpa <= UInt64(region.count) {
            let offset = Int(gpa - region.gpa)
            guard count >= 0, count <= region.count - offset else { break }
            // Sound: offset and count were just checked against the region, which is mapped as long as self lives.
            return UnsafeMutableRawBufferPointer(start: region.hostBase + offset, count: count)
        }
        if let growth, let bytes = growth.slice(gpa, count) { return bytes }
        throw GuestMemoryError(gpa: gpa, count: count, reason: .outsideMemory)
    }
}
