import HypercallABI
import LinuxSystem

/// A piece of the program's memory that is a partition's guest memory, as MSHV_SET_GUEST_MEMORY made it.
struct MemoryRegion: Sendable {
    /// The guest's page numbers.
    let pages: Range<UInt64>
    /// The first byte in this process; a multiple of 4096.
    let address: UInt64
    /// How it is mapped, but for the size of its pages.
    let flags: MapGPAFlags

    /// Bytes.
    var count: UInt64 { (pages.upperBound - pages.lowerBound) * UInt64(pageSize) }

    /// A run that is mapped with pages of one size.
    struct Part: Sendable {
        var pages: Range<UInt64>
        /// The root's page number of the first.
        var source: UInt64
        var isLarge: Bool
        /// Pages of 4 KiB in one of its.
        var stride: UInt64 { isLarge ? MemoryRegion.largePage : 1 }
    }

    /// Pages of 4 KiB in one of 2 MiB.
    private static let largePage: UInt64 = 512

    /// Large pages where both sides are aligned to them, small ones before and behind.
    var parts: [Part] {
        let source = address / UInt64(pageSize)
        func part(_ pages: Range<UInt64>, isLarge: Bool) -> Part {
            Part(pages: pages, source: source + (pages.lowerBound - self.pages.lowerBound), isLarge: isLarge)
        }
        // No overflow: guest page numbers here are below 2^52.
        let low = (pages.lowerBound + Self.largePage - 1) / Self.largePage * Self.largePage
        let high = pages.upperBound / Self.largePage * Self.largePage
        guard source % Self.largePage == pages.lowerBound % Self.largePage, low < high else {
            return [part(pages, isLarge: false)]
        }
        return [
            part(pages.lowerBound..<low, isLarge: false), part(low..<high, isLarge: true),
            part(high..<pages.upperBound, isLarge: false),
        ].filter { !$0.pages.isEmpty }
    }
}
