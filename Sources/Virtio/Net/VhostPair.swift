import GuestMemory
import LinuxSystem
import NetworkBackends
import Vhost

/// A pair of queues that the host's kernel serves: packets go between guest memory and the tap without this process.
final class VhostPair: NetPair {
    private enum Ring {
        static let receive: UInt32 = 0
        static let send: UInt32 = 1
    }

    let wake: EventFD
    /// Signalled when the kernel finds that the driver broke a rule.
    let error: EventFD
    private let device: VhostDevice
    private let queues: NetPairQueues
    private let memory: GuestMemory
    private let observation: UInt64?

    /// - Parameters:
    ///   - before: what woke who served the pair until now; nil: nobody did.
    ///   - tap: the descriptor of the pair's queue of the tap.
    /// - Throws: `VhostFailure`; nothing is served then.
    init(
        _ queues: NetPairQueues, wake before: EventFD?, pair: Int, tap: Int32, memory: GuestMemory, features: UInt64,
        signals: any VirtioSignals
    ) throws(VhostFailure) {
        do throws(Errno) {
            if let before { wake = before } else { wake = try EventFD() }
            error = try EventFD()
            device = try VhostDevice(VhostDevice.netPath)
        } catch {
            throw VhostFailure(description: "\(VhostDevice.netPath) can't be used: \(error)")
        }
        self.memory = memory
        // A packet that waits for the driver's buffers is lost, as networks lose packets.
        self.queues = NetPairQueues(receive: queues.receive, send: queues.send)
        var rings: [(index: UInt32, ring: VhostDevice.Ring)] = []
        for (index, queue) in [(Ring.receive, queues.receive), (Ring.send, queues.send)] {
            guard let queue else { continue }
            // The kernel looks at both queues when one is kicked: a spare look costs less than a second eventfd.
            let ring = try VhostRings.ring(
                queue, number: 2 * pair + Int(index), memory, signals, kick: wake, error: error)
            rings.append((index, ring))
        }
        try VhostRings.prepare(
            device, rings, features: features, needed: NetFeature.mergeableBuffers, memory: memory)
        do throws(Errno) {
            for (index, _) in rings { try device.setTap(tap, of: index) }
        } catch {
            throw VhostFailure(description: "vhost-net does not take the tap: \(error)")
        }
        observation = VhostRings.follow(memory, for: device, failed: { [error] in error.signal() })
        // What the driver made available before the kernel looked.
        wake.signal()
    }

    func requestStop() {}

    func finish() -> NetPairQueues {
        if let observation { memory.growth?.ignore(observation) }
        // When these have returned the kernel touches nothing of the guest's any more.
        try? device.setTap(nil, of: Ring.receive)
        try? device.setTap(nil, of: Ring.send)
        return NetPairQueues(
            receive: VhostRings.left(queues.receive, device, Ring.receive),
            send: VhostRings.left(queues.send, device, Ring.send))
    }
}
