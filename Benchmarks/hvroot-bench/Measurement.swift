import LinuxSystem

/// Two ways to do something, measured in turns in one run: machines are noisy, and only the ratio says something.
struct Measurement {
    /// Nanoseconds for one time, the median of all turns.
    var ours: Double
    var peer: Double
    var ratio: Double { ours / peer }

    static let turns = 11

    /// - Parameter times: how often one turn of each way does it.
    static func compare(
        times: Int, ours: (Int) throws -> Void, timesOfPeer: Int? = nil, peer: (Int) throws -> Void
    ) rethrows -> Measurement {
        let timesOfPeer = timesOfPeer ?? times
        var (first, second): ([Double], [Double]) = ([], [])
        for turn in 0...turns {
            let start = monotonicNanoseconds()
            try ours(times)
            let middle = monotonicNanoseconds()
            try peer(timesOfPeer)
            let end = monotonicNanoseconds()
            // The first turn warms up.
            if turn == 0 { continue }
            first.append(Double(middle - start) / Double(times))
            second.append(Double(end - middle) / Double(timesOfPeer))
        }
        return Measurement(ours: median(first), peer: median(second))
    }

    private static func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }

    func line(_ name: String, peer: String) -> String {
        "\(name.padded(44)) \(Self.number(ours).padded(10)) \(peer.padded(24)) \(Self.number(self.peer).padded(10)) "
            + "\(Self.number(ratio))"
    }

    /// With three digits, or all in front of the point.
    static func number(_ value: Double) -> String {
        if value >= 100 { return "\(Int(value.rounded()))" }
        return "\((value * 100).rounded() / 100)"
    }
}

extension String {
    func padded(_ width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
}
