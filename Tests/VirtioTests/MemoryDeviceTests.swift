import GuestMemory
import Synchronization
import Testing

@testable import Virtio

@Suite struct MemoryDeviceTests {
    private static let block = GrowthRegion.blockSize
    private final class Signals: VirtioSignals {
        let state = Mutex((used: 0, changed: 0, broken: 0))
        func queueWasUsed(_ queue: Int) { state.withLock { $0.used += 1 } }
        func configurationChanged() { state.withLock { $0.changed += 1 } }
        func needsReset(_ reason: VirtQueueError) { state.withLock { $0.broken += 1 } }
    }

    /// What is mapped to the guest, by block.
    private final class Mapped: Sendable {
        let ranges = Mutex<Set<UInt64>>([])
        let refuses = Mutex(false)
        var backend: MemoryDevice.Backend {
            MemoryDevice.Backend(
                map: { [self] gpa, _, count in
                    if refuses.withLock({ $0 }) { return false }
                    for place in stride(from: gpa, to: gpa + count, by: Int(block)) {
                        if !ranges.withLock({ $0.insert(place).inserted }) { return false }
                    }
                    return true
                },
                unmap: { [self] gpa, count in
                    if refuses.withLock({ $0 }) { return false }
                    for place in stride(from: gpa, to: gpa + count, by: Int(block)) {
                        if ranges.withLock({ $0.remove(place) }) == nil { return false }
                    }
                    return true
                })
        }
    }

    /// A device with its driver.
    private final class Bench {
        let memory: GuestMemory
        let region: GrowthRegion
        let device: MemoryDevice
        let mapped = Mapped()
        let signals = Signals()
        private var driver: TestDriver

        init(blocks: UInt64 = 4, requested: UInt64 = 2) throws {
            memory = try GuestMemory(size: 16 << 20, growth: blocks * block)
            region = try #require(memory.growth)
            device = MemoryDevice(region, requested: requested * block, backend: mapped.backend)
            driver = TestDriver(memory, size: 64, isPacked: false)
            device.start([try driver.device()], features: 0, memory: memory, signals: signals)
        }

        /// The answer to a request: its kind and state.
        func ask(_ type: UInt16, _ gpa: UInt64 = 0, _ count: UInt16 = 0) throws -> [UInt16]? {
            let (request, answer): (UInt64, UInt64) = (0x8000, 0x9000)
            try memory.write(request, [UInt8](repeating: 0, count: 24))
            try memory.store(request, type)
            try memory.store(request + 8, gpa)
            try memory.store(request + 16, count)
            try memory.store(answer, UInt64.max)
            try driver.add(
                readable: [GuestSegment(gpa: request, count: 24)], writable: [GuestSegment(gpa: answer, count: 10)])
            device.notify(queue: 0)
            guard let used = try driver.used() else { return nil }
            #expect(used.written == 10)
            return [try memory.load(answer), try memory.load(answer + 8)]
        }

        func word(_ index: Int) -> UInt64 { device.readConfiguration(offset: 8 * index, count: 8) }
    }

    @Test func theDriverComesToTheSizeAskedFor() throws {
        let bench = try Bench()
        let (block, base) = (Self.block, bench.region.gpa)
        #expect(base % block == 0 && base >= 4 << 30)
        #expect((0..<7).map { bench.word($0) } == [block, 0, base, 4 * block, 4 * block, 0, 2 * block])
        #expect(bench.device.readConfiguration(offset: 17, count: 2) == base >> 8 & 0xFFFF)
        #expect(bench.device.readConfiguration(offset: 1000, count: 8) == 0)

        #expect(try bench.ask(3, base, 4) == [0, 1])
        #expect(try bench.ask(0, base + block, 1) == [0, 0])
        #expect(try bench.ask(3, base, 4) == [0, 2])
        #expect(try bench.ask(3, base + block, 1) == [0, 0])
        #expect(bench.word(5) == block)
        // Devices reach what is plugged and nothing else.
        #expect(bench.memory.slice(base + block, Int(block)) != nil)
        #expect(bench.memory.slice(base + block - 1, 2) == nil && bench.memory.slice(base + 2 * block - 1, 2) == nil)
        #expect(bench.memory.populated.count == 2)
        // More than was asked for is refused; and so it is after the wish has become smaller.
        #expect(try bench.ask(0, base + 2 * block, 2) == [1, 0])
        bench.device.request(block)
        #expect(bench.signals.state.withLock { $0.changed } == 1)
        #expect(try bench.ask(0, base + 2 * block, 1) == [1, 0])
        bench.device.request(3 * block)
        #expect(try bench.ask(0, base + 2 * block, 2) == [0, 0])
        #expect(bench.mapped.ranges.withLock { $0.count } == 3)

        // What comes back is zero.
        try bench.memory.store(base + block, UInt64(0x1234))
        #expect(try bench.ask(1, base + block, 1) == [0, 0])
        #expect(try bench.ask(0, base + block, 1) == [0, 0])
        #expect(try bench.memory.load(base + block, as: UInt64.self) == 0)
        #expect(try bench.ask(2) == [0, 0])
        #expect(bench.word(5) == 0 && bench.mapped.ranges.withLock { $0.isEmpty })
    }

    @Test func wrongRequestsAreRefused() throws {
        let bench = try Bench(requested: 4)
        let (block, base) = (Self.block, bench.region.gpa)
        #expect(try bench.ask(0, base, 2) == [0, 0])
        for (type, gpa, count) in [
            (UInt16(0), base, UInt16(1)), (0, base + block, 2), (1, base + block, 2), (0, base + 2 * block, 3),
            (0, base - block, 1), (0, base + 1, 1), (0, .max & ~(block - 1), 1), (0, base, 0), (1, base, 0), (3, 0, 1),
            (0, base, .max), (4, base, 1), (.max, 0, 0),
        ] { #expect(try bench.ask(type, gpa, count) == [3, 0], "\(type) \(gpa) \(count)") }
        #expect(bench.word(5) == 2 * block)
        // A host that can't map or unmap now.
        bench.mapped.refuses.withLock { $0 = true }
        #expect(try bench.ask(0, base + 2 * block, 1) == [2, 0])
        #expect(try bench.ask(1, base, 1) == [2, 0])
        #expect(try bench.ask(2) == [2, 0])
        #expect(bench.word(5) == 2 * block)
        #expect(bench.memory.slice(base, 8) != nil)
        // A reset of the driver keeps what is plugged, a reset of the machine does not.
        bench.device.stop()
        #expect(bench.region.plugged == 2 * block)
        try bench.memory.zeroAll()
        #expect(bench.region.plugged == 0)
    }

    @Test func brokenBuffersNeedAReset() throws {
        for (request, answer) in [
            (GuestSegment(gpa: 0x8000, count: 23), GuestSegment(gpa: 0x9000, count: 10)),
            (GuestSegment(gpa: 0x8000, count: 24), GuestSegment(gpa: 0x9000, count: 9)),
            (GuestSegment(gpa: 1 << 40, count: 24), GuestSegment(gpa: 0x9000, count: 10)),
            (GuestSegment(gpa: 0x8000, count: 24), GuestSegment(gpa: 1 << 40, count: 10)),
        ] {
            let memory = try GuestMemory(size: 16 << 20, growth: Self.block)
            let device = MemoryDevice(try #require(memory.growth), requested: 0, backend: Mapped().backend)
            var driver = TestDriver(memory, size: 8, isPacked: true)
            let signals = Signals()
            device.start([try driver.device()], features: 0, memory: memory, signals: signals)
            try driver.add(readable: [request], writable: [answer])
            device.notify(queue: 0)
            #expect(signals.state.withLock { $0.broken } == 1)
            device.notify(queue: 0)
            #expect(signals.state.withLock { $0.broken } == 1)
        }
    }
}
