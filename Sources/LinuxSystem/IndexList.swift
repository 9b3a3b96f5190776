/// Numbers of processors or NUMA nodes in the kernel's notation: `0-3,8` (cpuset(7), "List format").
package struct IndexList: Sendable, Equatable, CustomStringConvertible {
    /// More than any Linux has of either.
    package static let limit = 8192

    /// In ascending order, each once, each below `limit`.
    package let indices: [Int]

    /// Those of the sequence that are in range.
    package init(_ indices: some Sequence<Int>) {
        self.indices = Set(indices).filter { (0..<Self.limit).contains($0) }.sorted()
    }

    /// Nil for text that is no such list, an empty one, or a number beyond `limit`.
    package init?(_ text: String) {
        var indices: Set<Int> = []
        for range in text.split(separator: ",", omittingEmptySubsequences: false) {
            let ends = range.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false).map(Self.number)
            guard let first = ends.first ?? nil, let last = ends.last ?? nil, first <= last else { return nil }
            indices.formUnion(first...last)
        }
        self.init(indices)
    }

    /// Digits only: `Int` would take signs as well.
    private static func number(_ text: Substring) -> Int? {
        guard !text.isEmpty, text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
            let number = Int(text), number < limit
        else { return nil }
        return number
    }

    package var isEmpty: Bool { indices.isEmpty }

    package func contains(_ index: Int) -> Bool { indices.contains(index) }

    /// What is here and not there.
    package func subtracting(_ other: IndexList) -> IndexList {
        let others = Set(other.indices)
        return IndexList(indices.filter { !others.contains($0) })
    }

    /// As short as it can be written.
    package var description: String {
        var ranges: [ClosedRange<Int>] = []
        for index in indices {
            if let last = ranges.last, last.upperBound + 1 == index {
                ranges[ranges.count - 1] = last.lowerBound...index
            } else {
                ranges.append(index...index)
            }
        }
        return ranges.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }
            .joined(separator: ",")
    }

    /// A bit for each index, as system calls take it.
    package var mask: [UInt64] {
        var words = [UInt64](repeating: 0, count: (indices.last ?? 0) / 64 + 1)
        for index in indices { words[index / 64] |= 1 << UInt64(index % 64) }
        return words
    }
}
