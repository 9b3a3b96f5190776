/// A binary heap of values by time.
struct TimerHeap<Element> {
    private var entries: [(time: UInt64, element: Element)] = []

    /// The earliest time.
    var first: UInt64? { entries.first?.time }

    mutating func push(_ element: Element, at time: UInt64) {
        entries.append((time, element))
        var child = entries.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            if entries[parent].time <= entries[child].time { break }
            entries.swapAt(parent, child)
            child = parent
        }
    }

    /// Takes the earliest out.
    mutating func pop() -> (time: UInt64, element: Element)? {
        guard let top = entries.first else { return nil }
        let last = entries.removeLast()
        guard !entries.isEmpty else { return top }
        entries[0] = last
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2]
            where child < entries.count && entries[child].time < entries[least].time {
                least = child
            }
            if least == parent { return top }
            entries.swapAt(parent, least)
            parent = least
        }
    }
}
