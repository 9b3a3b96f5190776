/// A set of page numbers that may be scattered: a bit for each, in chunks that exist only where there are any. Every
/// operation costs in proportion to the pages it is about, whatever the pattern (a guest chooses which pages it writes).
package struct PageSet: Sendable {
    private static let chunkPages: UInt64 = 4096

    /// By page number / 4096: 64 words of 64 pages.
    private var chunks: [UInt64: [UInt64]] = [:]

    package init() {}

    package func contains(_ page: UInt64) -> Bool {
        guard let chunk = chunks[page / Self.chunkPages] else { return false }
        return chunk[Int(page % Self.chunkPages / 64)] >> (page % 64) & 1 != 0
    }

    package mutating func insert(_ range: Range<UInt64>) {
        for (chunk, word, mask) in Self.words(of: range) {
            chunks[chunk, default: Self.empty][word] |= mask
        }
    }

    /// Adds the pages from `first` on whose bits are set, the lowest bit being the first page.
    package mutating func insert(bits: UInt64, from first: UInt64) {
        let shift = first % 64
        insert(word: first / 64, bits << shift)
        if shift > 0 { insert(word: first / 64 + 1, bits >> (64 - shift)) }
    }

    private mutating func insert(word: UInt64, _ bits: UInt64) {
        guard bits != 0 else { return }
        chunks[word / 64, default: Self.empty][Int(word % 64)] |= bits
    }

    package mutating func remove(_ range: Range<UInt64>) {
        guard !range.isEmpty, !chunks.isEmpty else { return }
        let first = range.lowerBound / Self.chunkPages
        let last = (range.upperBound - 1) / Self.chunkPages
        if last - first < UInt64(chunks.count) {
            for (chunk, word, mask) in Self.words(of: range) { chunks[chunk]?[word] &= ~mask }
            return
        }
        // Fewer chunks than the range has room for.
        for chunk in chunks.keys where (first...last).contains(chunk) {
            let start = chunk * Self.chunkPages
            for (_, word, mask) in Self.words(of: range.clamped(to: start..<(start + Self.chunkPages))) {
                chunks[chunk]?[word] &= ~mask
            }
        }
    }

    /// The runs of pages inside `range`, in order.
    package func runs(in range: Range<UInt64>) -> [Range<UInt64>] {
        var runs: [Range<UInt64>] = []
        for (chunk, word, mask) in Self.words(of: range) {
            guard let words = chunks[chunk] else { continue }
            var bits = words[word] & mask
            let base = chunk * Self.chunkPages + UInt64(word) * 64
            while bits != 0 {
                let start = UInt64(bits.trailingZeroBitCount)
                let length = UInt64((~(bits >> start)).trailingZeroBitCount)
                let run = (base + start)..<(base + min(start + length, 64))
                if let previous = runs.last, previous.upperBound == run.lowerBound {
                    runs[runs.count - 1] = previous.lowerBound..<run.upperBound
                } else {
                    runs.append(run)
                }
                bits = start + length >= 64 ? 0 : (bits >> (start + length)) << (start + length)
            }
        }
        return runs
    }

    private static let empty = [UInt64](repeating: 0, count: 64)

    /// The words that a range touches, each with the bits that are in it.
    private static func words(of range: Range<UInt64>) -> some Sequence<(chunk: UInt64, word: Int, mask: UInt64)> {
        let words = range.isEmpty ? 0..<0 : range.lowerBound / 64..<(range.upperBound - 1) / 64 + 1
        return words.lazy.map { word in
            var mask = UInt64.max
            if word == range.lowerBound / 64 { mask &= UInt64.max << (range.lowerBound % 64) }
            if word == (range.upperBound - 1) / 64 { mask &= UInt64.max >> (63 - (range.upperBound - 1) % 64) }
            return (word / 64, Int(word % 64), mask)
        }
    }
}
