import BlockStorage
import Synchronization

/// Keeps a device to so many bytes and operations a second, with bursts of a tenth of a second. Several threads may ask.
///
/// Instead of counting tokens it remembers when all that was granted would be through at the limit's pace: a token
/// bucket without a clock that ticks (the "generic cell rate algorithm" of ATM networks).
package final class RateLimiter: Sendable {
    private struct Bucket {
        /// Units a second.
        let rate: UInt64
        /// When what was granted is through, monotonic nanoseconds.
        var through: UInt64 = 0

        /// When something may be granted next.
        func allowedAt(_ burst: UInt64) -> UInt64 { through > burst ? through - burst : 0 }

        mutating func grant(_ units: UInt64, now: UInt64) {
            let cost = units.multipliedFullWidth(by: 1_000_000_000)
            // A quotient that has no room is longer than anybody waits.
            let time = cost.high < rate ? rate.dividingFullWidth(cost).quotient : UInt64.max >> 2
            through = max(through, now).addingClamped(min(time, UInt64.max >> 2))
        }
    }

    private struct State {
        var bytes: Bucket?
        var operations: Bucket?
    }

    private static let burst: UInt64 = 100_000_000
    private let state: Mutex<State>

    package convenience init(_ limit: DiskSource.RateLimit?) {
        self.init(bytesPerSecond: limit?.bytesPerSecond, operationsPerSecond: limit?.operationsPerSecond)
    }

    /// nil: as much as comes.
    package init(bytesPerSecond: UInt64?, operationsPerSecond: UInt64?) {
        state = Mutex(Self.state(bytesPerSecond, operationsPerSecond))
    }

    /// Another limit from now on; what was granted before does not count against it.
    package func change(bytesPerSecond: UInt64?, operationsPerSecond: UInt64?) {
        state.withLock { $0 = Self.state(bytesPerSecond, operationsPerSecond) }
    }

    private static func state(_ bytesPerSecond: UInt64?, _ operationsPerSecond: UInt64?) -> State {
        State(
            bytes: bytesPerSecond.map { Bucket(rate: max($0, 1)) },
            operations: operationsPerSecond.map { Bucket(rate: max($0, 1)) })
    }

    /// Asks for one operation with so many bytes.
    ///
    /// - Returns: nil where it is granted; else when to ask again (monotonic nanoseconds).
    package func take(bytes: UInt64, now: UInt64) -> UInt64? {
        state.withLock { state in
            let allowed = max(
                state.bytes?.allowedAt(Self.burst) ?? 0, state.operations?.allowedAt(Self.burst) ?? 0)
            guard allowed <= now else { return allowed }
            state.bytes?.grant(bytes, now: now)
            state.operations?.grant(1, now: now)
            return nil
        }
    }
}

extension UInt64 {
    fileprivate func addingClamped(_ other: UInt64) -> UInt64 {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? .max : sum
    }
}
