import Hypervisor

/// The memory that was deposited to a partition (TLFS, "Guest Physical Address Spaces"), and how much of it is in use.
///
/// Which pages are in use is not told apart: the hypervisor never shows them.
struct DepositedMemory: Sendable {
    private var pages = ExtentMap<Member>()
    /// Pages that were there without a deposit; they are never withdrawn.
    private let boot: UInt64
    private(set) var deposited: UInt64 = 0
    private(set) var used: UInt64 = 0

    init(boot: UInt64 = 0) { self.boot = boot }

    var free: UInt64 { boot + deposited - used }

    /// Adds pages that nobody else has.
    mutating func deposit(_ range: Range<UInt64>) {
        pages.replace(range, with: Member())
        deposited += range.upperBound - range.lowerBound
    }

    /// Takes up to `maximum` pages that are not in use, the highest first.
    mutating func withdraw(_ maximum: Int) -> [UInt64] {
        var remaining = min(UInt64(clamping: maximum), min(free, deposited))
        var taken: [UInt64] = []
        taken.reserveCapacity(Int(clamping: remaining))
        while remaining > 0, let last = pages.extents.last {
            let count = min(remaining, last.range.upperBound - last.range.lowerBound)
            let range = (last.range.upperBound - count)..<last.range.upperBound
            taken.append(contentsOf: range)
            pages.replace(range, with: nil)
            deposited -= count
            remaining -= count
        }
        return taken
    }

    /// Puts pages to use.
    ///
    /// - Returns: false, and nothing is changed, where there are not enough.
    mutating func use(_ count: UInt64) -> Bool {
        guard count <= free else { return false }
        used += count
        return true
    }

    /// The end of `use` for some pages.
    mutating func release(_ count: UInt64) { used -= min(count, used) }
}
