/// What an `ExtentMap` says of a run of pages.
package protocol ExtentValue: Equatable, Sendable {
    /// The value `pages` pages further into the run. Neighbouring runs are one where this gives the other's value.
    func advanced(by pages: UInt64) -> Self
}

/// A map from page numbers to values that keeps runs, not pages: sorted, disjoint, and joined where they continue each
/// other. Memory of a VM is a few runs however large it is.
package struct ExtentMap<Value: ExtentValue>: Sendable {
    package struct Extent: Sendable {
        package var range: Range<UInt64>
        /// The value of the range's first page.
        package var value: Value
    }

    /// Sorted by page.
    package private(set) var extents: [Extent] = []

    package init() {}

    package var isEmpty: Bool { extents.isEmpty }

    /// The number of pages in all runs.
    package var pageCount: UInt64 { extents.reduce(0) { $0 + UInt64($1.range.count) } }

    /// The value of one page.
    package subscript(page: UInt64) -> Value? {
        let index = firstIndex(endingBehind: page)
        guard index < extents.count, extents[index].range.contains(page) else { return nil }
        let extent = extents[index]
        return extent.value.advanced(by: page - extent.range.lowerBound)
    }

    /// The runs inside `range`, cut at its ends.
    package func pieces(in range: Range<UInt64>) -> [Extent] {
        var pieces: [Extent] = []
        var index = firstIndex(endingBehind: range.lowerBound)
        while index < extents.count, extents[index].range.lowerBound < range.upperBound {
            pieces.append(extents[index].clamped(to: range))
            index += 1
        }
        return pieces
    }

    /// Whether no page of `range` has a value.
    package func isEmpty(in range: Range<UInt64>) -> Bool {
        let index = firstIndex(endingBehind: range.lowerBound)
        return index == extents.count || extents[index].range.lowerBound >= range.upperBound
    }

    /// How many pages from the start of `range` on satisfy `predicate`, which is asked with the value of each run and
    /// with nil for each gap.
    package func prefixCount(of range: Range<UInt64>, where predicate: (Value?) -> Bool) -> UInt64 {
        var page = range.lowerBound
        for piece in pieces(in: range) {
            if piece.range.lowerBound > page, !predicate(nil) { return page - range.lowerBound }
            if !predicate(piece.value) { return piece.range.lowerBound - range.lowerBound }
            page = piece.range.upperBound
        }
        if page < range.upperBound, !predicate(nil) { return page - range.lowerBound }
        return range.upperBound - range.lowerBound
    }

    /// Gives `range` the value that begins with `value`; nil takes its values away.
    package mutating func replace(_ range: Range<UInt64>, with value: Value?) {
        guard !range.isEmpty else { return }
        let first = firstIndex(endingBehind: range.lowerBound)
        var last = first
        while last < extents.count, extents[last].range.lowerBound < range.upperBound { last += 1 }

        var new: [Extent] = []
        if first < last, extents[first].range.lowerBound < range.lowerBound {
            new.append(extents[first].clamped(to: extents[first].range.lowerBound..<range.lowerBound))
        }
        if let value { new.append(Extent(range: range, value: value)) }
        if first < last, extents[last - 1].range.upperBound > range.upperBound {
            new.append(extents[last - 1].clamped(to: range.upperBound..<extents[last - 1].range.upperBound))
        }

        // The neighbours take part, so that runs which continue each other become one.
        let low = first > 0 ? first - 1 : first
        let high = last < extents.count ? last + 1 : last
        var joined: [Extent] = []
        for extent in extents[low..<first] + new + extents[last..<high] {
            if let previous = joined.last, previous.isContinued(by: extent) {
                joined[joined.count - 1].range = previous.range.lowerBound..<extent.range.upperBound
            } else {
                joined.append(extent)
            }
        }
        extents.replaceSubrange(low..<high, with: joined)
    }

    /// Gives every run and every gap inside `range` the value that `change` makes of its own.
    package mutating func update(_ range: Range<UInt64>, _ change: (Value?) -> Value?) {
        var page = range.lowerBound
        for piece in pieces(in: range) {
            if piece.range.lowerBound > page { replace(page..<piece.range.lowerBound, with: change(nil)) }
            replace(piece.range, with: change(piece.value))
            page = piece.range.upperBound
        }
        if page < range.upperBound { replace(page..<range.upperBound, with: change(nil)) }
    }

    /// The first run whose end lies behind `page`.
    private func firstIndex(endingBehind page: UInt64) -> Int {
        var low = 0
        var high = extents.count
        while low < high {
            let middle = (low + high) / 2
            if extents[middle].range.upperBound > page { high = middle } else { low = middle + 1 }
        }
        return low
    }
}

extension ExtentMap.Extent {
    fileprivate func clamped(to limits: Range<UInt64>) -> Self {
        let clamped = range.clamped(to: limits)
        return Self(range: clamped, value: value.advanced(by: clamped.lowerBound - range.lowerBound))
    }

    fileprivate func isContinued(by next: Self) -> Bool {
        range.upperBound == next.range.lowerBound
            && value.advanced(by: range.upperBound - range.lowerBound) == next.value
    }
}

/// Pages of which nothing more is said than that they belong.
package struct Member: ExtentValue {
    package init() {}
    package func advanced(by pages: UInt64) -> Member { self }
}
