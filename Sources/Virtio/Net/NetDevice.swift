import BlockStorage
import GuestMemory
import LinuxSystem
import NetworkBackends
import Synchronization

/// virtio-net (virtio 1.2, 5.1): a network interface with a thread for each pair of queues.
package final class NetDevice: VirtioDevice {
    package let deviceType: UInt16 = 1
    package let features: UInt64
    package let queueSizes: [UInt16]
    private let target: NetTarget
    private let configuration: NetConfiguration
    private let report: @Sendable (String) -> Void
    private let running = Mutex<Running?>(nil)

    private struct Running {
        var pairs: [NetPairThread?]
        var control: NetControlQueue?
        let features: UInt64
        let memory: GuestMemory
        let signals: any VirtioSignals
    }

    /// - Parameters:
    ///   - backend: has as many queues as the device gets pairs.
    ///   - limiters: of what is received and of what is sent.
    ///   - withheld: feature bits of the device that are not offered.
    ///   - report: is given a line where the host lacks something.
    ///   - account: is told of what went through, on the pairs' threads.
    package init(
        _ backend: any NetworkBackend, mac: MACAddress, allowsSpoofing: Bool = false,
        limiters: (receive: RateLimiter, send: RateLimiter) = (RateLimiter(nil), RateLimiter(nil)),
        withheld: UInt64 = 0, report: @escaping @Sendable (String) -> Void = { _ in },
        account: @escaping @Sendable (NetAccount) -> Void = { _ in }
    ) {
        let pairs = backend.queues.count
        queueSizes = Array(repeating: NetLimit.queueSize, count: 2 * pairs) + [NetLimit.controlQueueSize]
        features = NetFeature.offered(backend.offloads, pairs: pairs) & ~withheld
        configuration = NetConfiguration(mac: mac, pairs: pairs, mtu: backend.mtu)
        target = NetTarget(
            backend, mac: mac, allowsSpoofing: allowsSpoofing, receiveLimiter: limiters.receive,
            sendLimiter: limiters.send, account: account)
        self.report = report
    }

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
        _ queues: [VirtQueue?], features: UInt64, activePairs: Int, offloads: NetworkOffloads, _ memory: GuestMemory,
        _ signals: any VirtioSignals
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
                pairs: startThreads(queues, features: features, memory, signals), control: control,
                features: features, memory: memory, signals: signals)
        }
    }

    private func startThreads(
        _ queues: [VirtQueue?], wakes: [EventFD?] = [], features: UInt64, _ memory: GuestMemory,
        _ signals: any VirtioSignals
    ) -> [NetPairThread?] {
        let known = features & NetFeature.multiQueue != 0 ? target.backend.queues.count : 1
        func queue(_ index: Int) -> VirtQueue? { queues.indices.contains(index) ? queues[index] : nil }
        return (0..<known).map { pair in
            let (receive, send) = (queue(2 * pair), queue(2 * pair + 1))
            guard receive != nil || send != nil else { return nil }
            do throws(Errno) {
                return try NetPairThread(
                    receive: receive, send: send, wake: wakes.indices.contains(pair) ? wakes[pair] : nil, pair: pair,
                    target: target, memory: memory, features: features, signals: signals)
            } catch {
                report("pair \(pair) of a network interface's queues has no thread: \(error)")
                signals.needsReset(VirtQueueError("the host has no thread for pair \(pair)"))
                return nil
            }
        }
    }

    package func notify(queue: Int) {
        let outcome = running.withLock { running -> (any VirtioSignals, Result<Bool, VirtQueueError>)? in
            guard let now = running else { return nil }
            guard var control = now.control, control.index == queue else {
                if now.pairs.indices.contains(queue / 2) { now.pairs[queue / 2]?.wake.signal() }
                return nil
            }
            do throws(VirtQueueError) {
                let wantsInterrupt = try control.serve(target, features: now.features, memory: now.memory)
                running?.control = control
                // Pairs may be in use now that were not, or the other way round.
                for pair in now.pairs { pair?.wake.signal() }
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
            guard let running, queue != running.control?.index, running.pairs.indices.contains(queue / 2) else {
                return nil
            }
            return running.pairs[queue / 2]?.wake
        }
    }

    @discardableResult
    package func stop() -> [VirtQueue?] {
        running.withLock { running in
            guard let now = running else { return [] }
            running = nil
            return end(now)
        }
    }

    /// Ends the threads; the queues by their numbers.
    private func end(_ now: Running) -> [VirtQueue?] {
        // All are told before the first is waited for.
        for thread in now.pairs { thread?.requestStop() }
        var queues = [VirtQueue?](repeating: nil, count: queueSizes.count)
        for (pair, thread) in now.pairs.enumerated() {
            guard let thread else { continue }
            (queues[2 * pair], queues[2 * pair + 1]) = thread.finish()
        }
        if let control = now.control { queues[control.index] = control.queue }
        return queues
    }

    // MARK: State

    /// The device's whole state; it goes on afterwards. A packet that was received and waited for the driver is
    /// dropped, as networks may. No processor may run meanwhile.
    package func save() -> NetDeviceState {
        running.withLock { current in
            guard var now = current else { return NetDeviceState() }
            let queues = end(now)
            let state = NetDeviceState(
                features: now.features, activePairs: target.activePairs.load(ordering: .relaxed),
                receiveOffloads: target.receiveOffloads, queues: queues.map { $0.map(SavedQueue.init) })
            now.pairs = startThreads(
                queues, wakes: now.pairs.map { $0?.wake }, features: now.features, now.memory, now.signals)
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
        guard state.features & ~(features | VirtioFeature.common) == 0,
            state.activePairs >= 1, state.activePairs <= target.backend.queues.count,
            state.receiveOffloads.isSubset(of: NetFeature.receiveOffloads(state.features))
        else {
            throw VirtQueueError("the saved state is of a network interface with other features or more queues")
        }
        let queues = try SavedQueue.restore(
            state.queues, features: state.features, limits: queueSizes, memory: memory)
        stop()
        guard !queues.isEmpty else { return }
        start(
            queues, features: state.features, activePairs: state.activePairs, offloads: state.receiveOffloads, memory,
            signals)
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
}
