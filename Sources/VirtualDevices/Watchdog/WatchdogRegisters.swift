/// The registers of the watchdog timer that the table WDAT describes (Microsoft, "Hardware Watchdog Timers Design
/// Specification"), four of 32 bits. Pure: the time is given.
package struct WatchdogRegisters: Equatable, Sendable {
    package enum Register: UInt64, CaseIterable, Sendable {
        /// Bit 0: whether it runs. Starting it begins the countdown.
        case control = 0
        /// Seconds: written what a countdown begins with, read what is left of it.
        case countdown = 4
        /// Whatever is written begins the countdown again; read what that begins with.
        case reload = 8
        /// Bit 0: it expired and the machine was reset by that; writing the bit clears it.
        case status = 12
    }

    /// Bytes of all registers.
    package static let size: UInt64 = 16
    /// Seconds that a countdown can have.
    package static let counts: ClosedRange<UInt32> = 1...3600
    private static let second: UInt64 = 1_000_000_000

    /// Seconds with which a countdown begins.
    package private(set) var count: UInt32 = 60
    /// When it expires, in nanoseconds of the clock that the calls give; nil where it does not run.
    package private(set) var deadline: UInt64?
    /// Nanoseconds that were left when the machine was paused; nil where it is not, or it did not run.
    package private(set) var left: UInt64?
    package private(set) var hasExpired: Bool
    package private(set) var isSuspended = false

    /// - Parameter hasExpired: whether the machine begins anew because the watchdog expired.
    package init(hasExpired: Bool = false) { self.hasExpired = hasExpired }

    private var isRunning: Bool { deadline != nil || left != nil }

    package func read(_ register: Register, now: UInt64) -> UInt32 {
        switch register {
        case .control: return isRunning ? 1 : 0
        case .countdown:
            guard isRunning else { return count }
            let rest = left ?? deadline.map { $0 > now ? $0 - now : 0 } ?? 0
            return UInt32(clamping: (rest + Self.second - 1) / Self.second)
        case .reload: return count
        case .status: return hasExpired ? 1 : 0
        }
    }

    package mutating func write(_ register: Register, _ value: UInt32, now: UInt64) {
        switch register {
        case .control:
            guard value & 1 != 0 else { return (deadline, left) = (nil, nil) }
            if !isRunning { begin(now) }
        case .countdown:
            count = min(max(value, Self.counts.lowerBound), Self.counts.upperBound)
            if isRunning { begin(now) }
        case .reload:
            if isRunning { begin(now) }
        case .status:
            if value & 1 != 0 { hasExpired = false }
        }
    }

    private mutating func begin(_ now: UInt64) {
        let time = UInt64(count) * Self.second
        if isSuspended { left = time } else { deadline = now &+ time }
    }

    /// Whether it has expired at `now`: once, since it runs no longer then.
    package mutating func takeExpiry(now: UInt64) -> Bool {
        guard let deadline, deadline <= now else { return false }
        self.deadline = nil
        return true
    }

    /// The machine is paused: the guest's time stands still.
    package mutating func suspend(now: UInt64) {
        guard !isSuspended else { return }
        isSuspended = true
        left = deadline.map { $0 > now ? $0 - now : 0 }
        deadline = nil
    }

    package mutating func resume(now: UInt64) {
        guard isSuspended else { return }
        isSuspended = false
        deadline = left.map { now &+ $0 }
        left = nil
    }
}
