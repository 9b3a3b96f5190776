import GuestMemory
import LinuxSystem
import Testing

@testable import Virtio

/// Drivers that break rules, and the state that is saved and loaded.
@Suite("virtio-blk with hostile drivers, and its state")
struct BlockHostileTests {
    @Test("chains that are no requests make the device ask for a reset", arguments: [false, true])
    func brokenChains(_ isPacked: Bool) throws {
        let outside = GuestSegment(gpa: 1 << 40, count: 512)
        let header = GuestSegment(gpa: BlockBench.header, count: 16)
        let status = GuestSegment(gpa: BlockBench.status, count: 1)
        let cases: [([GuestSegment], [GuestSegment])] = [
            ([], [status]), ([header], []), ([GuestSegment(gpa: BlockBench.header, count: 15)], [status]),
            ([GuestSegment(gpa: 1 << 40, count: 16)], [status]), ([header], [GuestSegment(gpa: 1 << 40, count: 1)]),
            ([header], [outside, status]), ([header], [GuestSegment(gpa: .max - 3, count: 16), status]),
            ([header, GuestSegment(gpa: (2 << 20) - 4, count: 8)], [status]),
            ([header], [GuestSegment(gpa: BlockBench.status, count: 0)]),
            ([header], [GuestSegment(gpa: BlockBench.data, count: .max), status]),
        ]
        for (index, chain) in cases.enumerated() {
            let bench = try BlockBench(isPacked: isPacked)
            try bench.start(features: BlockFeature.flush)
            try bench.memory.store(BlockBench.header, UInt32(0))
            try bench.driver.add(readable: chain.0, writable: chain.1)
            bench.device.notify(queue: 0)
            #expect(try bench.nextUsed() == nil, "case \(index)")
            // It can be used again after a reset.
            bench.device.stop()
            try bench.memory.zero(0, count: 0x8000)
            bench.signals.news.withLock { $0.broken = nil }
            bench.driver = TestDriver(bench.memory, size: 16, isPacked: isPacked)
            try bench.start(features: BlockFeature.flush)
            #expect(try bench.request(0, sector: 5, input: 512) == 0)
        }
    }

    @Test("random requests: an answer or a reset, never a trap", arguments: [false, true])
    func randomRequests(_ isPacked: Bool) throws {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<150 {
            let bench = try BlockBench(isPacked: isPacked, size: 8)
            try bench.start(features: UInt64.random(in: 0...UInt64.max, using: &random) & bench.device.features)
            for word in 0..<4096 {
                let value = UInt64.random(in: 0...UInt64.max, using: &random)
                try bench.memory.store(
                    BlockBench.header + UInt64(word) * 8, value >> UInt64.random(in: 40...63, using: &random))
            }
            let count = Int.random(in: 1...7, using: &random)
            let segments = (0..<count).map { _ in
                GuestSegment(
                    gpa: BlockBench.header + UInt64.random(in: 0..<0x4000, using: &random),
                    count: UInt32.random(in: 0..<2048, using: &random))
            }
            let border = Int.random(in: 0...count, using: &random)
            try bench.driver.add(readable: Array(segments[..<border]), writable: Array(segments[border...]))
            bench.device.notify(queue: 0)
            _ = try bench.nextUsed()
            bench.device.stop()
        }
    }

    @Test("more made available than the queue holds at a time is answered all the same")
    func overfullQueue() throws {
        let bench = try BlockBench(size: 4)
        try bench.start(features: BlockFeature.flush)
        // The same descriptors over and over, without waiting for what was taken.
        try bench.add(0, sector: 1, input: 512)
        for index: UInt16 in 2...400 {
            try bench.memory.store(TestDriver.driverArea + 4 + 2 * UInt64((index - 1) % 4), UInt16(0))
            try bench.memory.store(TestDriver.driverArea + 2, index)
            bench.device.notify(queue: 0)
        }
        bench.device.notify(queue: 0)
        bench.device.stop()
    }

    @Test("a saved state goes on in another device", arguments: [false, true], [false, true])
    func savedState(_ isPacked: Bool, _ eventIndex: Bool) throws {
        let bench = try BlockBench(isPacked: isPacked, size: 8)
        #expect(bench.device.save() == BlockDeviceState(features: 0, isWriteback: true, queues: []))
        try bench.start(features: BlockFeature.flush, eventIndex: eventIndex)
        for round in 0..<11 { #expect(try bench.request(0, sector: UInt64(round), input: 512) == 0) }
        bench.device.writeConfiguration(offset: 32, count: 1, value: 0)
        let state = bench.device.save()
        #expect(state.queues.count == 1 && !state.isWriteback && state.features & BlockFeature.flush != 0)
        // It goes on.
        #expect(try bench.request(0, sector: 40, input: 512) == 0)
        let later = bench.device.save()
        #expect(later != state)
        // Made available while nobody serves the queue.
        bench.device.stop()
        try bench.add(0, sector: 77, input: 512)
        try bench.replaceDevice()
        try bench.device.load(later, memory: bench.memory, signals: bench.signals)
        #expect(try bench.nextUsed()?.written == 513)
        #expect(try bench.memory.read(BlockBench.data, count: 512).allSatisfy { $0 == 77 })
        #expect(try bench.request(0, sector: 78, input: 512) == 0)
        #expect(bench.device.readConfiguration(offset: 32, count: 1) == 0)
        let again = bench.device.save()
        try bench.device.load(again, memory: bench.memory, signals: bench.signals)
        #expect(bench.device.save() == again)
    }

    @Test("a state that is none is refused")
    func brokenStates() throws {
        let bench = try BlockBench()
        try bench.start(features: BlockFeature.flush)
        let state = bench.device.save()
        func refuses(_ change: (inout BlockDeviceState) -> Void) {
            var broken = state
            change(&broken)
            #expect(throws: VirtQueueError.self) {
                try bench.device.load(broken, memory: bench.memory, signals: bench.signals)
            }
        }
        refuses { $0.features |= 1 << 63 }
        refuses { $0.features |= VirtioFeature.ringPacked }
        refuses { $0.queues += [nil, nil, nil] }
        refuses { $0.queues[0]?.layout.descriptors = 1 << 50 }
        refuses { $0.queues[0]?.layout.size = 512 }
        refuses { $0.queues[0]?.layout.size = 7 }
        // Refused states leave the device as it was.
        #expect(try bench.request(0, sector: 1, input: 512) == 0)
    }
}
