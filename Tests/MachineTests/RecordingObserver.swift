import DeviceSources
import Hypervisor
import LinuxSystem
import VirtualMachine

/// Keeps what a machine tells, and lets a test wait for it.
final class RecordingObserver: MachineObserver {
    struct Record {
        var console: [UInt8] = []
        var resets = 0
        var end: MachineEnd?
        var exits: [ExitReason: Int] = [:]
        var threads: [Int: Int32] = [:]
        var ejected: [String] = []
    }

    let record = Monitor(Record())

    func machineDidPrint(_ bytes: UnsafeRawBufferPointer) {
        record.withLock { $0.console += bytes }
    }
    func machineDidReset() { record.withLock { $0.resets += 1 } }
    func machineDidEnd(_ end: MachineEnd) { record.withLock { $0.end = end } }
    func machineDidStart(vp: Int, thread: Int32) { record.withLock { $0.threads[vp] = thread } }
    func machineDidExit(vp: Int, reason: ExitReason) { record.withLock { $0.exits[reason, default: 0] += 1 } }

    func machineDidEject(_ device: DeviceName) { record.withLock { $0.ejected.append(device.id) } }

    var ejected: [String] { record.withLock { $0.ejected } }

    /// Waits until so many devices are gone; all that are, where they do not come.
    func waitForEjections(_ count: Int) -> [String] {
        record.wait(until: monotonicNanoseconds() + Self.limit) { $0.ejected.count >= count ? $0.ejected : nil }
            ?? ejected
    }

    var console: String { record.withLock { String(decoding: $0.console, as: UTF8.self) } }

    /// Emulated processors are slow: limits are generous, and a test that passes does not wait for them.
    private static let limit: UInt64 = 60_000_000_000

    /// Waits until the console has `text` behind `offset` bytes; whether it came.
    func waitForConsole(_ text: String, after offset: Int = 0) -> Bool {
        record.wait(until: monotonicNanoseconds() + Self.limit) { record -> Bool? in
            String(decoding: record.console.dropFirst(offset), as: UTF8.self).contains(text) ? true : nil
        } ?? false
    }

    func waitForEnd() -> MachineEnd? {
        record.wait(until: monotonicNanoseconds() + Self.limit) { $0.end }
    }

    func waitForResets(_ count: Int) -> Bool {
        record.wait(until: monotonicNanoseconds() + Self.limit) { $0.resets >= count ? true : nil } ?? false
    }

    var consoleCount: Int { record.withLock { $0.console.count } }
}
