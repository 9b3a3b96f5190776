import Glibc
import GuestMemory
import LinuxSystem
import NetworkBackends
import Testing

@testable import Virtio

/// Drivers that break rules, networks that fail, and the state that is saved and loaded.
@Suite("virtio-net with hostile drivers, and its state")
struct NetHostileTests {
    @Test("chains that are none make the device ask for a reset", arguments: [false, true])
    func brokenChains(_ isPacked: Bool) throws {
        let inside = GuestSegment(gpa: NetBench.data, count: 100)
        let outside: [GuestSegment] = [
            GuestSegment(gpa: 1 << 40, count: 64), GuestSegment(gpa: .max - 3, count: 16),
            GuestSegment(gpa: (8 << 20) - 4, count: 8), GuestSegment(gpa: NetBench.data, count: .max),
        ]
        // By the queue, the chain.
        var cases: [(Int, [GuestSegment], [GuestSegment])] = outside.flatMap { wrong in
            [
                (1, [inside, wrong], []), (1, [wrong], []), (0, [], [wrong]), (2, [inside], [wrong]),
                (2, [wrong], [inside]),
            ]
        }
        // Buffers for packets that have no room for their header, and commands without room for their answer.
        cases += [
            (0, [], [GuestSegment(gpa: NetBench.data, count: 11)]), (0, [inside], []),
            (0, [], [GuestSegment(gpa: NetBench.data, count: 0)]), (2, [inside], []), (2, [], [inside]),
            (2, [GuestSegment(gpa: NetBench.data, count: 1)], [inside]),
        ]
        for (index, (queue, readable, writable)) in cases.enumerated() {
            let bench = try NetBench(isPacked: isPacked)
            try bench.start(features: bench.device.features)
            try bench.drivers[queue].add(readable: readable, writable: writable)
            bench.network.fakes[0].put(NetBench.header() + NetBench.packet(64))
            bench.device.notify(queue: queue)
            #expect(try bench.nextUsed(queue) == nil, "case \(index)")
            #expect(bench.sent().isEmpty)
            // It can be used again after a reset.
            bench.device.stop()
            try bench.memory.zero(0, count: 0x20_0000)
            bench.signals.news.withLock { $0.broken = nil }
            bench.drivers = bench.drivers.map {
                TestDriver(bench.memory, size: 16, isPacked: isPacked, base: $0.base)
            }
            try bench.start(features: bench.device.features)
            try bench.send(NetBench.header() + NetBench.packet(64))
            #expect(try bench.nextUsed(1) != nil)
        }
    }

    @Test("random chains and rings: an answer or a reset, never a trap", arguments: [false, true])
    func randomChains(_ isPacked: Bool) throws {
        // A new one each time; one that fails is repeated by writing it here.
        let seed = UInt64.random(in: 0...UInt64.max)
        print("random network chains: seed \(seed)")
        var random = SeededGenerator(seed: seed)
        for _ in 0..<100 {
            let bench = try NetBench(isPacked: isPacked, size: 8, allowsSpoofing: true)
            for word: UInt64 in 0..<2048 {
                let value = UInt64.random(in: 0...UInt64.max, using: &random)
                try bench.memory.store(NetBench.data + word * 8, value >> UInt64.random(in: 0...63, using: &random))
            }
            try bench.start(features: UInt64.random(in: 0...UInt64.max, using: &random) & bench.device.features)
            for _ in 0..<8 {
                let queue = Int.random(in: 0...2, using: &random)
                let segments = (0..<Int.random(in: 1...7, using: &random)).map { _ in
                    GuestSegment(
                        gpa: NetBench.data + UInt64.random(in: 0..<0x4000, using: &random),
                        count: UInt32.random(in: 0..<4096, using: &random))
                }
                let border = Int.random(in: 0...segments.count, using: &random)
                try bench.drivers[queue].add(readable: Array(segments[..<border]), writable: Array(segments[border...]))
                bench.network.fakes[0].put(
                    NetBench.header() + NetBench.packet(Int.random(in: 0..<5000, using: &random)))
                bench.device.notify(queue: queue)
            }
            // The rings themselves, too.
            for _ in 0..<64 {
                try bench.memory.store(
                    UInt64.random(in: 0..<0xC_0000, using: &random), UInt8.random(in: 0...255, using: &random))
            }
            for queue in 0...2 { bench.device.notify(queue: queue) }
            bench.device.stop()
        }
    }

    @Test("a network that fails costs packets and no processor time, and comes back")
    func failures() throws {
        let bench = try NetBench()
        try bench.start(features: 0)
        bench.network.fakes[0].fail(Errno(77))
        try bench.send(NetBench.header() + NetBench.packet(64))
        #expect(try bench.nextUsed(1) != nil)
        #expect(bench.account { $0.sent.dropped == 1 }.sent.packets == 0)
        try bench.offer(NetBench.data, 1526)
        let before = bench.network.fakes[0].state.read { $0.receives }
        let waited = bench.network.fakes[0].state.wait(until: monotonicNanoseconds() + 1_200_000_000) { _ in
            nil as Void?
        }
        #expect(waited == nil)
        let tries = bench.network.fakes[0].state.read { $0.receives } - before
        #expect((1...6).contains(tries), "\(tries)")
        bench.network.fakes[0].fail(nil)
        bench.network.fakes[0].put(NetBench.header() + NetBench.packet(64))
        #expect(try bench.nextUsed(0)?.written == 76)
        // One that refuses what was negotiated is no network.
        let other = try NetBench()
        other.network.settings.withLock { $0.failure = Errno(22) }
        try other.start(features: other.device.features)
        #expect(other.signals.news.read { $0.broken } != nil)
    }

    @Test("a packet that waits for the driver is part of the state", arguments: [false, true])
    func waitingPacket(_ isPacked: Bool) throws {
        let bench = try NetBench(isPacked: isPacked)
        try bench.start(features: NetFeature.mergeableBuffers)
        // Its one buffer is too small for the packet, which so waits for another one.
        try bench.offer(NetBench.data, 100)
        let packet = NetBench.header(buffers: 2) + NetBench.packet(150, from: NetBench.peer)
        bench.network.fakes[0].put(packet)
        let taken = bench.network.fakes[0].state.wait(until: monotonicNanoseconds() + 60_000_000_000) {
            $0.incoming.isEmpty ? () : nil
        }
        #expect(taken != nil)
        let saved = bench.device.save()
        #expect(saved.packets.map(\.count) == [162])
        // It is there although the device went on meanwhile,
        #expect(bench.device.save() == saved)
        bench.device.stop()
        // and comes out of another device.
        let device = NetDevice(try FakeNetwork(), mac: try #require(MACAddress(NetBench.mac)))
        try device.load(saved, memory: bench.memory, signals: bench.signals)
        try bench.drivers[0].add(
            readable: [], writable: [GuestSegment(gpa: NetBench.data + 0x1000, count: 100)])
        device.notify(queue: 0)
        #expect(try bench.nextUsed(0)?.written == 100)
        #expect(try bench.nextUsed(0)?.written == 62)
        let first = try bench.memory.read(NetBench.data, count: 100)
        #expect(try first + bench.memory.read(NetBench.data + 0x1000, count: 62) == packet)
        device.stop()
        // One that is none, or that the driver can't be given, is refused or dropped.
        var wrong = saved
        wrong.packets = [[UInt8](repeating: 0, count: 1 << 17)]
        #expect(throws: VirtQueueError.self) {
            try device.load(wrong, memory: bench.memory, signals: bench.signals)
        }
        wrong.packets = [[1, 1, 0], []]
        #expect(throws: VirtQueueError.self) {
            try device.load(wrong, memory: bench.memory, signals: bench.signals)
        }
        wrong.packets = [[1, 1, 0]]
        try device.load(wrong, memory: bench.memory, signals: bench.signals)
        #expect(device.save().packets == [[]])
        device.stop()
    }

    @Test("a driver that changes settings all the time does not reach the host's lock each time")
    func settingsChangeOnlySoOften() throws {
        let bench = try NetBench(pairs: 2)
        try bench.start(features: bench.device.features)
        let start = monotonicNanoseconds()
        var done: UInt64 = 0
        for round: UInt8 in 0..<200 where try bench.command([4, 0, 2 - round % 2, 0], queue: 4) == 0 { done += 1 }
        // A hundred a second, and a tenth of a second's at once; what changes nothing costs nothing.
        let tenths = (monotonicNanoseconds() - start) / 100_000_000
        let changes = bench.network.settings.read { $0.changes }
        #expect(done > 0 && UInt64(changes) <= 10 * (tenths + 1) + 12, "\(changes) changes")
        // It has what the last change that was done says, and later the driver gets its way again.
        usleep(200_000)
        for count: UInt8 in [1, 2] {
            #expect(try bench.command([4, 0, count, 0], queue: 4) == 0)
            #expect(bench.network.settings.read { $0.active } == Int(count))
        }
    }

    @Test("a saved state goes on in another device", arguments: [false, true], [false, true])
    func state(_ isPacked: Bool, _ eventIndex: Bool) throws {
        let bench = try NetBench(pairs: 2, isPacked: isPacked)
        #expect(bench.device.save() == NetDeviceState())
        try bench.start(features: bench.device.features, eventIndex: eventIndex)
        try bench.send(NetBench.header() + NetBench.packet(64))
        #expect(try bench.nextUsed(1) != nil)
        #expect(try bench.command([4, 0, 2, 0], queue: 4) == 0)
        let bits = NetFeature.guestChecksum
        let offloads = (0..<8).map { UInt8(truncatingIfNeeded: bits >> (8 * UInt64($0))) }
        #expect(try bench.command([5, 0] + offloads, queue: 4) == 0)
        // Buffers that were seen and not used are part of it.
        for index: UInt64 in 0..<3 { try bench.offer(NetBench.data + 0x8000 + index * 0x1000, 1526) }
        let saved = bench.device.save()
        #expect(saved.activePairs == 2 && saved.receiveOffloads == [.checksum])
        #expect(saved.queues.count == 5 && saved.queues.allSatisfy { $0 != nil })
        #expect(bench.device.save() == saved)
        // The device goes on,
        bench.network.fakes[0].put(NetBench.header() + NetBench.packet(64))
        #expect(try bench.nextUsed(0)?.written == 76)
        let next = bench.device.save()
        bench.device.stop()
        // and so does another one where it ended.
        let network = try FakeNetwork(queues: 2)
        let mac = try #require(MACAddress(NetBench.mac))
        let device = NetDevice(network, mac: mac)
        try device.load(next, memory: bench.memory, signals: bench.signals)
        #expect(network.settings.read { $0.active } == 2)
        #expect(network.settings.read { $0.receiveOffloads } == [.checksum])
        network.fakes[0].put(NetBench.header() + NetBench.packet(80))
        #expect(try bench.nextUsed(0)?.written == 92)
        #expect(
            try bench.memory.read(NetBench.data + 0x9000, count: 92)
                == NetBench.header(buffers: 1) + NetBench.packet(80))
        device.stop()
        #expect(device.save() == NetDeviceState())
        // A state of another device is refused.
        for change: (inout NetDeviceState) -> Void in [
            { $0.features |= 1 << 60 }, { $0.activePairs = 3 }, { $0.activePairs = 0 }, { $0.queues += [nil] },
            { $0.features ^= VirtioFeature.ringPacked }, { $0.queues[0]?.layout.descriptors = 1 << 50 },
            { $0.queues[1]?.layout.size = 1024 },
            { $0.features &= ~NetFeature.guestChecksum },
        ] {
            var wrong = next
            change(&wrong)
            #expect(throws: VirtQueueError.self) {
                try device.load(wrong, memory: bench.memory, signals: bench.signals)
            }
        }
    }

    @Test("a device that is stopped touches nothing", arguments: [false, true])
    func stops(_ isPacked: Bool) throws {
        let bench = try NetBench(isPacked: isPacked)
        try bench.start(features: bench.device.features)
        try bench.offer(NetBench.data, 1526)
        #expect(bench.device.doorbell(queue: 0) != nil && bench.device.doorbell(queue: 2) == nil)
        let queues = bench.device.stop()
        #expect(queues.count == 3 && queues.allSatisfy { $0 != nil })
        #expect(bench.device.doorbell(queue: 0) == nil)
        bench.network.fakes[0].put(NetBench.header() + NetBench.packet(64))
        bench.device.notify(queue: 0)
        bench.device.notify(queue: 2)
        #expect(try bench.drivers[0].used() == nil)
        #expect(bench.device.stop().isEmpty)
    }
}
