import GuestMemory
import LinuxSystem
import Synchronization
import Vhost

/// virtio-vsock (virtio 1.2, 5.10) served by the host's kernel (Linux's vhost-vsock): programs of the host use AF_VSOCK
/// as those of the guest do. Only the event queue is this process's.
package final class VhostVsockDevice: VirtioDevice {
    package enum Feature {
        package static let seqPacket: UInt64 = 1 << 1
    }
    private enum Queue {
        static let receive = 0
        static let transmit = 1
        static let event = 2
    }

    package let deviceType: UInt16 = 19
    package let features: UInt64
    /// Receive, transmit and event.
    package let queueSizes: [UInt16] = [128, 128, 16]
    /// The kernel knows no packed queues.
    package let commonFeatures = VirtioFeature.common & ~VirtioFeature.ringPacked

    private let cid: UInt64
    private let report: @Sendable (String) -> Void
    private let state: Mutex<State>

    private struct State {
        /// With the context identifier claimed; nil where the host did not give it back.
        var device: VhostDevice?
        var running: Running?
    }
    private struct Running {
        var queues: [VirtQueue?]
        let kicks: [EventFD]
        let features: UInt64
        let memory: GuestMemory
        let signals: any VirtioSignals
        let observation: UInt64?
        /// The driver is to learn that all its connections are gone.
        var needsTransportReset: Bool
    }

    /// Claims the context identifier on the host.
    ///
    /// - Parameters:
    ///   - cid: of `VsockDevice.cids`.
    ///   - report: is given a line where the host lacks something.
    /// - Throws: `Errno`: `EADDRINUSE` where another guest of the host has it, `ENOENT` and `EACCES` where there is no
    ///   vhost-vsock for this process.
    package init(cid: UInt64, report: @escaping @Sendable (String) -> Void = { _ in }) throws(Errno) {
        let device = try Self.claim(cid)
        self.cid = cid
        self.report = report
        features = VsockDevice.Feature.stream | device.features & Feature.seqPacket
        state = Mutex(State(device: device))
    }

    private static func claim(_ cid: UInt64) throws(Errno) -> VhostDevice {
        let device = try VhostDevice(VhostDevice.vsockPath)
        try device.setGuestCID(cid)
        return device
    }

    package func readConfiguration(offset: Int, count: Int) -> UInt64 {
        littleEndian((0..<8).map { UInt8(truncatingIfNeeded: cid >> (8 * $0)) }, offset: offset, count: count)
    }

    package func writeConfiguration(offset: Int, count: Int, value: UInt64) {}

    // MARK: Queues

    package func start(_ queues: [VirtQueue?], features: UInt64, memory: GuestMemory, signals: any VirtioSignals) {
        start(queues, features: features, needsTransportReset: false, memory, signals)
    }

    private func start(
        _ queues: [VirtQueue?], features: UInt64, needsTransportReset: Bool, _ memory: GuestMemory,
        _ signals: any VirtioSignals
    ) {
        let queues = queues + [VirtQueue?](repeating: nil, count: max(0, queueSizes.count - queues.count))
        state.withLock { state in
            guard state.running == nil else { return }
            do throws(VhostFailure) {
                state.running = try serve(
                    queues, features: features, needsTransportReset: needsTransportReset, memory, signals, state.device)
            } catch {
                report("the host's kernel does not serve a vsock device: \(error)")
                signals.needsReset(VirtQueueError("the host's vsock does not serve the device"))
            }
        }
        notify(queue: Queue.event)
    }

    private func serve(
        _ queues: [VirtQueue?], features: UInt64, needsTransportReset: Bool, _ memory: GuestMemory,
        _ signals: any VirtioSignals, _ device: VhostDevice?, kicks before: [EventFD]? = nil
    ) throws(VhostFailure) -> Running {
        guard let device else { throw VhostFailure(description: "its context identifier is another guest's now") }
        let kicks: [EventFD]
        do throws(Errno) {
            if let before { kicks = before } else { kicks = [try EventFD(), try EventFD()] }
        } catch {
            throw VhostFailure(description: "the host has no descriptors left: \(error)")
        }
        var rings: [(index: UInt32, ring: VhostDevice.Ring)] = []
        for number in [Queue.receive, Queue.transmit] {
            guard let queue = queues[number] else {
                throw VhostFailure(description: "the driver does not use queue \(number)")
            }
            let ring = try VhostRings.ring(queue, number: number, memory, signals, kick: kicks[number], error: nil)
            rings.append((UInt32(number), ring))
        }
        try VhostRings.prepare(device, rings, features: features, memory: memory)
        do throws(Errno) {
            try device.setRunning(true)
        } catch {
            throw VhostFailure(description: "vhost-vsock does not begin: \(error)")
        }
        let observation = VhostRings.follow(memory, for: device) {
            signals.needsReset(VirtQueueError("the host's vsock does not take the guest's new memory"))
        }
        // What the driver made available before the kernel looked.
        for kick in kicks { kick.signal() }
        return Running(
            queues: queues, kicks: kicks, features: features, memory: memory, signals: signals,
            observation: observation, needsTransportReset: needsTransportReset)
    }

    package func notify(queue: Int) {
        let outcome = state.withLock { state -> QueueOutcome in
            guard var running = state.running else { return .nothing }
            if running.kicks.indices.contains(queue) { running.kicks[queue].signal() }
            guard queue == Queue.event, running.needsTransportReset, var events = running.queues[Queue.event] else {
                return .nothing
            }
            do throws(VirtQueueError) {
                // virtio 1.2, 5.10.6.6: after a saved state was loaded.
                guard let chain = try events.next() else { return .nothing }
                let transportReset: [UInt8] = [0, 0, 0, 0]
                try events.complete(chain, written: try chain.answer(transportReset, in: running.memory))
                running.needsTransportReset = false
                let wantsInterrupt = try events.needsInterrupt()
                running.queues[Queue.event] = events
                state.running = running
                return wantsInterrupt ? .used(running.signals, Queue.event) : .nothing
            } catch {
                state.running?.queues[Queue.event] = nil
                return .broken(running.signals, error)
            }
        }
        outcome.signal()
    }

    package func doorbell(queue: Int) -> EventFD? {
        state.withLock { state in
            guard let running = state.running, running.kicks.indices.contains(queue) else { return nil }
            return running.kicks[queue]
        }
    }

    /// All connections end: the kernel forgets them with the device, which is then made anew.
    @discardableResult
    package func stop() -> [VirtQueue?] {
        state.withLock { state in
            guard let running = state.running, let device = state.device else { return [] }
            let queues = end(running, device)
            state = State()
            do throws(Errno) {
                state.device = try Self.claim(cid)
            } catch {
                report("the host does not give the context identifier \(cid) back: \(error)")
            }
            return queues
        }
    }

    /// The kernel serves the queues no more; they are as it left them.
    private func end(_ running: Running, _ device: VhostDevice) -> [VirtQueue?] {
        if let observation = running.observation { running.memory.growth?.ignore(observation) }
        try? device.setRunning(false)
        var queues = running.queues
        for number in [Queue.receive, Queue.transmit] {
            queues[number] = VhostRings.left(queues[number], device, UInt32(number))
        }
        return queues
    }

    // MARK: State

    /// The device's whole state; it goes on afterwards. Connections are none of it: the driver learns where the state is
    /// loaded that they are gone. No processor may run meanwhile.
    package func save() -> VsockDeviceState {
        state.withLock { state in
            guard let running = state.running, let device = state.device else { return VsockDeviceState(cid: cid) }
            let queues = end(running, device)
            let saved = VsockDeviceState(
                cid: cid, features: running.features, needsTransportReset: running.needsTransportReset,
                queues: queues.map { $0.map(SavedQueue.init) })
            do throws(VhostFailure) {
                state.running = try serve(
                    queues, features: running.features, needsTransportReset: running.needsTransportReset,
                    running.memory, running.signals, device, kicks: running.kicks)
            } catch {
                state.running = nil
                report("the host's kernel no longer serves a vsock device: \(error)")
                running.signals.needsReset(VirtQueueError("the host's vsock does not serve the device"))
            }
            return saved
        }
    }

    /// Goes on from a saved state, with the guest memory of that time.
    ///
    /// - Throws: `VirtQueueError` for a state that is not one of such a device, or does not fit the memory.
    package func load(
        _ saved: VsockDeviceState, memory: GuestMemory, signals: any VirtioSignals
    ) throws(VirtQueueError) {
        guard saved.features & ~(features | commonFeatures) == 0 else {
            throw VirtQueueError("the saved state is of a vsock device with other features")
        }
        let queues = try SavedQueue.restore(
            saved.queues, features: saved.features, limits: queueSizes, memory: memory)
        stop()
        guard !queues.isEmpty else { return }
        start(queues, features: saved.features, needsTransportReset: true, memory, signals)
    }
}
