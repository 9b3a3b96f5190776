/// A guest's balloon in its current or last run. In the statistics page u64: which of the values that follow are told
/// (a bit for each, the highest bit where there is a balloon), bytes in the balloon, bytes given back to the host so far,
/// when the guest told last (nanoseconds since 1970, 0: never), and then a value for each `Value`.
package struct BalloonCounters: Equatable, Sendable {
    /// What a guest tells of its memory, by its place among the values; bytes but for counts of faults, allocations,
    /// kills and stalls.
    package enum Value: Int, CaseIterable, Sendable {
        case swapIn, swapOut, majorFaults, minorFaults, memoryFree, memoryTotal, memoryAvailable, diskCaches
        case hugePageAllocations, hugePageFailures, oomKills, allocationStalls
        case asynchronousScans, directScans, asynchronousReclaims, directReclaims
    }

    package var inflated: UInt64 = 0
    package var returned: UInt64 = 0
    /// Nanoseconds since 1970; nil where the guest has told nothing.
    package var toldAt: UInt64?
    package var values: [Value: UInt64] = [:]

    package init() {}

    private static let isThere: UInt64 = 1 << 63

    var words: [UInt64] {
        let mask = values.keys.reduce(Self.isThere) { $0 | 1 << UInt64($1.rawValue) }
        return [mask, inflated, returned, toldAt ?? 0] + Value.allCases.map { values[$0] ?? 0 }
    }

    /// Nil where there is no balloon.
    init?(words: [UInt64]) {
        guard words.count >= StatisticsPage.balloonWords, words[0] & Self.isThere != 0 else { return nil }
        inflated = words[1]
        returned = words[2]
        toldAt = words[3] == 0 ? nil : words[3]
        for value in Value.allCases where words[0] & 1 << UInt64(value.rawValue) != 0 {
            values[value] = words[4 + value.rawValue]
        }
    }
}

extension StatisticsPage {
    static let balloonOffset = 256
    static let balloonWords = 4 + BalloonCounters.Value.allCases.count
}
