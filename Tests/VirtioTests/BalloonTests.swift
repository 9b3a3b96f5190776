import GuestMemory
import LinuxSystem
import Testing

@testable import Virtio

@Suite struct BalloonTests {
    private static let all = BalloonDevice.Feature.statistics | BalloonDevice.Feature.pageReporting
    private static let queueArea: UInt64 = 0x8_0000
    /// Where lists and pages of the tests are.
    private static let data: UInt64 = 0x40_0000
    private static let pages: UInt64 = 0x100_0000

    /// A device with its driver.
    private final class Bench {
        let memory: GuestMemory
        let device: BalloonDevice
        let signals = RecordedSignals()
        var drivers: [TestDriver]
        let features: UInt64

        init(
            _ features: UInt64 = all, options: BalloonDevice.Options = .init(), isPacked: Bool = false,
            target: UInt64 = 0,
            size: UInt64 = 64 << 20
        ) throws {
            memory = try GuestMemory(size: size, growth: GrowthRegion.blockSize)
            self.features = features | VirtioFeature.version1 | (isPacked ? VirtioFeature.ringPacked : 0)
            device = BalloonDevice(target: target, options: options)
            drivers = (0..<4).map { [memory] index in
                TestDriver(memory, size: 16, isPacked: isPacked, base: 0x10_0000 + UInt64(index) * queueArea)
            }
        }

        func start() throws {
            let count =
                2 + (features & BalloonDevice.Feature.statistics != 0 ? 1 : 0)
                + (features & BalloonDevice.Feature.pageReporting != 0 ? 1 : 0)
            device.start(
                try drivers.prefix(count).map { try $0.device() }, features: features, memory: memory, signals: signals)
        }

        /// Fills pages, so that what was given back shows by its zeros.
        func fill(_ gpa: UInt64, pages count: Int) throws {
            try memory.write(gpa, [UInt8](repeating: 0xA5, count: count * 4096))
        }

        func isZero(_ gpa: UInt64) throws -> Bool { try memory.load(gpa, as: UInt64.self) == 0 }

        /// Gives a list of pages to a queue.
        func give(_ numbers: [UInt32], to queue: Int = 0, at gpa: UInt64 = data) throws {
            for (index, number) in numbers.enumerated() { try memory.store(gpa + 4 * UInt64(index), number) }
            try drivers[queue].add(
                readable: [GuestSegment(gpa: gpa, count: UInt32(4 * numbers.count))], writable: [])
            device.notify(queue: queue)
        }

        func tell(_ entries: [(UInt16, UInt64)], at gpa: UInt64 = data) throws {
            for (index, entry) in entries.enumerated() {
                try memory.store(gpa + 10 * UInt64(index), entry.0)
                try memory.store(gpa + 10 * UInt64(index) + 2, entry.1)
            }
            try drivers[2].add(readable: [GuestSegment(gpa: gpa, count: UInt32(10 * entries.count))], writable: [])
            device.notify(queue: 2)
        }
    }

    @Test func theTargetAndWhatThereIs() throws {
        let bench = try Bench(target: 8 << 20)
        #expect(bench.device.readConfiguration(offset: 0, count: 4) == 2048)
        try bench.start()
        bench.device.request(4 << 20)
        bench.device.request(4 << 20)
        #expect(bench.signals.news.read { $0.changed } == 1)
        #expect(bench.device.readConfiguration(offset: 0, count: 8) == 1024)
        bench.device.writeConfiguration(offset: 4, count: 4, value: 77)
        #expect(bench.device.readConfiguration(offset: 0, count: 8) == 1024 | 77 << 32)
        #expect(bench.device.news.inflated == 77 * 4096)
        // The driver has nothing else to write.
        for (offset, count) in [(0, 4), (4, 2), (5, 4), (8, 4), (-4, 4), (Int.max, 8)] {
            bench.device.writeConfiguration(offset: offset, count: count, value: 1)
        }
        #expect(bench.device.readConfiguration(offset: 0, count: 8) == 1024 | 77 << 32)
        #expect(bench.device.readConfiguration(offset: 1000, count: 8) == 0)
        bench.device.request(.max)
        #expect(bench.device.readConfiguration(offset: 0, count: 4) == 0xFFFF_FFFF)
        bench.device.stop()
        #expect(bench.device.news.inflated == 0)
    }

    @Test(arguments: [false, true]) func pagesOfTheBalloonGoBackToTheHost(isPacked: Bool) throws {
        let bench = try Bench(isPacked: isPacked)
        try bench.start()
        try bench.fill(Self.pages, pages: 8)
        let first = UInt32(Self.pages / 4096)
        // In any order, some of them twice; two are left out.
        try bench.give([first + 3, first, first + 1, first + 3, first + 7, first + 4])
        #expect(try bench.drivers[0].used()?.written == 0)
        let isZero = try (0..<8).map { try bench.isZero(Self.pages + UInt64($0) * 4096) }
        #expect(isZero == [true, true, false, true, true, false, false, true])
        #expect(try bench.memory.load(Self.pages + 2 * 4096 + 4088, as: UInt64.self) == 0xA5A5_A5A5_A5A5_A5A5)
        #expect(bench.device.news.returned == 5 * 4096)
        // Out of the balloon: the guest writes to them at once.
        try bench.give([first, first + 1], to: 1)
        #expect(try bench.drivers[1].used() != nil)
        try bench.fill(Self.pages, pages: 2)
        #expect(bench.signals.broken.isEmpty && bench.signals.used(0) == 1)
    }

    @Test func reportedRangesGoBackToTheHost() throws {
        let bench = try Bench()
        try bench.start()
        try bench.fill(Self.pages, pages: 32)
        try bench.drivers[3].add(
            readable: [],
            writable: [
                GuestSegment(gpa: Self.pages, count: 8 * 4096), GuestSegment(gpa: Self.pages + 16 * 4096, count: 4096),
            ])
        bench.device.notify(queue: 3)
        #expect(try bench.drivers[3].used()?.written == 0)
        let kept = try (0..<32).filter { try !bench.isZero(Self.pages + UInt64($0) * 4096) }
        #expect(kept == Array(8..<16) + Array(17..<32))
        #expect(bench.device.news.returned == 9 * 4096 && bench.signals.broken.isEmpty)
    }

    /// Linux gives the queues numbers without gaps: without statistics reports come in the third.
    @Test func queuesThatWereNotNegotiatedLeaveNoGap() throws {
        let bench = try Bench(BalloonDevice.Feature.pageReporting)
        try bench.start()
        try bench.fill(Self.pages, pages: 1)
        try bench.drivers[2].add(readable: [], writable: [GuestSegment(gpa: Self.pages, count: 4096)])
        bench.device.notify(queue: 2)
        #expect(try bench.isZero(Self.pages))
        #expect(try bench.drivers[2].used() != nil)
        // A queue that nobody negotiated.
        bench.device.notify(queue: 3)
        bench.device.notify(queue: -1)
        #expect(bench.signals.broken.isEmpty)
    }

    @Test func pinnedMemoryIsKept() throws {
        var options = BalloonDevice.Options()
        options.returnsPages = false
        let bench = try Bench(BalloonDevice.Feature.statistics, options: options)
        #expect(bench.device.features & BalloonDevice.Feature.pageReporting == 0)
        #expect(bench.device.queueSizes.count == 3)
        try bench.start()
        try bench.fill(Self.pages, pages: 1)
        try bench.give([UInt32(Self.pages / 4096)])
        #expect(try bench.drivers[0].used() != nil)
        #expect(try !bench.isZero(Self.pages) && bench.device.news.returned == 0)
        try bench.give([0x8_0000])
        #expect(bench.signals.broken.count == 1, "a page that is none is one here too")
    }

    /// Linux primes the queue before it says that it is ready; that notification reaches nobody.
    @Test func aBufferFromBeforeTheStartIsSeen() throws {
        let bench = try Bench()
        try bench.tell([(4, 1000)])
        #expect(bench.device.news.statistics == nil)
        try bench.start()
        #expect(bench.device.news.statistics?.values == [.memoryFree: 1000])
    }

    @Test func statisticsComeWhenTheyAreAskedFor() throws {
        let bench = try Bench()
        try bench.start()
        bench.device.requestStatistics()
        #expect(bench.signals.used(2) == 0, "the driver has not given a buffer yet")
        try bench.tell([(4, 1000), (5, 2000), (999, 3), (15, 7)])
        #expect(try bench.drivers[2].used() == nil, "the buffer is the device's")
        #expect(
            bench.device.news.statistics?.values == [.memoryFree: 1000, .memoryTotal: 2000, .directReclaims: 7])
        bench.device.requestStatistics()
        #expect(try bench.drivers[2].used()?.written == 0)
        #expect(bench.signals.used(2) == 1)
        bench.device.requestStatistics()
        #expect(bench.signals.used(2) == 1, "one question at a time")
        try bench.tell([(4, 900)])
        #expect(bench.device.news.statistics?.values == [.memoryFree: 900])
        // A driver that gives one more gets the older one back.
        try bench.tell([(4, 800)])
        #expect(try bench.drivers[2].used() != nil)
        #expect(try bench.drivers[2].used() == nil)
        #expect(bench.signals.broken.isEmpty)
    }

    /// What breaks a rule needs a reset, and nothing is served before it.
    @Test(
        arguments: [
            [GuestSegment(gpa: data, count: 6)], [GuestSegment(gpa: data, count: 4 * 16385)],
            [GuestSegment(gpa: 1 << 40, count: 4)], [GuestSegment(gpa: .max - 1, count: 4)],
            [GuestSegment(gpa: data, count: .max), GuestSegment(gpa: data, count: .max)],
        ]) func brokenListsNeedAReset(_ segments: [GuestSegment]) throws
    {
        let bench = try Bench()
        try bench.start()
        try bench.drivers[0].add(readable: segments, writable: [])
        bench.device.notify(queue: 0)
        #expect(bench.signals.broken.count == 1)
        try bench.fill(Self.pages, pages: 1)
        try bench.give([UInt32(Self.pages / 4096)], at: Self.data + 0x1000)
        #expect(try !bench.isZero(Self.pages))
        bench.device.requestStatistics()
        #expect(bench.signals.broken.count == 1)
    }

    @Test func pagesThatAreNoMemoryNeedAReset() throws {
        // Behind the RAM, in the gap for devices, memory that is not plugged, the highest there is.
        for page: UInt32 in [64 << 8, 0xC_0000, 0x10_0000, 0x18_0000, .max] {
            let bench = try Bench()
            try bench.start()
            try bench.give([page])
            #expect(bench.signals.broken.count == 1, "\(page)")
        }
        for segment in [
            GuestSegment(gpa: 60 << 20, count: 8 << 20), GuestSegment(gpa: .max - 4095, count: 8192),
            GuestSegment(gpa: 1 << 62, count: 4096),
        ] {
            let bench = try Bench()
            try bench.start()
            try bench.drivers[3].add(readable: [], writable: [segment])
            bench.device.notify(queue: 3)
            #expect(bench.signals.broken.count == 1, "\(segment)")
            #expect(bench.device.news.returned == 0)
        }
    }

    /// A driver that reports the same memory again and again keeps its processor's thread only so long.
    @Test func noMoreIsGivenThanThereIs() throws {
        let bench = try Bench()
        try bench.start()
        let size = bench.memory.size
        let ranges = [GuestSegment](repeating: GuestSegment(gpa: 0x200_0000, count: UInt32(size / 2)), count: 8)
        for _ in 0..<2 { try bench.drivers[3].add(readable: [], writable: ranges) }
        bench.device.notify(queue: 3)
        #expect(bench.signals.broken.count == 1)
        #expect(bench.device.news.returned <= 2 * (size + GrowthRegion.blockSize))
    }

    @Test func rangesAreFewAndSorted() {
        #expect(BalloonPages.ranges([]) == [])
        #expect(BalloonPages.ranges([5, 3, 4, 4, 9]) == [0x3000..<0x6000, 0x9000..<0xA000])
        // Not over a boundary at which one part of the memory may end.
        let boundary = UInt32(GrowthRegion.blockSize / 4096)
        #expect(BalloonPages.ranges([boundary - 1, boundary, boundary + 1]).count == 2)
        #expect(BalloonPages.ranges([.max]) == [0xFFF_FFFF_F000..<0x1000_0000_0000])
    }

    @Test(arguments: [false, true]) func theStateGoesOn(isPacked: Bool) throws {
        let bench = try Bench(isPacked: isPacked, target: 4 << 20)
        #expect(bench.device.save() == BalloonDeviceState(target: 1024, actual: 0))
        try bench.start()
        bench.device.writeConfiguration(offset: 4, count: 4, value: 3)
        try bench.tell([(4, 1000)])
        try bench.fill(Self.pages, pages: 4)
        let first = UInt32(Self.pages / 4096)
        try bench.give([first], at: Self.data + 0x1000)
        let saved = bench.device.save()
        #expect(saved == bench.device.save())
        #expect(saved.held != nil && saved.actual == 3 && saved.target == 1024)
        bench.device.stop()

        let other = BalloonDevice()
        try other.load(saved, memory: bench.memory, signals: bench.signals)
        #expect(other.save() == saved)
        #expect(other.news.inflated == 3 * 4096 && other.news.statistics?.values == [.memoryFree: 1000])
        other.requestStatistics()
        #expect(try bench.drivers[2].used() != nil)
        // What became available before the state is loaded is served then.
        try bench.memory.store(Self.data + 0x2000, first + 1)
        try bench.drivers[0].add(readable: [GuestSegment(gpa: Self.data + 0x2000, count: 4)], writable: [])
        let third = BalloonDevice()
        try third.load(other.save(), memory: bench.memory, signals: bench.signals)
        #expect(try bench.isZero(Self.pages + 4096))

        // States that are none of such a device.
        var bad = saved
        bad.features |= 1 << 40
        #expect(throws: VirtQueueError.self) {
            try third.load(bad, memory: bench.memory, signals: bench.signals)
        }
        bad = saved
        bad.held?.descriptorCount = 17
        #expect(throws: VirtQueueError.self) { try third.load(bad, memory: bench.memory, signals: bench.signals) }
        bad = saved
        bad.features &= ~BalloonDevice.Feature.statistics
        #expect(throws: VirtQueueError.self) { try third.load(bad, memory: bench.memory, signals: bench.signals) }
        #expect(third.save().actual == 3, "a refused state changes nothing")
    }
}
