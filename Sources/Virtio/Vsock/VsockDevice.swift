import GuestMemory
import LinuxSystem
import Synchronization

/// virtio-vsock (virtio 1.2, 5.10): streams between programs of the guest and programs of the host, which meet at Unix
/// sockets (`VsockHost`).
package final class VsockDevice: VirtioDevice {
    package enum Feature {
        package static let stream: UInt64 = 1 << 0
    }

    /// Context identifiers that a guest can have: those below are the hypervisor's and the host's, and the last one means
    /// any.
    package static let cids: ClosedRange<UInt64> = 3...0xFFFF_FFFE

    package let deviceType: UInt16 = 19
    package let features: UInt64
    /// Receive, transmit and event.
    package let queueSizes: [UInt16] = [128, 128, 16]

    private let cid: UInt64
    private let host: VsockHost
    private let report: @Sendable (String) -> Void
    private let running = Mutex<Running?>(nil)

    private struct Running {
        let loop: VsockLoop
        let thread: SystemThread
        let isStopping: Flag
        let features: UInt64
    }

    private final class Flag: Sendable {
        let value = Atomic(false)
    }

    /// - Parameters:
    ///   - cid: the guest's context identifier, of `cids`.
    ///   - withheld: feature bits of the device that are not offered.
    ///   - report: is given a line where the host lacks something.
    package init(
        cid: UInt64, host: VsockHost, withheld: UInt64 = 0, report: @escaping @Sendable (String) -> Void = { _ in }
    ) {
        self.cid = cid
        self.host = host
        self.report = report
        features = Feature.stream & ~withheld
    }

    package func readConfiguration(offset: Int, count: Int) -> UInt64 {
        littleEndian((0..<8).map { UInt8(truncatingIfNeeded: cid >> (8 * $0)) }, offset: offset, count: count)
    }

    package func writeConfiguration(offset: Int, count: Int, value: UInt64) {}

    package func start(_ queues: [VirtQueue?], features: UInt64, memory: GuestMemory, signals: any VirtioSignals) {
        start(queues, features: features, needsTransportReset: false, memory, signals)
    }

    private func start(
        _ queues: [VirtQueue?], features: UInt64, needsTransportReset: Bool, _ memory: GuestMemory,
        _ signals: any VirtioSignals
    ) {
        running.withLock { running in
            guard running == nil else { return }
            do throws(Errno) {
                let isStopping = Flag()
                let loop = try VsockLoop(
                    queues, cid: cid, host: host, needsTransportReset: needsTransportReset, memory: memory,
                    signals: signals)
                let thread = try SystemThread(name: "vsock") {
                    loop.run { isStopping.value.load(ordering: .acquiring) }
                }
                running = Running(loop: loop, thread: thread, isStopping: isStopping, features: features)
            } catch {
                report("the sockets of a guest are not served: \(error)")
                signals.needsReset(VirtQueueError("the host has no thread or descriptor for the device"))
            }
        }
    }

    package func notify(queue: Int) { running.withLock { $0?.loop.wake.signal() } }

    package func doorbell(queue: Int) -> EventFD? { running.withLock { $0?.loop.wake } }

    /// All connections end.
    @discardableResult
    package func stop() -> [VirtQueue?] {
        running.withLock { running in
            guard let now = running else { return [] }
            running = nil
            now.isStopping.value.store(true, ordering: .releasing)
            now.loop.wake.signal()
            now.thread.join()
            return now.loop.saved.queues
        }
    }

    // MARK: State

    /// The device's whole state; it goes on afterwards. Connections are none of it: they end at sockets of this host, and
    /// the driver learns where the state is loaded that they are gone. No processor may run meanwhile.
    package func save() -> VsockDeviceState {
        running.withLock { running in
            guard let running else { return VsockDeviceState(cid: cid) }
            let saved = running.loop.saved
            return VsockDeviceState(
                cid: cid, features: running.features, needsTransportReset: saved.needsTransportReset,
                queues: saved.queues.map { $0.map(SavedQueue.init) })
        }
    }

    /// Goes on from a saved state, with the guest memory of that time.
    ///
    /// - Throws: `VirtQueueError` for a state that is not one of such a device, or does not fit the memory.
    package func load(
        _ saved: VsockDeviceState, memory: GuestMemory, signals: any VirtioSignals
    ) throws(VirtQueueError) {
        guard saved.features & ~(features | VirtioFeature.common) == 0 else {
            throw VirtQueueError("the saved state is of a vsock device with other features")
        }
        let queues = try SavedQueue.restore(
            saved.queues, features: saved.features, limits: queueSizes, memory: memory)
        stop()
        guard !queues.isEmpty else { return }
        start(queues, features: saved.features, needsTransportReset: true, memory, signals)
    }
}

/// A vsock device's state as one value: with the transport's all that has to be saved.
package struct VsockDeviceState: Equatable, Sendable {
    /// The identifier that the guest had. The driver asks for the one that it has now when it learns of the reset.
    package var cid: UInt64
    /// What was negotiated; 0 where the device does not run.
    package var features: UInt64 = 0
    /// The driver has not learned yet that its connections are gone.
    package var needsTransportReset = false
    /// By number; none where the device does not run.
    package var queues: [SavedQueue?] = []
}
