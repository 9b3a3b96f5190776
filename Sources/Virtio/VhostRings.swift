import GuestMemory
import LinuxSystem
import Vhost

/// Why the kernel does not serve queues; a sentence for people.
struct VhostFailure: Error, CustomStringConvertible {
    let description: String
}

/// What a virtio device and the kernel's vhost have to agree on, whichever device it is.
enum VhostRings {
    /// Where the kernel finds a queue, and what it signals.
    ///
    /// - Throws: `VhostFailure` for a queue that it can't serve.
    static func ring(
        _ queue: VirtQueue, number: Int, _ memory: GuestMemory, _ signals: any VirtioSignals, kick: EventFD,
        error: EventFD?
    ) throws(VhostFailure) -> VhostDevice.Ring {
        guard case .split(let position) = queue.position else {
            throw VhostFailure(description: "vhost knows no packed queues")
        }
        let call: EventFD?
        switch signals.interrupt(ofQueue: number) {
        case .none: call = nil
        case .event(let event): call = event
        case .call: throw VhostFailure(description: "the interrupts of queue \(number) are no eventfds")
        }
        let (layout, count) = (queue.layout, Int(queue.layout.size))
        // The queue was checked when it was made; growing memory may have gone since.
        guard let descriptors = memory.slice(layout.descriptors, 16 * count)?.baseAddress,
            let available = memory.slice(layout.driver, 6 + 2 * count)?.baseAddress,
            let used = memory.slice(layout.device, 6 + 8 * count)?.baseAddress
        else { throw VhostFailure(description: "queue \(number) is not in guest memory") }
        return VhostDevice.Ring(
            size: layout.size, base: position.nextAvailable, descriptors: descriptors, available: available, used: used,
            kick: kick, call: call, error: error)
    }

    /// Prepares the kernel's device for queues; nothing is served yet.
    ///
    /// - Throws: `VhostFailure` where it lacks one of the features that all queues of the driver have, or refuses.
    static func prepare(
        _ device: VhostDevice, _ rings: [(index: UInt32, ring: VhostDevice.Ring)], features: UInt64, needed: UInt64 = 0,
        memory: GuestMemory
    ) throws(VhostFailure) {
        let missing = features & (VirtioFeature.common | needed) & ~device.features
        guard missing == 0 else {
            throw VhostFailure(description: "vhost lacks features that were negotiated (\(String(missing, radix: 16)))")
        }
        do throws(Errno) {
            try device.setFeatures(features)
            try device.setMemory(memory)
            for (index, ring) in rings { try device.set(ring, at: index) }
        } catch {
            throw VhostFailure(description: "vhost does not take the queues: \(error)")
        }
    }

    /// The queue where the kernel left it: all that it took is given back.
    static func left(_ queue: VirtQueue?, _ device: VhostDevice, _ index: UInt32) -> VirtQueue? {
        guard var queue, let base = try? device.base(of: index) else { return queue }
        queue.goOn(at: base)
        return queue
    }

    /// Tells the kernel when memory comes and goes.
    ///
    /// - Parameter failed: is called where it does not take the new memory: its queues can't be served any more.
    /// - Returns: for `GrowthRegion.ignore`; nil where memory never grows.
    static func follow(
        _ memory: GuestMemory, for device: VhostDevice, failed: @escaping @Sendable () -> Void
    ) -> UInt64? {
        memory.growth?.observe { [weak memory] in
            guard let memory else { return }
            do throws(Errno) { try device.setMemory(memory) } catch { failed() }
        }
    }
}
