import BlockStorage
import Glibc
import GuestMemory
import LinuxSystem
import Testing

@testable import Virtio

@Suite("virtio-blk")
struct BlockTests {
    private static let usual = BlockFeature.flush | BlockFeature.discard | BlockFeature.writeZeroes
    private static let engines: [RawImage.EngineChoice] = [.automatic, .blocking]

    private func range(_ sector: UInt64, _ sectors: UInt32, _ flags: UInt32 = 0) -> [UInt8] {
        withUnsafeBytes(of: sector.littleEndian, Array.init) + withUnsafeBytes(of: sectors.littleEndian, Array.init)
            + withUnsafeBytes(of: flags.littleEndian, Array.init)
    }

    @Test("what is written is read again, and is in the image", arguments: [false, true], engines)
    func writesAndReads(_ isPacked: Bool, _ engine: RawImage.EngineChoice) throws {
        let bench = try BlockBench(isPacked: isPacked, engine: engine)
        try bench.start(features: Self.usual)
        let bytes = (0..<4096).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        #expect(try bench.request(1, sector: 9, output: bytes) == 0)
        #expect(try bench.request(4) == 0)
        #expect(try bench.file(9 * 512, 4096) == bytes)
        #expect(try bench.file(8 * 512, 512).allSatisfy { $0 == 8 })
        try bench.memory.zero(BlockBench.data, count: 4096)
        #expect(try bench.request(0, sector: 9, input: 4096) == 0)
        #expect(try bench.memory.read(BlockBench.data, count: 4096) == bytes)
        let accounts = bench.signals.news.read { $0.accounts }
        #expect(
            accounts == [
                BlockAccount(kind: .write, bytes: 4096, hasFailed: false),
                BlockAccount(kind: .flush, bytes: 0, hasFailed: false),
                BlockAccount(kind: .read, bytes: 4096, hasFailed: false),
            ])
    }

    @Test("many requests at a time, round the ring many times", arguments: [false, true], engines)
    func manyRequests(_ isPacked: Bool, _ engine: RawImage.EngineChoice) throws {
        let bench = try BlockBench(isPacked: isPacked, size: 16, engine: engine)
        try bench.start(features: Self.usual, eventIndex: false)
        for round in 0..<20 {
            for slot in 0..<5 {
                let sector = UInt64(round * 5 + slot)
                try bench.add(0, sector: sector, input: 512, slot: UInt64(slot), indirect: round % 2 == 1 && round < 16)
            }
            bench.device.notify(queue: 0)
            for _ in 0..<5 { #expect(try bench.nextUsed()?.written == 513) }
            for slot in 0..<5 {
                let bytes = try bench.memory.read(BlockBench.data + UInt64(slot) * 0x2000, count: 512)
                #expect(bytes.allSatisfy { $0 == UInt8(round * 5 + slot) })
            }
        }
        #expect(bench.signals.news.read { $0.used } >= 20)
    }

    @Test("buffers of any alignment, with direct I/O too", arguments: [DiskSource.Cache.none, .writeback])
    func anyAlignment(_ cache: DiskSource.Cache) throws {
        let bench = try BlockBench(cache: cache)
        try bench.start(features: Self.usual)
        // Three buffers that begin and end anywhere; the status follows the data in the last of them.
        let header = BlockBench.header + 3
        try bench.memory.store(header, UInt32(0))
        try bench.memory.store(header + 8, UInt64(16))
        let places = [(BlockBench.data + 1, 1001), (BlockBench.data + 0x1003, 3000), (BlockBench.data + 0x2007, 96)]
        try bench.driver.add(
            readable: [GuestSegment(gpa: header, count: 7), GuestSegment(gpa: header + 7, count: 9)],
            writable: places.map { GuestSegment(gpa: $0.0, count: UInt32($0.1)) })
        bench.device.notify(queue: 0)
        #expect(try bench.nextUsed()?.written == 4097)
        var bytes: [UInt8] = []
        for place in places { bytes += try bench.memory.read(place.0, count: place.1) }
        #expect(bytes.last == 0)
        let wanted: [UInt8] = (0..<4096).map { UInt8(16 + $0 / 512) }
        #expect(Array(bytes.dropLast()) == wanted)
    }

    @Test("discards and zeros, where they were negotiated")
    func ranges() throws {
        let bench = try BlockBench()
        try bench.start(features: Self.usual)
        #expect(try bench.request(13, output: range(8, 16)) == 0)
        #expect(try bench.request(13, output: range(100, 1, 1)) == 0)
        #expect(try bench.file(8 * 512, 16 * 512).allSatisfy { $0 == 0 })
        #expect(try bench.file(7 * 512, 512)[511] == 7)
        #expect(try bench.file(24 * 512, 512)[0] == 24)
        #expect(try bench.file(100 * 512, 512)[0] == 0)
        #expect(try bench.request(11, output: range(512, 64)) == 0)
        // Flags that mean nothing, several ranges, nothing, and what is beyond the end.
        #expect(try bench.request(11, output: range(0, 8, 1)) == 2)
        #expect(try bench.request(13, output: range(0, 8, 2)) == 2)
        #expect(try bench.request(11, output: range(0, 8) + range(8, 8)) == 1)
        #expect(try bench.request(11, output: [1, 2, 3]) == 1)
        for (sector, count) in [(UInt64(2048), UInt32(1)), (2047, 2), (.max, 1), (.max - 7, 8), (0, .max), (0, 0)] {
            #expect(try bench.request(11, output: range(sector, count)) == 1, "\(sector) \(count)")
            #expect(try bench.request(13, output: range(sector, count)) == 1, "\(sector) \(count)")
        }
        let plain = try BlockBench()
        try plain.start(features: BlockFeature.flush)
        #expect(try plain.request(11, output: range(0, 8)) == 2)
        #expect(try plain.request(13, output: range(0, 8)) == 2)
    }

    @Test("what goes beyond the disk, or is no whole block, is an error")
    func ranges2() throws {
        let bench = try BlockBench()
        try bench.start(features: Self.usual)
        for (sector, count) in [(UInt64(2048), 512), (2047, 1024), (.max, 512), (.max - 1, 1024), (1 << 55, 512)] {
            #expect(try bench.request(0, sector: sector, input: count) == 1)
            #expect(try bench.request(1, sector: sector, output: [UInt8](repeating: 1, count: count)) == 1)
        }
        #expect(try bench.request(0, sector: 0, input: 100) == 1)
        #expect(try bench.request(0, sector: 0) == 1)
        #expect(try bench.request(0, sector: 2047, input: 512) == 0)
        #expect(try bench.request(99) == 2)
        #expect(bench.signals.news.read { $0.accounts.filter(\.hasFailed).count } == 12)
    }

    @Test("a read-only disk takes no writes")
    func readOnly() throws {
        let bench = try BlockBench(isReadOnly: true)
        #expect(bench.device.features & BlockFeature.readOnly != 0)
        #expect(bench.device.features & (BlockFeature.discard | BlockFeature.writeZeroes) == 0)
        // A driver that takes no notice.
        try bench.start(features: Self.usual)
        #expect(try bench.request(1, output: [UInt8](repeating: 9, count: 512)) == 1)
        #expect(try bench.request(11, output: range(0, 8)) == 1)
        #expect(try bench.request(13, output: range(0, 8)) == 1)
        #expect(try bench.request(0, sector: 3, input: 512) == 0)
        #expect(try bench.file(0, 512).allSatisfy { $0 == 0 })
    }

    @Test("the serial number, whole and cut")
    func serial() throws {
        let bench = try BlockBench()
        try bench.start(features: 0)
        #expect(try bench.request(8, input: 20) == 0)
        let bytes = try bench.memory.read(BlockBench.data, count: 20)
        #expect(bytes == Array("disk-of-the-tests".utf8) + [0, 0, 0])
        #expect(try bench.request(8, input: 4) == 0)
    }

    /// Each of the device's bits withheld: the rest works, and what needs the bit is not there.
    @Test("every feature withheld", arguments: 0..<16)
    func withheld(_ bit: Int) throws {
        let feature: UInt64 = 1 << UInt64(bit)
        let bench = try BlockBench(withheld: feature, queues: 2)
        let all = BlockFeature.offered(isReadOnly: false, queues: 2)
        #expect(bench.device.features == all & ~feature)
        try bench.start(features: bench.device.features)
        let bytes = [UInt8](repeating: 0x77, count: 1024)
        #expect(try bench.request(1, sector: 4, output: bytes) == 0)
        #expect(try bench.request(0, sector: 4, input: 1024) == 0)
        #expect(try bench.memory.read(BlockBench.data, count: 1024) == bytes)
        #expect(try bench.request(4) == 0)
        #expect(try bench.request(11, output: range(0, 8)) == (feature == BlockFeature.discard ? 2 : 0))
        #expect(try bench.request(13, output: range(0, 8)) == (feature == BlockFeature.writeZeroes ? 2 : 0))
        bench.device.writeConfiguration(offset: 32, count: 1, value: 0)
        let isOn = bench.device.readConfiguration(offset: 32, count: 1) == 1
        #expect(isOn == (feature == BlockFeature.configurableCache))
    }

    @Test("the configuration is the disk's")
    func configuration() throws {
        let bench = try BlockBench(queues: 4)
        let device = bench.device
        #expect(device.queueSizes == [256, 256, 256, 256])
        #expect(device.readConfiguration(offset: 0, count: 8) == 2048)
        #expect(device.readConfiguration(offset: 12, count: 4) == 254)
        #expect(device.readConfiguration(offset: 20, count: 4) == 512)
        #expect(device.readConfiguration(offset: 24, count: 1) == 3)
        #expect(device.readConfiguration(offset: 34, count: 2) == 4)
        #expect(device.readConfiguration(offset: 40, count: 4) == 1)
        #expect(device.readConfiguration(offset: 56, count: 1) == 1)
        for offset in [60, 4095, Int.max - 8] { #expect(device.readConfiguration(offset: offset, count: 8) == 0) }
    }

    @Test("a larger image is told of")
    func resize() throws {
        let bench = try BlockBench()
        try bench.start(features: Self.usual)
        #expect(try bench.request(0, sector: 2048, input: 512) == 1)
        #expect(truncate(bench.path, off_t(BlockBench.imageSize + 1024)) == 0)
        #expect(try bench.device.refreshSize() == UInt64(BlockBench.imageSize) + 1024)
        try bench.device.refreshSize()
        #expect(bench.signals.news.read { $0.configurationChanges } == 1)
        #expect(bench.device.readConfiguration(offset: 0, count: 8) == 2050)
        #expect(try bench.request(0, sector: 2048, input: 512) == 0)
    }

    @Test("a rate limit holds requests back and loses none")
    func rateLimit() throws {
        let bench = try BlockBench(limit: .init(operationsPerSecond: 50))
        try bench.start(features: Self.usual)
        let start = monotonicNanoseconds()
        for slot in 0..<5 { try bench.add(0, sector: UInt64(slot), input: 512, slot: UInt64(slot)) }
        bench.device.notify(queue: 0)
        for _ in 0..<5 { _ = try bench.nextUsed() }
        for slot: UInt64 in 0..<5 { try bench.add(0, sector: slot, input: 512, slot: slot) }
        bench.device.notify(queue: 0)
        for _ in 0..<5 { _ = try bench.nextUsed() }
        // 10 at 50 a second take 200 ms, less a burst of 100 ms and one.
        #expect(monotonicNanoseconds() - start >= 70_000_000)
        // A stop does not wait for the limit.
        for slot: UInt64 in 0..<3 { try bench.add(0, sector: slot, input: 512, slot: slot) }
        bench.device.notify(queue: 0)
        bench.device.stop()
    }
}
