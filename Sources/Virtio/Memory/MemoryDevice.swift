import GuestMemory
import LinuxSystem
import Synchronization

/// virtio-mem (virtio 1.2, 5.15): further memory for a guest that runs, which its driver takes and gives back in blocks
/// to come to the size that was asked for.
///
/// A block that is not plugged is not mapped to the guest: it never has more than it was given.
package final class MemoryDevice: VirtioDevice {
    /// Maps blocks to the guest or takes them away.
    package struct Backend: Sendable {
        package var map: @Sendable (_ gpa: UInt64, _ memory: UnsafeMutableRawPointer, _ count: UInt64) -> Bool
        package var unmap: @Sendable (_ gpa: UInt64, _ count: UInt64) -> Bool

        package init(
            map: @escaping @Sendable (_ gpa: UInt64, _ memory: UnsafeMutableRawPointer, _ count: UInt64) -> Bool,
            unmap: @escaping @Sendable (_ gpa: UInt64, _ count: UInt64) -> Bool
        ) {
            self.map = map
            self.unmap = unmap
        }
    }

    private enum Feature {
        /// Memory that is not plugged can't be read either.
        static let unpluggedInaccessible: UInt64 = 1 << 1
    }

    package let deviceType: UInt16 = 24
    package let features: UInt64 = Feature.unpluggedInaccessible
    package let queueSizes: [UInt16] = [64]

    private let region: GrowthRegion
    private let backend: Backend
    private let state: Mutex<State>

    private struct State {
        /// Bytes.
        var requested: UInt64
        /// What was negotiated.
        var features: UInt64 = 0
        var queue: VirtQueue?
        var memory: GuestMemory?
        var signals: (any VirtioSignals)?
    }

    /// - Parameters:
    ///   - region: of the guest's memory, with nothing plugged.
    ///   - requested: bytes that the guest should have of it.
    package init(_ region: GrowthRegion, requested: UInt64, backend: Backend) {
        self.region = region
        self.backend = backend
        state = Mutex(State(requested: min(requested, region.size)))
    }

    /// Asks the driver to come to so many bytes.
    package func request(_ bytes: UInt64) {
        let signals = state.withLock { state -> (any VirtioSignals)? in
            guard state.requested != min(bytes, region.size) else { return nil }
            state.requested = min(bytes, region.size)
            return state.signals
        }
        signals?.configurationChanged()
    }

    /// Bytes that the driver has plugged.
    package var plugged: UInt64 { region.plugged }

    // MARK: Configuration

    /// virtio 1.2, 5.15.4.
    package func readConfiguration(offset: Int, count: Int) -> UInt64 {
        let requested = state.withLock { $0.requested }
        // The block's size, the NUMA node with padding, where the region is, its size, how much of it can be used, how
        // much is plugged and how much should be.
        let words = [GrowthRegion.blockSize, 0, region.gpa, region.size, region.size, region.plugged, requested]
        var value: UInt64 = 0
        for index in 0..<count {
            let place = offset + index
            guard place >= 0, place / 8 < words.count else { break }
            value |= (words[place / 8] >> UInt64(8 * (place % 8)) & 0xFF) << UInt64(8 * index)
        }
        return value
    }

    package func writeConfiguration(offset: Int, count: Int, value: UInt64) {}

    // MARK: Queue

    package func start(_ queues: [VirtQueue?], features: UInt64, memory: GuestMemory, signals: any VirtioSignals) {
        state.withLock { state in
            state.features = features
            state.queue = queues.first ?? nil
            state.memory = memory
            state.signals = signals
        }
    }

    /// What is plugged stays: a driver that starts again finds it (virtio 1.2, 5.15.5).
    @discardableResult
    package func stop() -> [VirtQueue?] {
        state.withLock { state in
            defer { (state.queue, state.memory, state.signals) = (nil, nil, nil) }
            return [state.queue]
        }
    }

    /// The whole state as one value; the memory's contents are not part of it. No processor may run meanwhile.
    package func save() -> MemoryDeviceState {
        state.withLock { state in
            let runs = state.signals != nil
            return MemoryDeviceState(
                requested: state.requested, plugged: region.pluggedRanges,
                device: QueueDeviceState(
                    features: runs ? state.features : 0, queues: runs ? [state.queue.map(SavedQueue.init)] : []))
        }
    }

    /// Goes on from a saved state with the guest memory of that time; nothing is plugged before.
    ///
    /// - Throws: `VirtQueueError` for a state that is not one of such a device or does not fit the memory, and where a
    ///   block can't be mapped. What was mapped until then stays.
    package func load(
        _ saved: MemoryDeviceState, memory: GuestMemory, signals: any VirtioSignals
    ) throws(VirtQueueError) {
        let count = Int(region.size / GrowthRegion.blockSize)
        guard saved.requested <= region.size,
            saved.plugged.allSatisfy({ !$0.isEmpty && $0.lowerBound >= 0 && $0.upperBound <= count })
        else { throw VirtQueueError("the saved state is of a guest that can have more memory") }
        for range in saved.plugged where region.state(of: range) == .unplugged {
            let gpa = region.gpa + UInt64(range.lowerBound) * GrowthRegion.blockSize
            guard backend.map(gpa, region.address(of: range), UInt64(range.count) * GrowthRegion.blockSize) else {
                throw VirtQueueError("\(range.count) blocks of memory can't be mapped")
            }
            region.set(range, isPlugged: true)
        }
        // Its queue may lie in what was plugged.
        let queues = try saved.device.restored(offered: features, limits: queueSizes, memory: memory)
        stop()
        state.withLock { $0.requested = saved.requested }
        if !queues.isEmpty { start(queues, features: saved.device.features, memory: memory, signals: signals) }
    }

    package func notify(queue: Int) {
        let outcome = state.withLock { state -> (any VirtioSignals, Result<Bool, VirtQueueError>)? in
            guard let signals = state.signals else { return nil }
            do throws(VirtQueueError) {
                return (signals, .success(try serve(&state)))
            } catch {
                state.queue = nil
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
    private func serve(_ state: inout State) throws(VirtQueueError) -> Bool {
        guard var queue = state.queue, let memory = state.memory else { return false }
        defer { state.queue = queue }
        let requested = state.requested
        return try queue.serve { (chain) throws(VirtQueueError) in
            let bytes = try chain.copy(MemoryRequest.size, from: memory)
            return try chain.answer(perform(MemoryRequest(bytes), requested: requested).bytes, in: memory)
        }
    }

    private func perform(_ request: MemoryRequest, requested: UInt64) -> MemoryRequest.Answer {
        switch request {
        case .plug(let gpa, let count):
            guard let blocks = blocks(gpa, count), region.state(of: blocks) == .unplugged else {
                return .init(kind: .error)
            }
            let size = UInt64(blocks.count) * GrowthRegion.blockSize
            guard region.plugged + size <= requested else { return .init(kind: .refused) }
            guard backend.map(gpa, region.address(of: blocks), size) else { return .init(kind: .busy) }
            region.set(blocks, isPlugged: true)
            return .init(kind: .acknowledged)
        case .unplug(let gpa, let count):
            guard let blocks = blocks(gpa, count), region.state(of: blocks) == .plugged else {
                return .init(kind: .error)
            }
            return .init(kind: unplug(blocks) ? .acknowledged : .busy)
        case .unplugAll:
            for blocks in region.pluggedRanges where !unplug(blocks) { return .init(kind: .busy) }
            return .init(kind: .acknowledged)
        case .state(let gpa, let count):
            guard let blocks = blocks(gpa, count) else { return .init(kind: .error) }
            let state: UInt16 =
                switch region.state(of: blocks) {
                case .plugged: 0
                case .unplugged: 1
                case .mixed: 2
                }
            return .init(kind: .acknowledged, state: state)
        case .unknown: return .init(kind: .error)
        }
    }

    private func blocks(_ gpa: UInt64, _ count: UInt16) -> Range<Int>? {
        region.blocks(of: gpa, count: UInt64(count) * GrowthRegion.blockSize)
    }

    private func unplug(_ blocks: Range<Int>) -> Bool {
        // Devices first, then the guest's processors, then the memory itself.
        region.set(blocks, isPlugged: false)
        let gpa = region.gpa + UInt64(blocks.lowerBound) * GrowthRegion.blockSize
        guard backend.unmap(gpa, UInt64(blocks.count) * GrowthRegion.blockSize) else {
            region.set(blocks, isPlugged: true)
            return false
        }
        region.discard(blocks)
        return true
    }
}

/// A memory device's state as one value.
package struct MemoryDeviceState: Equatable, Sendable {
    /// Bytes that the guest should have of the region.
    package var requested: UInt64
    /// The blocks that it has.
    package var plugged: [Range<Int>]
    package var device: QueueDeviceState
}

extension DescriptorChain {
    /// The first `count` bytes that the device reads, copied once.
    ///
    /// - Throws: `VirtQueueError` for a chain that has fewer, or a buffer outside of guest memory.
    func copy(_ count: Int, from memory: GuestMemory) throws(VirtQueueError) -> [UInt8] {
        var bytes: [UInt8] = []
        for segment in readable where bytes.count < count {
            guard let part = try? memory.read(segment.gpa, count: min(Int(segment.count), count - bytes.count)) else {
                throw VirtQueueError("a buffer of \(segment.count) bytes is not in guest memory")
            }
            bytes += part
        }
        guard bytes.count == count else { throw VirtQueueError("a request of \(bytes.count) bytes, not \(count)") }
        return bytes
    }

    /// Puts an answer into what the device writes.
    ///
    /// - Returns: bytes written.
    /// - Throws: `VirtQueueError` for a chain without room for it, or a buffer outside of guest memory.
    func answer(_ bytes: [UInt8], in memory: GuestMemory) throws(VirtQueueError) -> UInt32 {
        var rest = bytes[...]
        for segment in writable where !rest.isEmpty {
            let part = rest.prefix(Int(segment.count))
            guard (try? memory.write(segment.gpa, Array(part))) != nil else {
                throw VirtQueueError("a buffer of \(segment.count) bytes is not in guest memory")
            }
            rest = rest.dropFirst(part.count)
        }
        guard rest.isEmpty else { throw VirtQueueError("no room for an answer of \(bytes.count) bytes") }
        return UInt32(bytes.count)
    }
}
