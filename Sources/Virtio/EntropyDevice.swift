import CLinux
import Glibc
import GuestMemory
import LinuxSystem
import Synchronization

/// virtio-rng (virtio 1.2, 5.4): fills the driver's buffers with the kernel's random bytes.
package final class EntropyDevice: VirtioDevice {
    package let deviceType: UInt16 = 4
    package let features: UInt64 = 0
    package let queueSizes: [UInt16] = [64]
    /// A request gets at most so many bytes at a time, so that no guest keeps a processor's thread busy for long.
    private static let limit = 64 << 10

    private struct Running {
        var queue: VirtQueue
        /// What was negotiated.
        let features: UInt64
        let memory: GuestMemory
        let signals: any VirtioSignals
    }

    private let running = Mutex<Running?>(nil)

    package init() {}

    package func readConfiguration(offset: Int, count: Int) -> UInt64 { 0 }
    package func writeConfiguration(offset: Int, count: Int, value: UInt64) {}

    package func start(_ queues: [VirtQueue?], features: UInt64, memory: GuestMemory, signals: any VirtioSignals) {
        guard let queue = queues.first ?? nil else { return }
        running.withLock { $0 = Running(queue: queue, features: features, memory: memory, signals: signals) }
    }

    package func stop() -> [VirtQueue?] {
        running.withLock { running in
            defer { running = nil }
            return [running?.queue]
        }
    }

    /// The whole state as one value: its random numbers are nobody's to keep. No processor may run meanwhile.
    package func save() -> QueueDeviceState {
        running.withLock { running in
            QueueDeviceState(features: running?.features ?? 0, queues: running.map { [SavedQueue($0.queue)] } ?? [])
        }
    }

    /// Goes on from a saved state with the guest memory of that time.
    ///
    /// - Throws: `VirtQueueError` for a state that is not one of such a device, or does not fit the memory.
    package func load(
        _ state: QueueDeviceState, memory: GuestMemory, signals: any VirtioSignals
    ) throws(VirtQueueError) {
        let queues = try state.restored(offered: features, limits: queueSizes, memory: memory)
        _ = stop()
        if !queues.isEmpty { start(queues, features: state.features, memory: memory, signals: signals) }
    }

    package func notify(queue: Int) {
        let outcome = running.withLock { running -> (any VirtioSignals, Result<Bool, VirtQueueError>)? in
            guard let signals = running?.signals else { return nil }
            do throws(VirtQueueError) {
                return (signals, .success(try Self.serve(&running)))
            } catch {
                running = nil
                return (signals, .failure(error))
            }
        }
        switch outcome {
        case (let signals, .success(true))?: signals.queueWasUsed(0)
        case (let signals, .failure(let error))?: signals.needsReset(error)
        default: return
        }
    }

    /// - Returns: whether the driver wants an interrupt.
    private static func serve(_ running: inout Running?) throws(VirtQueueError) -> Bool {
        guard var state = running else { return false }
        defer { running = state }
        let memory = state.memory
        return try state.queue.serve { (chain) throws(VirtQueueError) in try fill(chain.writable, memory) }
    }

    private static func fill(_ segments: [GuestSegment], _ memory: GuestMemory) throws(VirtQueueError) -> UInt32 {
        var written = 0
        for segment in segments {
            let count = min(Int(segment.count), limit - written)
            guard count > 0 else { break }
            guard let target = memory.slice(segment.gpa, count) else {
                throw VirtQueueError("a buffer of \(segment.count) bytes is not in guest memory")
            }
            let got = getrandom(target.baseAddress, target.count, 0)
            guard got > 0 else { break }
            written += got
            if got < count { break }
        }
        return UInt32(written)
    }
}
