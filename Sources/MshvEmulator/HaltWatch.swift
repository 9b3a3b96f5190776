import Glibc
import LinuxSystem
import Synchronization

/// Finds processors that halted for good: HLT with interrupts disabled. The Microsoft hypervisor tells the root of that
/// by a message; KVM with local APICs of its own sleeps in the kernel and tells nobody.
///
/// One thread (`mshv-halt`) asks now and then whether the thread of a processor that runs has used processor time since
/// it was last asked. Only one that has not, and so sleeps, is asked for its registers, once for each sleep.
package final class HaltWatch: Sendable {
    private struct State {
        var watched: [ObjectIdentifier: Watched] = [:]
        var hasThread = false
    }

    private struct Watched {
        weak var processor: EngineProcessor?
        /// The processor time of its thread when it was last asked; nil: not running then.
        var time: UInt64?
        /// Whether it was looked at since it fell asleep.
        var isKnown = false
    }

    private static let interval: UInt32 = 50_000  // microseconds

    private let monitor = Monitor(State())

    package init() {}

    func add(_ processor: EngineProcessor) throws(Errno) {
        let isFirst = monitor.withLock { state in
            state.watched[ObjectIdentifier(processor)] = Watched(processor: processor)
            defer { state.hasThread = true }
            return !state.hasThread
        }
        guard isFirst else { return }
        do throws(Errno) {
            try SystemThread.withSignalsBlocked { () throws(Errno) in
                try SystemThread(name: "mshv-halt") { [self] in watch() }.detach()
            }
        } catch {
            monitor.withLock { $0.hasThread = false }
            throw error
        }
    }

    func remove(_ processor: EngineProcessor) {
        monitor.withLock { $0.watched[ObjectIdentifier(processor)] = nil }
    }

    private func watch() {
        while true {
            // No processor: nothing to do until there is one.
            monitor.wait { $0.watched.isEmpty ? nil : () }
            usleep(Self.interval)
            for processor in monitor.withLock({ Self.sleeping(&$0.watched) }) { processor.lookForHalt() }
        }
    }

    /// Those that sleep since the last time and were not looked at since.
    private static func sleeping(_ watched: inout [ObjectIdentifier: Watched]) -> [EngineProcessor] {
        var found: [EngineProcessor] = []
        for (key, entry) in watched {
            guard let processor = entry.processor else {
                watched[key] = nil
                continue
            }
            let time = processor.threadTime
            let sleeps = time != nil && time == entry.time
            if sleeps, !entry.isKnown { found.append(processor) }
            watched[key] = Watched(processor: processor, time: time, isKnown: sleeps)
        }
        return found
    }
}
