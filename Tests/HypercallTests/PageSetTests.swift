import Hypervisor
import Testing

@Suite struct PageSetTests {
    /// Against a set of numbers, with ranges that begin and end anywhere around words and chunks.
    @Test func likeASetOfNumbers() {
        var random = SeededGenerator(seed: 5)
        var pages = PageSet()
        var model: Set<UInt64> = []
        for _ in 0..<2000 {
            let start = UInt64.random(in: 0..<9000, using: &random)
            let range = start..<(start + UInt64.random(in: 0...300, using: &random))
            switch Int.random(in: 0..<4, using: &random) {
            case 0:
                pages.insert(range)
                model.formUnion(range)
            case 1:
                let bits = random.next() & random.next()
                pages.insert(bits: bits, from: start)
                for bit in 0..<64 as Range<UInt64> where bits >> bit & 1 != 0 { model.insert(start + bit) }
            case 2:
                pages.remove(range)
                model.subtract(range)
            default:
                let runs = pages.runs(in: range)
                #expect(runs.flatMap { Array($0) } == model.filter { range.contains($0) }.sorted())
                for (run, next) in zip(runs, runs.dropFirst()) { #expect(run.upperBound < next.lowerBound) }
                #expect(pages.contains(start) == model.contains(start))
            }
        }
        pages.remove(0..<(1 << 40))
        #expect(pages.runs(in: 0..<10_000).isEmpty)
    }
}
