import GuestMemory
import Synchronization

/// virtio-console (virtio 1.2, 5.3) with one port, a console: `hvc0` of Linux.
package final class ConsoleDevice: VirtioDevice {
    /// Characters; what the driver tells programs of its terminal.
    package struct Size: Equatable, Sendable {
        package var columns: UInt16
        package var rows: UInt16

        package init(columns: UInt16, rows: UInt16) {
            self.columns = columns
            self.rows = rows
        }
    }

    package enum Feature {
        package static let size: UInt64 = 1 << 0
        package static let emergencyWrite: UInt64 = 1 << 2
    }

    private enum Queue {
        static let receive = 0
        static let transmit = 1
    }

    /// Input that waits for the driver's buffers, in bytes.
    package static let inputCapacity = 4096
    /// Bytes that one chain may send: a driver sends lines.
    private static let maximumOutput: UInt64 = 1 << 20

    package let deviceType: UInt16 = 3
    package let features: UInt64
    package let queueSizes: [UInt16] = [64, 64]

    private let size: Size?
    private let output: @Sendable (UnsafeRawBufferPointer) -> Void
    private let state = Mutex(State())

    private struct Running {
        var queues: [VirtQueue?]
        let features: UInt64
        let memory: GuestMemory
        let signals: any VirtioSignals
    }

    private struct State {
        var running: Running?
        var input: [UInt8] = []
    }

    /// - Parameters:
    ///   - size: nil: the driver is told none.
    ///   - withheld: feature bits of the device that are not offered.
    ///   - output: gets what the guest sends, in order, with the device's lock held: return at once, don't call this
    ///     device.
    package init(
        size: Size? = nil, withheld: UInt64 = 0, output: @escaping @Sendable (UnsafeRawBufferPointer) -> Void
    ) {
        self.size = size
        self.output = output
        features = (Feature.emergencyWrite | (size == nil ? 0 : Feature.size)) & ~withheld
    }

    /// Whether a driver uses the device.
    package var isRunning: Bool { state.withLock { $0.running != nil } }

    /// Sends bytes to the guest.
    ///
    /// - Returns: how many of the first bytes were taken.
    package func receive(_ bytes: [UInt8]) -> Int {
        var taken = 0
        let outcome = state.withLock { state in
            // First what is free when the driver's buffers are filled.
            var outcome = Self.fill(&state)
            taken = min(bytes.count, Self.inputCapacity - state.input.count)
            state.input += bytes.prefix(taken)
            if case .broken = outcome { return outcome }
            let second = Self.fill(&state)
            if case .nothing = second {} else { outcome = second }
            return outcome
        }
        outcome.signal()
        return taken
    }

    // MARK: Configuration

    /// virtio 1.2, 5.3.4: columns, rows, ports, the register for emergencies.
    package func readConfiguration(offset: Int, count: Int) -> UInt64 {
        let (columns, rows) = (size?.columns ?? 0, size?.rows ?? 0)
        let bytes = [
            UInt8(truncatingIfNeeded: columns), UInt8(columns >> 8), UInt8(truncatingIfNeeded: rows), UInt8(rows >> 8),
            1, 0, 0, 0, 0, 0, 0, 0,
        ]
        return littleEndian(bytes, offset: offset, count: count)
    }

    /// A character that a driver without queues has to tell.
    package func writeConfiguration(offset: Int, count: Int, value: UInt64) {
        guard offset == 8, count == 1 || count == 4, features & Feature.emergencyWrite != 0 else { return }
        let byte = UInt8(truncatingIfNeeded: value)
        state.withLock { _ in withUnsafeBytes(of: byte) { output($0) } }
    }

    // MARK: Queues

    package func start(_ queues: [VirtQueue?], features: UInt64, memory: GuestMemory, signals: any VirtioSignals) {
        state.withLock {
            $0.running = Running(queues: queues, features: features, memory: memory, signals: signals)
        }
        // What the driver made available before it said that it is ready.
        for queue in queues.indices { notify(queue: queue) }
        // Linux looks at the size when it is told of a change, and not before.
        if features & Feature.size != 0 { signals.configurationChanged() }
    }

    /// Input that the driver has not read is lost with it.
    @discardableResult
    package func stop() -> [VirtQueue?] {
        state.withLock { state in
            defer { state = State() }
            return state.running?.queues ?? []
        }
    }

    package func notify(queue: Int) {
        state.withLock { state in
            switch queue {
            case Queue.receive: Self.fill(&state)
            case Queue.transmit: Self.act(&state) { (running, _) throws(VirtQueueError) in try send(&running) }
            default: QueueOutcome.nothing
            }
        }.signal()
    }

    /// Does something with the queues; see `BalloonDevice.act`.
    private static func act(
        _ state: inout State, _ body: (inout Running, inout [UInt8]) throws(VirtQueueError) -> Int?
    ) -> QueueOutcome {
        guard var running = state.running else { return .nothing }
        do throws(VirtQueueError) {
            let queue = try body(&running, &state.input)
            state.running = running
            return queue.map { .used(running.signals, $0) } ?? .nothing
        } catch {
            state.running?.queues = []
            return .broken(running.signals, error)
        }
    }

    private func send(_ running: inout Running) throws(VirtQueueError) -> Int? {
        guard running.queues.indices.contains(Queue.transmit), var queue = running.queues[Queue.transmit] else {
            return nil
        }
        let memory = running.memory
        let wantsInterrupt = try queue.serve { (chain) throws(VirtQueueError) in
            guard chain.readableCount <= Self.maximumOutput else {
                throw VirtQueueError("\(chain.readableCount) bytes for the console at once")
            }
            try chain.readable.check(memory)
            for segment in chain.readable {
                // Whatever the guest makes of the bytes meanwhile: they are copied once, where they go.
                if let bytes = memory.slice(segment.gpa, Int(segment.count)) { output(UnsafeRawBufferPointer(bytes)) }
            }
            return 0
        }
        running.queues[Queue.transmit] = queue
        return wantsInterrupt ? Queue.transmit : nil
    }

    /// Puts input into the driver's buffers.
    private static func fill(_ state: inout State) -> QueueOutcome {
        act(&state) { (running, input) throws(VirtQueueError) in
            guard !input.isEmpty, running.queues.indices.contains(Queue.receive),
                var queue = running.queues[Queue.receive]
            else { return nil }
            // Each turn takes some of the input, of which there is little.
            while !input.isEmpty {
                guard let chain = try queue.next() else {
                    guard try queue.setNotifications(true) else { break }
                    continue
                }
                let count = Int(min(chain.writableCount, UInt64(input.count)))
                guard count > 0 else { throw VirtQueueError("a buffer for the console's input without room") }
                try queue.complete(chain, written: try chain.answer(Array(input.prefix(count)), in: running.memory))
                input.removeFirst(count)
            }
            let wantsInterrupt = try queue.needsInterrupt()
            running.queues[Queue.receive] = queue
            return wantsInterrupt ? Queue.receive : nil
        }
    }

    // MARK: State

    /// The device's whole state; it goes on afterwards. No processor may run meanwhile.
    package func save() -> ConsoleDeviceState {
        state.withLock { state in
            ConsoleDeviceState(
                features: state.running?.features ?? 0, input: state.input,
                queues: state.running?.queues.map { $0.map(SavedQueue.init) } ?? [])
        }
    }

    /// Goes on from a saved state, with the guest memory of that time.
    ///
    /// - Throws: `VirtQueueError` for a state that is not one of such a device, or does not fit the memory.
    package func load(
        _ saved: ConsoleDeviceState, memory: GuestMemory, signals: any VirtioSignals
    ) throws(VirtQueueError) {
        guard saved.features & ~(features | VirtioFeature.common) == 0, saved.input.count <= Self.inputCapacity else {
            throw VirtQueueError("the saved state is of a console with other features or more input")
        }
        let queues = try SavedQueue.restore(
            saved.queues, features: saved.features, limits: queueSizes, memory: memory)
        stop()
        state.withLock { $0.input = saved.input }
        guard !queues.isEmpty else { return }
        start(queues, features: saved.features, memory: memory, signals: signals)
    }
}

/// A console's state as one value: with the transport's all that has to be saved.
package struct ConsoleDeviceState: Equatable, Sendable {
    /// What was negotiated; 0 where the device does not run.
    package var features: UInt64 = 0
    /// What the driver has not taken.
    package var input: [UInt8] = []
    /// By number; none where the device does not run.
    package var queues: [SavedQueue?] = []
}
