import LinuxSystem

/// A watchdog timer: a guest that does not reload it in time can't be well.
///
/// It has a thread from the moment on at which a guest first touches it.
package final class WatchdogTimer: BusDevice {
    package typealias State = WatchdogRegisters

    private struct Locked {
        var registers: WatchdogRegisters
        var hasThread = false
        var isEnding = false
    }

    private let locked: Monitor<Locked>
    private let onExpiry: @Sendable () -> Void

    /// - Parameters:
    ///   - hasExpired: whether the machine begins anew because its watchdog expired.
    ///   - onExpiry: called on the timer's own thread, without a lock.
    package init(hasExpired: Bool = false, onExpiry: @escaping @Sendable () -> Void) {
        locked = Monitor(Locked(registers: WatchdogRegisters(hasExpired: hasExpired)))
        self.onExpiry = onExpiry
    }

    deinit { end() }

    /// Registers of 32 bits; other accesses read as 0 and do nothing.
    package func read(offset: UInt64, size: Int) -> UInt64 {
        guard size == 4, let register = WatchdogRegisters.Register(rawValue: offset) else { return 0 }
        return UInt64(locked.read { $0.registers.read(register, now: monotonicNanoseconds()) })
    }

    package func write(offset: UInt64, size: Int, value: UInt64) {
        guard size == 4, let register = WatchdogRegisters.Register(rawValue: offset) else { return }
        change { $0.write(register, UInt32(truncatingIfNeeded: value), now: monotonicNanoseconds()) }
    }

    /// Changes the registers, and sees to it that somebody looks at the time where they need that.
    private func change(_ body: (inout WatchdogRegisters) -> Void) {
        let needsThread = locked.withLock { locked -> Bool in
            body(&locked.registers)
            let needsThread = !locked.hasThread && locked.registers.deadline != nil && !locked.isEnding
            if needsThread { locked.hasThread = true }
            return needsThread
        }
        guard needsThread else { return }
        let (locked, onExpiry) = (locked, onExpiry)
        do throws(Errno) {
            try SystemThread(name: "watchdog") { Self.watch(locked, onExpiry) }.detach()
        } catch {
            // The next write tries again: a guest writes as long as it is well.
            locked.withLock { $0.hasThread = false }
        }
    }

    /// Until `end`.
    private static func watch(_ locked: Monitor<Locked>, _ onExpiry: @Sendable () -> Void) {
        while true {
            let deadline = locked.wait { $0.isEnding ? UInt64.max : $0.registers.deadline }
            guard deadline != .max else { return }
            // A change of the deadline is looked at again, and so is the end.
            let isDue: Bool? = locked.wait(until: deadline) { locked in
                if locked.isEnding || locked.registers.deadline != deadline { return false }
                return locked.registers.takeExpiry(now: monotonicNanoseconds()) ? true : nil
            }
            if isDue == true { onExpiry() }
        }
    }

    package func reset() { state = State() }

    /// Everything the timer is, with a clock that stands still: what is left is saved, not when it is over.
    package var state: State {
        get {
            locked.read { locked in
                var registers = locked.registers
                registers.suspend(now: monotonicNanoseconds())
                return registers
            }
        }
        set {
            change { registers in
                registers = newValue
                registers.resume(now: monotonicNanoseconds())
            }
        }
    }

    /// The machine is paused: no time passes.
    package func suspend() { change { $0.suspend(now: monotonicNanoseconds()) } }
    package func resume() { change { $0.resume(now: monotonicNanoseconds()) } }

    /// The end of its thread: it does not expire any more.
    package func end() { locked.withLock { $0.isEnding = true } }
}
