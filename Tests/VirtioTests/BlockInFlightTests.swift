import BlockStorage
import Glibc
import GuestMemory
import LinuxSystem
import Testing

@testable import Virtio

/// Requests that take their time or fail: on an image whose operations end when the test says so.
@Suite("virtio-blk with requests under way, and with images that fail")
struct BlockInFlightTests {
    private static let usual = BlockFeature.flush | BlockFeature.discard | BlockFeature.writeZeroes

    private func range(_ sector: UInt64, _ sectors: UInt32) -> [UInt8] {
        withUnsafeBytes(of: sector.littleEndian, Array.init) + withUnsafeBytes(of: sectors.littleEndian, Array.init)
            + [0, 0, 0, 0]
    }

    @Test("what fails on the host is an error of that request alone, and is counted", arguments: [EIO, ENOSPC, EDQUOT])
    func failures(_ code: Int32) throws {
        let image = try FakeImage()
        let bench = try BlockBench(image: image)
        try bench.start(features: Self.usual)
        image.seen.withLock { $0.failure = Errno(code) }
        #expect(try bench.request(0, sector: 1, input: 512) == 1)
        #expect(try bench.request(1, sector: 1, output: [UInt8](repeating: 1, count: 512)) == 1)
        #expect(try bench.request(4) == 1)
        #expect(try bench.request(11, output: range(0, 8)) == 1)
        #expect(try bench.request(13, output: range(0, 8)) == 1)
        let accounts = bench.signals.news.read { $0.accounts }
        #expect(accounts.map(\.kind) == [.read, .write, .flush, .discard, .write])
        #expect(accounts.allSatisfy { $0.hasFailed && $0.bytes == 0 })
        // Nothing of it stays.
        image.seen.withLock { $0.failure = nil }
        #expect(try bench.request(0, sector: 1, input: 512) == 0)
        #expect(bench.signals.news.read { $0.broken } == nil)
    }

    @Test("a read that failed leaves the guest's buffer alone where it needed one of ours")
    func failedBounce() throws {
        let image = try FakeImage(.direct)
        let bench = try BlockBench(image: image)
        try bench.start(features: Self.usual)
        image.seen.withLock { $0.failure = Errno(EIO) }
        let place = BlockBench.data + 1
        try bench.memory.store(BlockBench.header, UInt32(0))
        try bench.memory.store(BlockBench.header + 8, UInt64(0))
        try bench.driver.add(
            readable: [GuestSegment(gpa: BlockBench.header, count: 16)],
            writable: [GuestSegment(gpa: place, count: 512), GuestSegment(gpa: BlockBench.status, count: 1)])
        bench.device.notify(queue: 0)
        #expect(try bench.nextUsed()?.written == 1)
        #expect(try bench.memory.load(BlockBench.status, as: UInt8.self) == 1)
        #expect(try bench.memory.read(place, count: 512).allSatisfy { $0 == 0 })
    }

    @Test("a stop brings what is under way to its end", arguments: [false, true])
    func stopWaits(_ isPacked: Bool) throws {
        let image = try FakeImage(isHeld: true)
        let bench = try BlockBench(isPacked: isPacked, image: image)
        try bench.start(features: Self.usual)
        for slot: UInt64 in 0..<3 { try bench.add(0, sector: slot, input: 512, slot: slot) }
        bench.device.notify(queue: 0)
        image.waitForSubmitted(3)
        let device = bench.device
        let stopper = try SystemThread(name: "stopper") { device.stop() }
        image.release()
        stopper.join()
        #expect(image.seen.read { $0.underWay } == 0)
        // The last one was the first to end.
        var order: [UInt16] = []
        while let used = try bench.driver.used() { order.append(used.id) }
        #expect(order == [6, 3, 0])
        for slot: UInt64 in 0..<3 {
            #expect(try bench.memory.load(BlockBench.status + slot, as: UInt8.self) == 0)
            #expect(try bench.memory.load(BlockBench.data + slot * 0x2000, as: UInt8.self) == 0x5C)
        }
        // Nothing is taken any more.
        try bench.add(0, sector: 9, input: 512, slot: 3)
        device.notify(queue: 0)
        #expect(image.seen.read { $0.kinds.count } == 3)
    }

    @Test("a rule broken while requests are under way: they end, and the guest's memory stays as it is")
    func brokenMeanwhile() throws {
        let image = try FakeImage(isHeld: true)
        let bench = try BlockBench(image: image)
        try bench.start(features: Self.usual)
        try bench.add(0, sector: 1, input: 512)
        bench.device.notify(queue: 0)
        image.waitForSubmitted(1)
        try bench.driver.add(readable: [GuestSegment(gpa: BlockBench.header, count: 3)], writable: [])
        bench.device.notify(queue: 0)
        bench.signals.news.wait { $0.broken.map { _ in () } }
        image.release()
        bench.device.stop()
        #expect(image.seen.read { $0.underWay } == 0)
        #expect(try bench.memory.load(BlockBench.status, as: UInt8.self) == 0xAA)
        #expect(try bench.driver.used() == nil)
    }

    @Test("a state is taken when all that was under way has ended")
    func savedMeanwhile() throws {
        let image = try FakeImage(isHeld: true)
        let bench = try BlockBench(image: image)
        try bench.start(features: Self.usual)
        for slot: UInt64 in 0..<2 { try bench.add(0, sector: slot, input: 512, slot: slot) }
        bench.device.notify(queue: 0)
        image.waitForSubmitted(2)
        let device = bench.device
        let saver = try SystemThread(name: "saver") { _ = device.save() }
        image.release()
        saver.join()
        for _ in 0..<2 { #expect(try bench.driver.used() != nil) }
        try bench.add(0, sector: 2, input: 512, slot: 2)
        bench.device.notify(queue: 0)
        #expect(try bench.nextUsed()?.written == 513)
    }

    @Test("writes are durable where the driver has no flushes or switched the cache off")
    func durability() throws {
        func kinds(_ features: UInt64, isWriteback: Bool) throws -> [BlockOperation.Kind] {
            let image = try FakeImage()
            let bench = try BlockBench(image: image)
            try bench.start(features: features)
            bench.device.writeConfiguration(offset: 32, count: 1, value: isWriteback ? 1 : 0)
            #expect(try bench.request(1, output: [UInt8](repeating: 1, count: 512)) == 0)
            #expect(try bench.request(13, output: range(0, 8)) == 0)
            return image.seen.read { $0.kinds }
        }
        func both(isDurable: Bool) -> [BlockOperation.Kind] {
            [.write(isDurable: isDurable), .writeZeroes(mayUnmap: false, isDurable: isDurable)]
        }
        #expect(try kinds(Self.usual, isWriteback: true) == both(isDurable: false))
        #expect(try kinds(Self.usual, isWriteback: false) == both(isDurable: true))
        #expect(try kinds(BlockFeature.writeZeroes, isWriteback: true) == both(isDurable: true))
    }

    /// Some file systems take buffers at any multiple of 4 bytes, if only they are whole blocks long.
    @Test("direct I/O gets whole blocks where addresses alone would do")
    func lengths() throws {
        var geometry = BlockGeometry.direct
        geometry.memoryAlignment = 4
        let image = try FakeImage(geometry)
        let bench = try BlockBench(image: image)
        try bench.start(features: Self.usual)
        for split: UInt32 in [512, 508] {
            try bench.memory.store(BlockBench.header, UInt32(0))
            try bench.memory.store(BlockBench.header + 8, UInt64(0))
            try bench.driver.add(
                readable: [GuestSegment(gpa: BlockBench.header, count: 16)],
                writable: [
                    GuestSegment(gpa: BlockBench.data + 4, count: split),
                    GuestSegment(gpa: BlockBench.data + 0x1000, count: 1024 - split),
                    GuestSegment(gpa: BlockBench.status, count: 1),
                ])
            bench.device.notify(queue: 0)
            #expect(try bench.nextUsed()?.written == 1025)
            #expect(try bench.memory.load(BlockBench.data + 4 + UInt64(split) - 1, as: UInt8.self) == 0x5C)
        }
        #expect(image.seen.read { $0.lengths } == [[512, 512], [1024]])
    }

    @Test("buffers of ours are bounded, and requests that wait for one are answered", arguments: [false, true])
    func bouncePool(_ stops: Bool) throws {
        let image = try FakeImage(.direct)
        let bench = try BlockBench(size: 256, image: image)
        // Each 40 MiB, over and over the same memory.
        let pieces = 40
        for slot: UInt64 in 0..<3 {
            let header = BlockBench.header + 16 * slot
            try bench.memory.store(header, UInt32(0))
            try bench.memory.store(header + 8, slot)
            try bench.driver.add(
                readable: [GuestSegment(gpa: header, count: 16)],
                writable: Array(repeating: GuestSegment(gpa: (1 << 20) - 64 + 1, count: 1 << 20), count: pieces)
                    + [GuestSegment(gpa: BlockBench.status + slot, count: 1)])
        }
        try bench.start(features: Self.usual)
        if !stops {
            for _ in 0..<3 { #expect(try bench.nextUsed()?.written == UInt32(pieces << 20) + 1) }
        }
        bench.device.stop()
        #expect(image.seen.read { $0.mostUnderWay } <= 1)
        let submitted = image.seen.read { $0.kinds.count }
        #expect(stops ? (0...3).contains(submitted) : submitted == 3)
    }

    @Test("requests beyond the largest are errors, and what the configuration allows never is")
    func largest() throws {
        let image = try FakeImage()
        let bench = try BlockBench(size: 256, image: image)
        try bench.start(features: Self.usual)
        let size = UInt64(bench.device.readConfiguration(offset: 8, count: 4))
        let segments = UInt64(bench.device.readConfiguration(offset: 12, count: 4))
        #expect(size * segments <= BlockLimit.requestSize && size % 4096 == 0)
        for (count, status) in [(Int(segments), UInt8(0)), (65, 1)] {
            let piece = status == 0 ? UInt32(size) : 1 << 20
            bench.device.stop()
            bench.driver = TestDriver(bench.memory, size: 256, isPacked: false)
            try bench.memory.zero(0x1000, count: 0x8000)
            try bench.start(features: Self.usual)
            try bench.memory.store(BlockBench.header, UInt32(0))
            try bench.memory.store(BlockBench.header + 8, UInt64(0))
            try bench.driver.add(
                readable: [GuestSegment(gpa: BlockBench.header, count: 16)],
                writable: Array(repeating: GuestSegment(gpa: 1 << 20, count: piece), count: count)
                    + [GuestSegment(gpa: BlockBench.status, count: 1)])
            bench.device.notify(queue: 0)
            #expect(try bench.nextUsed() != nil)
            #expect(try bench.memory.load(BlockBench.status, as: UInt8.self) == status)
        }
    }
}

extension BlockGeometry {
    /// As most block devices have it for direct I/O.
    static var direct: BlockGeometry {
        var geometry = BlockGeometry()
        geometry.memoryAlignment = 512
        geometry.lengthAlignment = 512
        return geometry
    }
}
