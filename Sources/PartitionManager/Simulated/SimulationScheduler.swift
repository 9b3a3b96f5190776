import LinuxSystem

/// One thread that takes every simulated guest forward: thousands of them cost no more than their own events.
final class SimulationScheduler: Sendable {
    private let monitor = Monitor(State())

    private struct State {
        /// Guests by the time of a step (monotonic nanoseconds). Only the entry whose time is in `next` counts.
        var queue = TimerHeap<SimulatedGuest>()
        var next: [ObjectIdentifier: UInt64] = [:]
        var isEnding = false

        mutating func schedule(_ guest: SimulatedGuest, at time: UInt64) {
            if let planned = next[ObjectIdentifier(guest)], planned <= time { return }
            next[ObjectIdentifier(guest)] = time
            queue.push(guest, at: time)
        }

        /// The guest of the first entry, when that entry still counts.
        mutating func popDue() -> SimulatedGuest? {
            guard let (time, guest) = queue.pop(), next[ObjectIdentifier(guest)] == time else { return nil }
            next[ObjectIdentifier(guest)] = nil
            return guest
        }
    }

    init() throws(Errno) {
        try SystemThread(name: "simulation") { [monitor] in Self.run(monitor) }.detach()
    }

    deinit { monitor.withLock { $0.isEnding = true } }

    /// Steps `guest` at `time` unless it is due earlier already.
    func schedule(_ guest: SimulatedGuest, at time: UInt64) {
        monitor.withLock { $0.schedule(guest, at: time) }
    }

    private enum Work {
        case end
        /// Nil: the entry no longer counts.
        case step(SimulatedGuest?)
        /// A guest is due earlier than the thread thought.
        case lookAgain
    }

    private static func run(_ monitor: Monitor<State>) {
        while true {
            // An hour at most, so that a far deadline stays within a timespec.
            let horizon = monotonicNanoseconds() + 3_600_000_000_000
            let deadline = monitor.read { min($0.queue.first ?? horizon, horizon) }
            let work = monitor.wait(until: deadline) { state -> Work? in
                if state.isEnding { return .end }
                guard let first = state.queue.first else { return nil }
                if first <= monotonicNanoseconds() { return .step(state.popDue()) }
                return first < deadline ? .lookAgain : nil
            }
            switch work {
            case .end: return
            case .step(let guest?):
                if let next = guest.step() { monitor.withLock { $0.schedule(guest, at: next) } }
            case .step(nil), .lookAgain, nil: continue
            }
        }
    }
}
