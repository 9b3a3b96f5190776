import BlockStorage
import Glibc
import GuestMemory
import LinuxSystem
import Testing

@testable import Virtio

/// A disk device on an image in a file of its own, driven through one queue without a bus.
final class BlockBench {
    /// What the device told its driver.
    final class Signals: VirtioSignals {
        struct News {
            var used = 0
            var configurationChanges = 0
            var broken: VirtQueueError?
            var accounts: [BlockAccount] = []
        }

        let news = Monitor(News())
        func queueWasUsed(_ queue: Int) { news.withLock { $0.used += 1 } }
        func configurationChanged() { news.withLock { $0.configurationChanges += 1 } }
        func needsReset(_ reason: VirtQueueError) { news.withLock { $0.broken = reason } }
    }

    static let header: UInt64 = 0x8_0000
    static let status: UInt64 = 0x8_1000
    static let data: UInt64 = 0x9_0000
    static let imageSize = 1 << 20

    let path: String
    let memory: GuestMemory
    let signals = Signals()
    private(set) var device: BlockDevice
    var driver: TestDriver
    private let isPacked: Bool

    init(
        isReadOnly: Bool = false, isPacked: Bool = false, size: UInt16 = 16, cache: DiskSource.Cache = .writeback,
        engine: RawImage.EngineChoice = .automatic, withheld: UInt64 = 0, queues: Int = 1,
        limit: DiskSource.RateLimit? = nil, image: (any BlockImage)? = nil
    ) throws {
        path = "/var/tmp/hvroot-blk-\(getpid())-\(UInt64.random(in: 0...UInt64.max))"
        do {
            let file = try FileDescriptor(opening: path, O_RDWR | O_CREAT | O_EXCL)
            try file.writeAll((0..<Self.imageSize).map { UInt8(truncatingIfNeeded: $0 / 512) })
        }
        memory = try GuestMemory(size: 2 << 20)
        driver = TestDriver(memory, size: size, isPacked: isPacked)
        self.isPacked = isPacked
        let image = try image ?? RawImage(path, isReadOnly: isReadOnly, cache: cache, engine: engine)
        device = BlockDevice(
            image, queues: queues, serial: "disk-of-the-tests", limiter: RateLimiter(limit), withheld: withheld,
            account: { [signals] account in signals.news.withLock { $0.accounts.append(account) } })
    }

    deinit {
        device.stop()
        unlink(path)
    }

    /// What is always negotiated, and what `features` adds.
    func start(features: UInt64, eventIndex: Bool = false) throws {
        let common = VirtioFeature.version1 | (isPacked ? VirtioFeature.ringPacked : 0)
        device.start(
            [try driver.device(eventIndex: eventIndex)],
            features: features | common | (eventIndex ? VirtioFeature.eventIndex : 0), memory: memory,
            signals: signals)
    }

    /// Makes a request available, with the data in one buffer.
    func add(
        _ type: UInt32, sector: UInt64 = 0, output: [UInt8] = [], input: Int = 0, slot: UInt64 = 0,
        indirect: Bool = false
    ) throws {
        try memory.store(Self.header + 16 * slot, type)
        try memory.store(Self.header + 16 * slot + 4, UInt32(0))
        try memory.store(Self.header + 16 * slot + 8, sector)
        try memory.store(Self.status + slot, UInt8(0xAA))
        let place = Self.data + slot * 0x2000
        try memory.write(place, output)
        var readable = [GuestSegment(gpa: Self.header + 16 * slot, count: 16)]
        if !output.isEmpty { readable.append(GuestSegment(gpa: place, count: UInt32(output.count))) }
        var writable: [GuestSegment] = []
        if input > 0 { writable.append(GuestSegment(gpa: place, count: UInt32(input))) }
        writable.append(GuestSegment(gpa: Self.status + slot, count: 1))
        try driver.add(readable: readable, writable: writable, indirect: indirect)
    }

    /// Waits for the next request that is given back; nil where the device says that it needs a reset.
    func nextUsed() throws -> (id: UInt16, written: UInt32)? {
        let deadline = monotonicNanoseconds() + 60_000_000_000
        while monotonicNanoseconds() < deadline {
            if let used = try driver.used() { return used }
            if signals.news.read({ $0.broken }) != nil { return nil }
            usleep(200)
        }
        Issue.record("nothing was given back")
        return nil
    }

    /// One request from its beginning to its end: the status.
    func request(
        _ type: UInt32, sector: UInt64 = 0, output: [UInt8] = [], input: Int = 0
    ) throws -> UInt8 {
        try add(type, sector: sector, output: output, input: input)
        device.notify(queue: 0)
        guard try nextUsed() != nil else { return 0xFF }
        return try memory.load(Self.status, as: UInt8.self)
    }

    func file(_ offset: Int, _ count: Int) throws -> [UInt8] {
        try FileDescriptor(opening: path, O_RDONLY).read(count: count, at: Int64(offset))
    }

    /// Replaces the device by another one on the same image and memory.
    func replaceDevice(isReadOnly: Bool = false) throws {
        device.stop()
        device = BlockDevice(ReplacedImage(), queues: 1, serial: "")
        device = BlockDevice(try RawImage(path, isReadOnly: isReadOnly), queues: 1, serial: "next")
    }

    /// Stands in while the first image's lock is given up and the next one's taken.
    private final class ReplacedImage: BlockImage {
        let byteCount: UInt64 = 512
        let geometry = BlockGeometry()
        let isReadOnly = true
        func refreshSize() throws(BlockStorageError) -> UInt64 { 512 }
        func makeEngine(depth: Int) throws(BlockStorageError) -> any BlockEngine {
            throw BlockStorageError("no image")
        }
    }
}
