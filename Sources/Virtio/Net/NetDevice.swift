import GuestMemory
import LinuxSystem
import NetworkBackends
import Synchronization

/// virtio-net (virtio 1.2, 5.1): a network interface whose pairs of queues are served by a thread each, or by the host's
/// kernel.
package final class NetDevice: VirtioDevice {
    package let deviceType: UInt16 = 1
    package let features: UInt64
    package let queueSizes: [UInt16]
    private let target: NetTarget
    private let configuration: NetConfiguration
    private let kernel: NetKernelPath?
    private let report: @Sendable (String) -> Void
    private let running = Mutex<Running?>(nil)

    private struct Running {
        var pairs: NetPairs
        var control: NetControlQueue?
        let features: UInt64
        let memory: GuestMemory
        let signals: any VirtioSignals
    }

    /// - Parameters:
    ///   - backend: has as many queues as the device gets pairs.
    ///   - limiters: of what is received and of what is sent.
    ///   - withheld: feature bits of the device that are not offered.
    ///   - kernel: nil: this process moves all packets.
    ///   - report: is given a line where the host lacks something.
    ///   - account: is told of what went through, on the pairs' threads.
    package init(
        _ backend: any NetworkBackend, mac: MACAddress, allowsSpoofing: Bool = false,
        limiters: (receive: RateLimiter, send: RateLimiter) = (RateLimiter(nil), RateLimiter(nil)),
        withheld: UInt64 = 0, kernel: NetKernelPath? = nil, report: @escaping @Sendable (String) -> Void = { _ in },
        account: @escaping @Sendable (NetAccount) -> Void = { _ in }
    ) {
        let pairs = backend.queues.count
        queueSizes = Array(repeating: NetLimit.queueSize, count: 2 * pairs) + [NetLimit.controlQueueSize]
        features = NetFeature.offered(backend.offloads, pairs: pairs) & ~withheld
        configuration = NetConfiguration(mac: mac, pairs: pairs, mtu: backend.mtu)
        target = NetTarget(
            backend, mac: mac, allowsSpoofing: allowsSpoofing, receiveLimiter: limiters.receive,
            sendLimiter: limiters.send, account: account)
        self.kernel = kernel
        self.report = report
    }

    /// The kernel knows no packed queues.
    package var commonFeatures: UInt64 {
        kernel == nil ? VirtioFeature.common : VirtioFeature.common & ~VirtioFeature.ringPacked
    }
    package func consistent(_ features: UInt64) -> UInt64 { NetFeature.consistent(features) }

    package func readConfiguration(offset: Int, count: Int) -> UInt64 {
        littleEndian(configuration.bytes, offset: offset, count: count)
    }

    package func writeConfiguration(offset: Int, count: Int, value: UInt64) {}

    /// 5.1.2: behind the pairs that the driver knows of; nil where it has none.
    private func controlIndex(_ features: UInt64) -> Int? {
        guard features & NetFeature.controlQueue != 0 else { return nil }
        return features & NetFeature.multiQueue != 0 ? queueSizes.count - 1 : 2
    }

    // MARK: Queues

    package func start(_ queues: [VirtQueue?], features: UInt64, memory: GuestMemory, signals: any VirtioSignals) {
        start(
            queues, features: features, activePairs: 1, offloads: NetFeature.receiveOffloads(features), memory, signals)
    }

    private func start(
        _ queues: [VirtQueue?], packets: [[UInt8]] = [], features: UInt64, activePairs: Int, offloads: NetworkOffloads,
        _ memory: GuestMemory, _ signals: any VirtioSignals
    ) {
        running.withLock { running in
            guard running == nil else { return }
            do throws(Errno) {
                try target.setActive(pairs: activePairs)
                try target.setReceiveOffloads(offloads)
            } catch {
                report("the network refuses what the driver negotiated: \(error)")
                return signals.needsReset(VirtQueueError("the host's network refuses what was negotiated"))
            }
            let index = controlIndex(features)
            let control = index.flatMap { index in
                queues.indices.contains(index) ? queues[index].map { NetControlQueue(queue: $0, index: index) } : nil
            }
            running = Running(
                pairs: startPairs(queues, packets: packets, features: features, memory, signals), control: control,
                features: features, memory: memory, signals: signals)
        }
    }

    private func startPairs(
        _ queues: [VirtQueue?], packets: [[UInt8]], wakes: [EventFD?] = [], features: UInt64, _ memory: GuestMemory,
        _ signals: any VirtioSignals
    ) -> NetPairs {
        let known = features & NetFeature.multiQueue != 0 ? target.backend.queues.count : 1
        func queue(_ index: Int) -> VirtQueue? { queues.indices.contains(index) ? queues[index] : nil }
        let pairs = (0..<known).map { pair in
            NetPairQueues(
                receive: queue(2 * pair), send: queue(2 * pair + 1),
                packet: packets.indices.contains(pair) ? packets[pair] : [])
        }
        return NetPairs(
            pairs, wakes: wakes, target: target, kernel: kernel, memory: memory, features: features, signals: signals,
            report: report)
    }

    /// Has the kernel serve the pairs from now on, or no more, where that may be so now and was not, or the other way
    /// round.
    package func reconsider() {
        running.withLock { running in
            guard var now = running, let kernel, now.pairs.isServedByKernel != kernel.isAllowed() else { return }
            let (queues, packets) = end(now)
            now.pairs = startPairs(
                queues, packets: packets, wakes: now.pairs.wakes, features: now.features, now.memory, now.signals)
            running = now
            // Nobody knows what the driver was told last.
            for queue in queues.indices where queues[queue] != nil && queue != now.control?.index {
                now.signals.queueWasUsed(queue)
            }
        }
    }

    package func notify(queue: Int) {
        let outcome = running.withLock { running -> (any VirtioSignals, Result<Bool, VirtQueueError>)? in
            guard let now = running else { return nil }
            guard var control = now.control, control.index == queue else {
                now.pairs.wake(queue / 2)?.signal()
                return nil
            }
            do throws(VirtQueueError) {
                let wantsInterrupt = try control.serve(target, features: now.features, memory: now.memory)
                running?.control = control
                // Pairs may be in use now that were not, or the other way round.
                for wake in now.pairs.wakes { wake?.signal() }
                return (now.signals, .success(wantsInterrupt))
            } catch {
                running?.control = nil
                return (now.signals, .failure(error))
            }
        }
        switch outcome {
        case (let signals, .success(true))?: signals.queueWasUsed(queue)
        case (let signals, .failure(let error))?: signals.needsReset(error)
        default: return
        }
    }

    package func doorbell(queue: Int) -> EventFD? {
        running.withLock { running in
            guard let running, queue != running.control?.index else { return nil }
            return running.pairs.wake(queue / 2)
        }
    }

    @discardableResult
    package func stop() -> [VirtQueue?] {
        running.withLock { running in
            guard let now = running else { return [] }
            running = nil
            return end(now).queues
        }
    }

    /// Ends the pairs; the queues by their numbers, and the packets that wait for the driver by their pairs'.
    private func end(_ now: Running) -> (queues: [VirtQueue?], packets: [[UInt8]]) {
        var queues = [VirtQueue?](repeating: nil, count: queueSizes.count)
        let left = now.pairs.end()
        for (pair, left) in left.enumerated() { (queues[2 * pair], queues[2 * pair + 1]) = (left.receive, left.send) }
        if let control = now.control { queues[control.index] = control.queue }
        return (queues, left.map(\.packet))
    }

    // MARK: State

    /// The device's whole state; it goes on afterwards. No processor may run meanwhile.
    package func save() -> NetDeviceState {
        running.withLock { current in
            guard var now = current else { return NetDeviceState() }
            let (queues, packets) = end(now)
            let state = NetDeviceState(
                features: now.features, activePairs: target.activePairs.load(ordering: .relaxed),
                receiveOffloads: target.receiveOffloads, queues: queues.map { $0.map(SavedQueue.init) },
                packets: packets)
            now.pairs = startPairs(
                queues, packets: packets, wakes: now.pairs.wakes, features: now.features, now.memory, now.signals)
            current = now
            return state
        }
    }

    /// Goes on from a saved state, with the guest memory of that time.
    ///
    /// - Throws: `VirtQueueError` for a state that is not one of such a device, or does not fit the memory.
    package func load(
        _ state: NetDeviceState, memory: GuestMemory, signals: any VirtioSignals
    ) throws(VirtQueueError) {
        guard state.features & ~(features | commonFeatures) == 0,
            state.activePairs >= 1, state.activePairs <= target.backend.queues.count,
            state.receiveOffloads.isSubset(of: NetFeature.receiveOffloads(state.features)),
            state.packets.count <= target.backend.queues.count,
            state.packets.allSatisfy({ $0.count <= NetLimit.packetSize + PacketHeader.size })
        else {
            throw VirtQueueError("the saved state is of a network interface with other features or more queues")
        }
        let queues = try SavedQueue.restore(
            state.queues, features: state.features, limits: queueSizes, memory: memory)
        stop()
        guard !queues.isEmpty else { return }
        start(
            queues, packets: state.packets, features: state.features, activePairs: state.activePairs,
            offloads: state.receiveOffloads, memory, signals)
    }
}

/// A network device's state as one value: with the transport's all that has to be saved.
package struct NetDeviceState: Equatable, Sendable {
    /// What was negotiated; 0 where the device does not run.
    package var features: UInt64 = 0
    /// Pairs of queues in use.
    package var activePairs = 1
    /// What received packets may leave to the driver.
    package var receiveOffloads: NetworkOffloads = []
    /// By number; nil for those that the driver does not use, none where the device does not run.
    package var queues: [SavedQueue?] = []
    /// By pair: the packet, with its header, that was received and waits for the driver's buffers; empty: none.
    package var packets: [[UInt8]] = []
}
