import BlockStorage
import Glibc
import GuestMemory
import LinuxSystem
import NetworkBackends
import Testing

@testable import Virtio

/// A network device on a network in memory, driven through its queues without a bus.
final class NetBench {
    /// What the device told its driver.
    final class Signals: VirtioSignals {
        struct News {
            var used: [Int: Int] = [:]
            var broken: VirtQueueError?
            var account = NetAccount()
        }

        let news = Monitor(News())
        func queueWasUsed(_ queue: Int) { news.withLock { $0.used[queue, default: 0] += 1 } }
        func configurationChanged() {}
        func needsReset(_ reason: VirtQueueError) { news.withLock { $0.broken = reason } }

        func add(_ account: NetAccount) {
            news.withLock { news in
                news.account.received.add(account.received)
                news.account.sent.add(account.sent)
                news.account.spoofed += account.spoofed
            }
        }
    }

    static let mac: [UInt8] = [2, 0, 0, 0, 0, 1]
    static let peer: [UInt8] = [2, 0, 0, 0, 0, 9]
    /// Where buffers are, behind all queues.
    static let data: UInt64 = 0x20_0000
    private static let queueArea: UInt64 = 0x4_0000

    let network: FakeNetwork
    let memory: GuestMemory
    let signals = Signals()
    let device: NetDevice
    /// By the queue's number.
    var drivers: [TestDriver]
    private let isPacked: Bool

    init(
        pairs: Int = 1, isPacked: Bool = false, size: UInt16 = 16, allowsSpoofing: Bool = false, withheld: UInt64 = 0,
        limit: UInt64? = nil, offloads: NetworkOffloads = [.checksum, .tcp4, .tcp6, .udp]
    ) throws {
        let memory = try GuestMemory(size: 8 << 20)
        self.memory = memory
        self.isPacked = isPacked
        network = try FakeNetwork(queues: pairs, offloads: offloads)
        func limiter() -> RateLimiter { RateLimiter(bytesPerSecond: nil, operationsPerSecond: limit) }
        device = NetDevice(
            network, mac: try #require(MACAddress(Self.mac)), allowsSpoofing: allowsSpoofing,
            limiters: (limiter(), limiter()), withheld: withheld, account: { [signals] in signals.add($0) })
        drivers = (0...2 * pairs).map { index in
            TestDriver(memory, size: size, isPacked: isPacked, base: UInt64(index) * Self.queueArea)
        }
    }

    deinit { device.stop() }

    func features(_ features: UInt64, eventIndex: Bool = false) -> UInt64 {
        features | VirtioFeature.version1 | (isPacked ? VirtioFeature.ringPacked : 0)
            | (eventIndex ? VirtioFeature.eventIndex : 0)
    }

    func start(features: UInt64, eventIndex: Bool = false) throws {
        device.start(
            try drivers.map { try $0.device(eventIndex: eventIndex) },
            features: self.features(features, eventIndex: eventIndex), memory: memory, signals: signals)
    }

    // MARK: Packets

    /// An Ethernet packet of `count` bytes.
    static func packet(_ count: Int, from source: [UInt8] = mac, seed: UInt8 = 1) -> [UInt8] {
        var bytes = peer + source + [0x08, 0x00]
        while bytes.count < count { bytes.append(UInt8(truncatingIfNeeded: bytes.count) &+ seed) }
        return Array(bytes.prefix(count))
    }

    static func header(flags: UInt8 = 0, segmentation: UInt8 = 0, buffers: UInt8 = 0) -> [UInt8] {
        [flags, segmentation, 0, 0, 0, 0, 0, 0, 0, 0, buffers, 0]
    }

    /// Makes a packet with its header available, in pieces of these sizes (the rest in the last one), and rings.
    func send(_ bytes: [UInt8], pieces: [Int] = [], pair: Int = 0, slot: UInt64 = 0, indirect: Bool = false) throws {
        let place = Self.data + slot * 0x2_0000
        try memory.write(place, bytes)
        var segments: [GuestSegment] = []
        var done = 0
        for piece in pieces + [bytes.count] where done < bytes.count {
            let count = min(piece, bytes.count - done)
            segments.append(GuestSegment(gpa: place + UInt64(done), count: UInt32(count)))
            done += count
        }
        if segments.isEmpty { segments = [GuestSegment(gpa: place, count: 0)] }
        try drivers[2 * pair + 1].add(readable: segments, writable: [], indirect: indirect)
        device.notify(queue: 2 * pair + 1)
    }

    /// Makes a buffer for received packets available, and rings.
    func offer(_ place: UInt64, _ count: Int, pair: Int = 0) throws {
        try drivers[2 * pair].add(readable: [], writable: [GuestSegment(gpa: place, count: UInt32(count))])
        device.notify(queue: 2 * pair)
    }

    /// Sends a command: its answer.
    func command(_ bytes: [UInt8], queue: Int) throws -> UInt8? {
        let place = Self.data + 0x10_0000
        try memory.write(place, bytes)
        try memory.store(place + 0x100, UInt8(0xAA))
        try drivers[queue].add(
            readable: [GuestSegment(gpa: place, count: UInt32(bytes.count))],
            writable: [GuestSegment(gpa: place + 0x100, count: 1)])
        device.notify(queue: queue)
        guard try drivers[queue].used() != nil else { return nil }
        return try memory.load(place + 0x100)
    }

    /// Waits for the next chain of a queue that is given back; nil where the device says that it needs a reset.
    func nextUsed(_ queue: Int) throws -> (id: UInt16, written: UInt32)? {
        let deadline = monotonicNanoseconds() + 60_000_000_000
        while monotonicNanoseconds() < deadline {
            if let used = try drivers[queue].used() { return used }
            if signals.news.read({ $0.broken }) != nil { return nil }
            usleep(200)
        }
        Issue.record("nothing was given back")
        return nil
    }

    /// What was sent so far.
    func sent(_ pair: Int = 0) -> [[UInt8]] { network.fakes[pair].state.read { $0.sent } }

    /// The counters once they are `wanted`, or what they are after a while.
    func account(_ wanted: (NetAccount) -> Bool) -> NetAccount {
        let deadline = monotonicNanoseconds() + 20_000_000_000
        return signals.news.wait(until: deadline) { wanted($0.account) ? $0.account : nil }
            ?? signals.news.read { $0.account }
    }
}

extension NetAccount.Direction {
    fileprivate mutating func add(_ other: NetAccount.Direction) {
        packets += other.packets
        bytes += other.bytes
        dropped += other.dropped
    }
}
