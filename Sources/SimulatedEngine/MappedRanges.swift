import Hypervisor

/// Which guest memory is mapped, in order and with neighbours merged. The simulated guest touches none of it.
struct MappedRanges {
    private var ranges: [Range<UInt64>] = []

    var bytes: UInt64 { ranges.reduce(0) { $0 + ($1.upperBound - $1.lowerBound) } }

    mutating func add(_ start: UInt64, _ count: UInt64) throws(HypervisorError) {
        var range = try Self.range(start, count)
        let place = firstRange(endingAtLeast: range.lowerBound)
        var replaced = place..<place
        for (index, old) in ranges[place...].enumerated() {
            if old.lowerBound > range.upperBound { break }
            guard old.upperBound == range.lowerBound || old.lowerBound == range.upperBound else {
                throw HypervisorError("guest memory at 0x\(String(start, radix: 16)) is mapped already")
            }
            range = min(old.lowerBound, range.lowerBound)..<max(old.upperBound, range.upperBound)
            replaced = place..<place + index + 1
        }
        ranges.replaceSubrange(replaced, with: [range])
    }

    /// Holes in the range are no error.
    mutating func remove(_ start: UInt64, _ count: UInt64) throws(HypervisorError) {
        let range = try Self.range(start, count)
        ranges = ranges.flatMap { old -> [Range<UInt64>] in
            guard old.overlaps(range) else { return [old] }
            var left: [Range<UInt64>] = []
            if old.lowerBound < range.lowerBound { left.append(old.lowerBound..<range.lowerBound) }
            if old.upperBound > range.upperBound { left.append(range.upperBound..<old.upperBound) }
            return left
        }
    }

    private func firstRange(endingAtLeast address: UInt64) -> Int {
        ranges.firstIndex { $0.upperBound >= address } ?? ranges.count
    }

    private static func range(_ start: UInt64, _ count: UInt64) throws(HypervisorError) -> Range<UInt64> {
        let limit: UInt64 = 1 << 52
        guard count > 0, start < limit, count <= limit - start else {
            throw HypervisorError(
                "guest memory at 0x\(String(start, radix: 16)) with \(count) bytes is empty or ends above 2^52")
        }
        return start..<start + count
    }
}
