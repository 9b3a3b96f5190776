import BlockStorage
import GuestMemory
import LinuxSystem
import Synchronization

/// The thread of one queue of a block device.
final class BlockQueueThread: Sendable {
    /// Wakes the thread.
    let wake: EventFD
    private let shared: Shared
    private let thread: SystemThread

    private final class Shared: Sendable {
        let isStopping = Atomic(false)
        let queue: Mutex<VirtQueue>
        init(_ queue: VirtQueue) { self.queue = Mutex(queue) }
    }

    /// - Parameter before: what woke the thread that this one goes on for; nil: there was none.
    /// - Throws: `Errno` or `BlockStorageError` where the host has no descriptors or threads left.
    init(
        _ queue: VirtQueue, wake before: EventFD? = nil, index: Int, target: BlockTarget, memory: GuestMemory,
        features: UInt64,
        signals: any VirtioSignals, report: @escaping @Sendable (String) -> Void
    ) throws {
        let wake = try before ?? EventFD()
        let shared = Shared(queue)
        self.wake = wake
        self.shared = shared
        thread = try SystemThread(name: "disk queue \(index)") {
            do throws(BlockStorageError) {
                // An engine is its thread's own.
                let engine = try target.image.makeEngine(depth: Int(queue.layout.size))
                let loop = BlockQueueLoop(
                    queue, index: index, target: target, engine: engine, memory: memory, features: features,
                    signals: signals)
                loop.run(wake: wake) { shared.isStopping.load(ordering: .acquiring) }
                shared.queue.withLock { $0 = loop.queue }
            } catch {
                report("queue \(index) of a disk can't reach its image: \(error)")
                signals.needsReset(VirtQueueError("the disk's image can't be reached"))
            }
        }
        // What the driver made available before it said that it is ready, or a saved state has left.
        wake.signal()
    }

    func requestStop() {
        shared.isStopping.store(true, ordering: .releasing)
        wake.signal()
    }

    /// Waits for the thread's end, which `requestStop` has asked for. Once.
    ///
    /// - Returns: the queue as the thread left it.
    func finish() -> VirtQueue {
        thread.join()
        return shared.queue.withLock { $0 }
    }
}
