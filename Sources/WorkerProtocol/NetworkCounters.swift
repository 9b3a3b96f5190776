import CLinux
import NetworkBackends

/// What went through one of a guest's network interfaces in its current or last run. In the statistics page eight u64:
/// packets, bytes and drops received, the same sent, and drops for a wrong source address; the last is 0.
package struct NetworkCounters: Equatable, Sendable {
    /// One direction, as the guest sees it.
    package struct Direction: Equatable, Sendable {
        package var packets: UInt64 = 0
        package var bytes: UInt64 = 0
        package var dropped: UInt64 = 0

        package init(packets: UInt64 = 0, bytes: UInt64 = 0, dropped: UInt64 = 0) {
            self.packets = packets
            self.bytes = bytes
            self.dropped = dropped
        }
    }

    package var received = Direction()
    package var sent = Direction()
    /// Packets dropped because their source address was another one; `sent.dropped` counts them too.
    package var spoofed: UInt64 = 0

    package init() {}

    /// - Parameter words: the eight of the statistics page.
    init(words: [UInt64]) {
        guard words.count == 8 else { return }
        received = Direction(packets: words[0], bytes: words[1], dropped: words[2])
        sent = Direction(packets: words[3], bytes: words[4], dropped: words[5])
        spoofed = words[6]
    }

    var words: [UInt64] {
        [received, sent].flatMap { [$0.packets, $0.bytes, $0.dropped] } + [spoofed, 0]
    }
}

extension StatisticsPage {
    static let networkCapacity = NetworkSource.maximumCount
    static func networkOffset(_ interface: Int) -> Int { 3072 + interface * 64 }
}
