import BlockStorage

/// What a guest did with one of its disks in its current or last run. In the statistics page eight u64: reads, writes,
/// flushes, discards, requests that failed, bytes read, written and discarded.
package struct DiskCounters: Equatable, Sendable {
    package enum Kind: Int, CaseIterable, Sendable {
        case read, write, flush, discard

        var operationsOffset: Int { 8 * rawValue }
        var bytesOffset: Int? {
            switch self {
            case .read: 40
            case .write: 48
            case .flush: nil
            case .discard: 56
            }
        }
    }

    static let errorsOffset = 32

    /// Requests, in the order of `Kind.allCases`.
    package var operations: [UInt64] = [0, 0, 0, 0]
    /// Requests that failed; they are counted among their kind, too.
    package var errors: UInt64 = 0
    package var bytesRead: UInt64 = 0
    package var bytesWritten: UInt64 = 0
    package var bytesDiscarded: UInt64 = 0

    package init() {}

    /// - Parameter words: the eight of the statistics page.
    init(words: [UInt64]) {
        guard words.count == 8 else { return }
        operations = Array(words[..<4])
        errors = words[4]
        bytesRead = words[5]
        bytesWritten = words[6]
        bytesDiscarded = words[7]
    }
}

extension StatisticsPage {
    static let diskCapacity = DiskSource.maximumCount
    static func diskOffset(_ disk: Int) -> Int { 2048 + disk * 64 }
    /// An id has at most 63 bytes.
    static let deviceNameSize = 64
    static func diskNameOffset(_ disk: Int) -> Int { disk < 8 ? 1536 + disk * 64 : 3584 + (disk - 8) * 64 }
}
