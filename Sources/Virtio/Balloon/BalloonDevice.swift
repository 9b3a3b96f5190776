import GuestMemory
import Synchronization

/// virtio-balloon (virtio 1.2, 5.5): memory that a guest's driver takes from its own kernel, so that the host has it back
/// until the guest is to have it again.
///
/// A page that was given back is zero when the guest touches it the next time; the host then gives it another one. So a
/// deflation needs nothing of the host, and a guest that uses pages of its balloon all the same harms nobody but the
/// target that it was given.
package final class BalloonDevice: VirtioDevice {
    package struct Options: Equatable, Sendable {
        /// Whether the driver may take pages out of the balloon by itself before its kernel kills a process.
        package var deflatesOnOOM = true
        /// Whether the driver tells of pages that its kernel has no use for now.
        package var reportsFreePages = true
        /// Whether pages are given back to the host. False where the hypervisor has them pinned: the host would put
        /// others in their place, and devices and processors would no longer see the same memory.
        package var returnsPages = true

        package init() {}
    }

    package enum Feature {
        package static let statistics: UInt64 = 1 << 1
        package static let deflateOnOOM: UInt64 = 1 << 2
        package static let pageReporting: UInt64 = 1 << 5
    }

    /// What a queue is for. The optional ones stand behind the first two in this order, without gaps for those that were
    /// not negotiated: so do Linux's drivers.
    private enum Role { case inflate, deflate, statistics, reporting }

    package let deviceType: UInt16 = 5
    package let features: UInt64
    package let queueSizes: [UInt16]

    private let options: Options
    private let report: @Sendable (BalloonNews) -> Void
    /// What others read and set; never held for long. Taken inside `running`, not the other way round.
    private let registers: Mutex<Registers>
    /// Held while a queue is served.
    private let running = Mutex<Running?>(nil)

    private struct Registers {
        /// Pages that the balloon should have, and has by the driver's word.
        var target: UInt32
        var actual: UInt32 = 0
        var news = BalloonNews()
        var signals: (any VirtioSignals)?
    }

    private struct Running {
        var queues: [VirtQueue?]
        let roles: [Role]
        let features: UInt64
        let memory: GuestMemory
        let signals: any VirtioSignals
        /// The driver's buffer for statistics, which it gets back when it shall fill it anew.
        var held: DescriptorChain?
    }

    /// - Parameters:
    ///   - target: bytes that the balloon should have.
    ///   - withheld: feature bits of the device that are not offered.
    ///   - report: is told of what changed, with a lock of the device held: return at once, don't call this device.
    package init(
        target: UInt64 = 0, options: Options = Options(), withheld: UInt64 = 0,
        report: @escaping @Sendable (BalloonNews) -> Void = { _ in }
    ) {
        var features = Feature.statistics
        if options.deflatesOnOOM { features |= Feature.deflateOnOOM }
        if options.reportsFreePages, options.returnsPages { features |= Feature.pageReporting }
        self.features = features & ~withheld
        queueSizes = Self.roles(self.features).map { _ in 128 }
        self.options = options
        self.report = report
        registers = Mutex(Registers(target: Self.pages(target)))
    }

    private static func pages(_ bytes: UInt64) -> UInt32 { UInt32(clamping: bytes / BalloonPages.size) }

    private static func roles(_ features: UInt64) -> [Role] {
        var roles: [Role] = [.inflate, .deflate]
        if features & Feature.statistics != 0 { roles.append(.statistics) }
        if features & Feature.pageReporting != 0 { roles.append(.reporting) }
        return roles
    }

    /// Asks the driver to come to a balloon of so many bytes.
    package func request(_ bytes: UInt64) {
        let signals = registers.withLock { registers -> (any VirtioSignals)? in
            guard registers.target != Self.pages(bytes) else { return nil }
            registers.target = Self.pages(bytes)
            return registers.signals
        }
        signals?.configurationChanged()
    }

    /// Asks the driver for statistics; they come in its own time, or not. Waits for nothing: where a queue is being
    /// served, it is left for the next time.
    package func requestStatistics() {
        let outcome = running.withLockIfAvailable { running in
            Self.act(&running) { (now) throws(VirtQueueError) in
                guard let held = now.held, let index = now.roles.firstIndex(of: .statistics) else { return nil }
                now.held = nil
                try now.queues[index]?.complete(held, written: 0)
                return try now.queues[index]?.needsInterrupt() == true ? index : nil
            }
        }
        outcome?.signal()
    }

    package var news: BalloonNews { registers.withLock { $0.news } }

    private func change(_ body: (inout BalloonNews) -> Void) {
        registers.withLock { registers in
            let before = registers.news
            body(&registers.news)
            if registers.news != before { report(registers.news) }
        }
    }

    // MARK: Configuration

    /// virtio 1.2, 5.5.4: the target and what there is, in pages; the two other fields are of features that are not
    /// offered.
    package func readConfiguration(offset: Int, count: Int) -> UInt64 {
        let words = registers.withLock { [$0.target, $0.actual, 0, 0] }
        let bytes = words.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> (8 * UInt32($0))) } }
        return littleEndian(bytes, offset: offset, count: count)
    }

    package func writeConfiguration(offset: Int, count: Int, value: UInt64) {
        guard offset == 4, count == 4 else { return }
        let actual = UInt32(truncatingIfNeeded: value)
        registers.withLock { $0.actual = actual }
        change { $0.inflated = UInt64(actual) * BalloonPages.size }
    }

    // MARK: Queues

    package func start(_ queues: [VirtQueue?], features: UInt64, memory: GuestMemory, signals: any VirtioSignals) {
        start(queues, features: features, held: nil, memory: memory, signals: signals)
    }

    private func start(
        _ queues: [VirtQueue?], features: UInt64, held: DescriptorChain?, memory: GuestMemory,
        signals: any VirtioSignals
    ) {
        let roles = Self.roles(features)
        running.withLock {
            $0 = Running(
                queues: Array(queues.prefix(roles.count)), roles: roles, features: features, memory: memory,
                signals: signals, held: held)
        }
        registers.withLock { $0.signals = signals }
        // Linux gives its buffer for statistics before it says that it is ready, and tells of it no more.
        for queue in queues.indices { notify(queue: queue) }
    }

    /// The driver lets go: what it held in the balloon is its kernel's again.
    @discardableResult
    package func stop() -> [VirtQueue?] {
        let queues = running.withLock { running in
            defer { running = nil }
            return running?.queues ?? []
        }
        registers.withLock { ($0.actual, $0.signals) = (0, nil) }
        change { ($0.inflated, $0.statistics) = (0, nil) }
        return queues
    }

    package func notify(queue: Int) {
        running.withLock { running in
            Self.act(&running) { (now) throws(VirtQueueError) in
                guard now.queues.indices.contains(queue), var served = now.queues[queue] else { return nil }
                now.queues[queue] = nil
                let wantsInterrupt = try serve(now.roles[queue], &served, &now)
                now.queues[queue] = served
                return wantsInterrupt ? queue : nil
            }
        }.signal()
    }

    /// Does something with the queues.
    ///
    /// - Parameter body: returns the queue for which the driver wants an interrupt. Where it throws, the device serves
    ///   nothing until the driver resets it.
    private static func act(
        _ running: inout Running?, _ body: (inout Running) throws(VirtQueueError) -> Int?
    ) -> QueueOutcome {
        guard var now = running else { return .nothing }
        do throws(VirtQueueError) {
            let queue = try body(&now)
            running = now
            return queue.map { .used(now.signals, $0) } ?? .nothing
        } catch {
            running?.queues = []
            running?.held = nil
            return .broken(now.signals, error)
        }
    }

    private func serve(
        _ role: Role, _ queue: inout VirtQueue, _ running: inout Running
    ) throws(VirtQueueError) -> Bool {
        let memory = running.memory
        // Nobody can give more than there is; the other half is for pages that the guest took again meanwhile.
        var budget = 2 * (memory.size + (memory.growth?.size ?? 0))
        switch role {
        case .inflate:
            return try queue.serve { (chain) throws(VirtQueueError) in
                try take(BalloonPages.ranges(try BalloonPages.numbers(chain, memory)), memory, &budget)
                return 0
            }
        case .deflate: return try queue.serve { _ throws(VirtQueueError) in 0 }
        case .reporting:
            return try queue.serve { (chain) throws(VirtQueueError) in
                guard chain.writable.allSatisfy({ $0.gpa <= .max - UInt64($0.count) }) else {
                    throw VirtQueueError("a range of free pages goes past the last address")
                }
                try take(chain.writable.map { $0.gpa..<($0.gpa + UInt64($0.count)) }, memory, &budget)
                return 0
            }
        case .statistics: return try hear(&queue, &running)
        }
    }

    /// Gives ranges of the guest's memory back to the host.
    ///
    /// - Throws: `VirtQueueError` where a part of one is no memory of the guest, or more is given than there is; what
    ///   came before is given back.
    private func take(
        _ ranges: [Range<UInt64>], _ memory: GuestMemory, _ budget: inout UInt64
    ) throws(VirtQueueError) {
        var returned: UInt64 = 0
        defer { if returned > 0 { change { $0.returned &+= returned } } }
        for range in ranges {
            let count = range.upperBound - range.lowerBound
            guard count <= budget else { throw VirtQueueError("more pages are given back than the guest has") }
            budget -= count
            do throws(GuestMemoryError) {
                if !options.returnsPages {
                    _ = try memory.checkedRange(range)
                } else if try memory.discard(range) {
                    returned += count
                }
            } catch {
                throw VirtQueueError("pages that are no memory of the guest were given back: \(error)")
            }
        }
    }

    /// Reads what the driver tells, and keeps its newest buffer.
    private func hear(_ queue: inout VirtQueue, _ running: inout Running) throws(VirtQueueError) -> Bool {
        for _ in 0..<max(16 * Int(queue.layout.size), 256) {
            if let chain = try queue.next() {
                let count = Int(min(chain.readableCount, UInt64(BalloonStatistics.maximumSize)))
                let statistics = BalloonStatistics(try chain.readable.copy(count, running.memory))
                change { $0.statistics = statistics }
                // One buffer is what there is to be; a further one takes its place.
                if let old = running.held { try queue.complete(old, written: 0) }
                running.held = chain
            } else if try !queue.setNotifications(true) {
                return try queue.needsInterrupt()
            }
        }
        throw VirtQueueError("the driver adds to the queue without an end")
    }

    // MARK: State

    /// The device's whole state; it goes on afterwards. No processor may run meanwhile.
    package func save() -> BalloonDeviceState {
        running.withLock { running in
            var saved = registers.withLock {
                BalloonDeviceState(target: $0.target, actual: $0.actual, statistics: $0.news.statistics)
            }
            guard let running else { return saved }
            saved.features = running.features
            saved.queues = running.queues.map { $0.map(SavedQueue.init) }
            saved.held = running.held.map { .init(id: $0.id, descriptorCount: $0.descriptorCount) }
            return saved
        }
    }

    /// Goes on from a saved state, with the guest memory of that time.
    ///
    /// - Throws: `VirtQueueError` for a state that is not one of such a device, or does not fit the memory.
    package func load(
        _ saved: BalloonDeviceState, memory: GuestMemory, signals: any VirtioSignals
    ) throws(VirtQueueError) {
        guard saved.features & ~(features | VirtioFeature.common) == 0 else {
            throw VirtQueueError("the saved state is of a balloon with other features")
        }
        let roles = Self.roles(saved.features)
        guard saved.queues.count <= roles.count else {
            throw VirtQueueError("the saved state of a balloon has more queues than its features")
        }
        let queues = try SavedQueue.restore(
            saved.queues, features: saved.features, limits: queueSizes, memory: memory)
        var held: DescriptorChain?
        if let chain = saved.held {
            guard let index = roles.firstIndex(of: .statistics), queues.indices.contains(index),
                let size = queues[index]?.layout.size, chain.descriptorCount <= size
            else {
                throw VirtQueueError("the saved state of a balloon has a buffer for statistics and no queue for it")
            }
            held = DescriptorChain(
                id: chain.id, readable: [], writable: [], descriptorCount: chain.descriptorCount)
        }
        stop()
        registers.withLock { ($0.target, $0.actual) = (saved.target, saved.actual) }
        change { ($0.inflated, $0.statistics) = (UInt64(saved.actual) * BalloonPages.size, saved.statistics) }
        guard !queues.isEmpty else { return }
        start(queues, features: saved.features, held: held, memory: memory, signals: signals)
    }
}

/// A balloon's state as one value: with the transport's all that has to be saved.
package struct BalloonDeviceState: Equatable, Sendable {
    /// A chain that the device keeps.
    package struct HeldChain: Equatable, Sendable {
        package var id: UInt16
        package var descriptorCount: UInt16
    }

    /// Pages.
    package var target: UInt32
    package var actual: UInt32
    package var statistics: BalloonStatistics?
    /// What was negotiated; 0 where the device does not run.
    package var features: UInt64 = 0
    /// The driver's buffer for statistics.
    package var held: HeldChain?
    /// By number; none where the device does not run.
    package var queues: [SavedQueue?] = []
}
