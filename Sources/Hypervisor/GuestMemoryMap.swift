import LinuxSystem

/// A piece of guest memory that is one piece of host memory too.
package struct MemoryExtent: Equatable, Sendable {
    package var gpa: UInt64
    package var host: UInt
    package var count: UInt64
    package var access: GPAAccess
    /// What the kernel holds it by (with KVM, the number of a memory slot); nil: not installed yet.
    package var slot: UInt32?

    package init(gpa: UInt64, host: UInt, count: UInt64, access: GPAAccess, slot: UInt32? = nil) {
        self.gpa = gpa
        self.host = host
        self.count = count
        self.access = access
        self.slot = slot
    }

    /// One past the last address; `GuestMemoryMap` lets no extent in whose end overflows.
    package var end: UInt64 { gpa + count }

    func continues(_ other: MemoryExtent) -> Bool {
        other.end == gpa && other.host + UInt(other.count) == host && other.access == access
    }

    /// The part from `start` to `end`, which lie within.
    func part(from start: UInt64, to end: UInt64) -> MemoryExtent {
        MemoryExtent(gpa: start, host: host + UInt(start - gpa), count: end - start, access: access, slot: nil)
    }
}

/// The extents of a partition as a kernel driver keeps them, in order of their addresses and without overlap. Pure bookkeeping.
package struct GuestMemoryMap: Sendable {
    package private(set) var extents: [MemoryExtent] = []

    package init() {}

    /// Adds an extent.
    ///
    /// - Parameter merging: whether it may become one with its neighbours; only while no slot is installed.
    /// - Returns: its place in `extents`.
    /// - Throws: `HypervisorError` for a range that is empty, unaligned, too high or taken.
    @discardableResult
    package mutating func insert(_ extent: MemoryExtent, merging: Bool) throws(HypervisorError) -> Int {
        try Self.check(gpa: extent.gpa, count: extent.count)
        guard extent.host % UInt(pageSize) == 0, !extent.host.addingReportingOverflow(UInt(extent.count)).overflow
        else { throw HypervisorError("host memory at 0x\(hex(extent.host)) is not whole pages") }
        let place = firstExtent(endingAbove: extent.gpa)
        if place < extents.count, extents[place].gpa < extent.end {
            throw HypervisorError(
                "guest memory at 0x\(hex(extent.gpa)) (0x\(hex(extent.count)) bytes) is mapped already, "
                    + "from 0x\(hex(extents[place].gpa))")
        }
        guard merging else {
            extents.insert(extent, at: place)
            return place
        }
        var merged = extent
        var range = place..<place
        if place < extents.count, extents[place].continues(merged) {
            merged.count += extents[place].count
            range = place..<place + 1
        }
        if place > 0, merged.continues(extents[place - 1]) {
            merged.gpa = extents[place - 1].gpa
            merged.host = extents[place - 1].host
            merged.count += extents[place - 1].count
            range = place - 1..<range.upperBound
        }
        extents.replaceSubrange(range, with: [merged])
        return range.lowerBound
    }

    /// Takes a range away. Holes in it are no error.
    ///
    /// - Returns: the extents that are gone, and what is left of them (in `extents` again, without slots).
    package mutating func remove(
        gpa: UInt64, count: UInt64
    ) throws(HypervisorError) -> (gone: [MemoryExtent], left: [MemoryExtent]) {
        try Self.check(gpa: gpa, count: count)
        let end = gpa + count
        let first = firstExtent(endingAbove: gpa)
        var last = first
        var left: [MemoryExtent] = []
        while last < extents.count, extents[last].gpa < end {
            let extent = extents[last]
            if extent.gpa < gpa { left.append(extent.part(from: extent.gpa, to: gpa)) }
            if extent.end > end { left.append(extent.part(from: end, to: extent.end)) }
            last += 1
        }
        let gone = Array(extents[first..<last])
        extents.replaceSubrange(first..<last, with: left)
        return (gone, left)
    }

    /// Notes the slot that the extent at `gpa` got, or that it has none.
    package mutating func setSlot(_ slot: UInt32?, at gpa: UInt64) {
        let place = firstExtent(endingAbove: gpa)
        if place < extents.count, extents[place].gpa == gpa { extents[place].slot = slot }
    }

    /// The extent that `gpa` lies in.
    package func extent(at gpa: UInt64) -> MemoryExtent? {
        let place = firstExtent(endingAbove: gpa)
        return place < extents.count && extents[place].gpa <= gpa ? extents[place] : nil
    }

    private func firstExtent(endingAbove address: UInt64) -> Int {
        var low = 0
        var high = extents.count
        while low < high {
            let middle = (low + high) / 2
            if extents[middle].end > address { high = middle } else { low = middle + 1 }
        }
        return low
    }

    private static func check(gpa: UInt64, count: UInt64) throws(HypervisorError) {
        let page = UInt64(pageSize)
        guard count > 0, gpa % page == 0, count % page == 0 else {
            throw HypervisorError("guest memory at 0x\(hex(gpa)) with 0x\(hex(count)) bytes is not whole pages")
        }
        // x86-64 has at most 52 physical address bits.
        let limit: UInt64 = 1 << 52
        guard gpa < limit, count <= limit - gpa else {
            throw HypervisorError("guest memory at 0x\(hex(gpa)) with 0x\(hex(count)) bytes ends above 2^52")
        }
    }
}

private func hex(_ value: some BinaryInteger) -> String { String(value, radix: 16) }
