import Hypervisor
import Testing

/// The map of runs does what a dictionary of pages would do, and keeps its runs few.
@Suite struct ExtentMapTests {
    private struct Offset: ExtentValue {
        var value: UInt64
        func advanced(by pages: UInt64) -> Offset { Offset(value: value + pages) }
    }

    @Test(arguments: [7, 8] as [UInt64])
    func likeADictionary(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var map = ExtentMap<Offset>()
        var pages: [UInt64: UInt64] = [:]
        for _ in 0..<2000 {
            let start = UInt64.random(in: 0..<200, using: &random)
            let range = start..<(start + UInt64.random(in: 0..<40, using: &random))
            switch Int.random(in: 0..<3, using: &random) {
            case 0:
                map.replace(range, with: nil)
                for page in range { pages[page] = nil }
            case 1:
                // Values that continue each other now and then.
                let value = range.lowerBound + UInt64.random(in: 0..<2, using: &random) * 1000
                map.replace(range, with: Offset(value: value))
                for page in range { pages[page] = value + (page - range.lowerBound) }
            default:
                map.update(range) { old in old.map { Offset(value: $0.value + 1) } ?? Offset(value: 5000) }
                var gap: UInt64?
                for page in range {
                    if let value = pages[page] {
                        pages[page] = value + 1
                        gap = nil
                    } else {
                        gap = gap ?? page
                        pages[page] = 5000 + page - (gap ?? page)
                    }
                }
            }
            for page in 0..<250 as Range<UInt64> { #expect(map[page]?.value == pages[page]) }
            #expect(map.pageCount == UInt64(pages.count))
            for (left, right) in zip(map.extents, map.extents.dropFirst()) {
                #expect(left.range.upperBound <= right.range.lowerBound)
                let joins = left.value.value + UInt64(left.range.count) == right.value.value
                #expect(left.range.upperBound < right.range.lowerBound || !joins, "runs that should be one")
            }
            let probe = map.prefixCount(of: 0..<250) { $0 != nil }
            #expect(probe == (0..<250 as Range<UInt64>).first { pages[$0] == nil } ?? 250)
        }
    }

    @Test func runsOfPages() {
        #expect(pageRuns([1, 2, 3, 7, 9, 8] as [UInt64]) == [1..<4, 7..<8, 9..<10, 8..<9])
        #expect(pageRuns([] as [UInt64]) == [])
    }
}
