import Glibc
import GuestMemory
import LinuxSystem
import NetworkBackends
import Testing

@testable import Virtio

@Suite("virtio-net")
struct NetTests {
    private static let all = NetFeature.offered([.checksum, .tcp4, .tcp6, .udp], pairs: 1)
    private static let plain = NetFeature.mac | NetFeature.status | NetFeature.mtu

    @Test("what is sent leaves as it was, wherever its pieces end", arguments: [false, true], [false, true])
    func sends(_ isPacked: Bool, _ eventIndex: Bool) throws {
        let bench = try NetBench(isPacked: isPacked)
        try bench.start(features: Self.all, eventIndex: eventIndex)
        let cuts: [[Int]] = [[], [12], [12, 14], [5, 9, 3, 30], [26], [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]]
        for round in 0..<4 {
            for (index, pieces) in cuts.enumerated() {
                let packet = NetBench.packet(60 + 200 * index, seed: UInt8(round))
                try bench.send(
                    NetBench.header(buffers: 7) + packet, pieces: pieces, indirect: index % 2 == 1 && round < 3)
                #expect(try bench.nextUsed(1)?.written == 0)
                #expect(bench.sent().last == NetBench.header() + packet)
            }
        }
        let account = bench.account { $0.sent.packets == 24 }
        #expect(account.sent.packets == 24 && account.sent.dropped == 0 && account.spoofed == 0)
        #expect(account.sent.bytes == UInt64(4 * (0..<6).map { 60 + 200 * $0 }.reduce(0, +)))
        #expect(bench.signals.news.read { $0.used[1] ?? 0 } >= 1)
        #expect(bench.signals.news.read { $0.broken } == nil)
    }

    @Test("what comes is put into the driver's buffers", arguments: [false, true], [false, true])
    func receives(_ isPacked: Bool, _ eventIndex: Bool) throws {
        let bench = try NetBench(isPacked: isPacked, size: 8)
        try bench.start(features: Self.plain, eventIndex: eventIndex)
        for round in 0..<20 {
            let packet = NetBench.packet(60 + 60 * round, from: NetBench.peer, seed: UInt8(round))
            try bench.offer(NetBench.data, 1526)
            bench.network.fakes[0].put(NetBench.header() + packet)
            #expect(try bench.nextUsed(0)?.written == UInt32(12 + packet.count))
            // Without merging it is one buffer, always.
            #expect(
                try bench.memory.read(NetBench.data, count: 12 + packet.count) == NetBench.header(buffers: 1) + packet)
        }
        let account = bench.account { $0.received.packets == 20 }
        #expect(account.received.packets == 20 && account.received.dropped == 0)
        #expect(account.received.bytes == UInt64((0..<20).map { 60 + 60 * $0 }.reduce(0, +)))
        #expect(bench.signals.news.read { $0.used[0] ?? 0 } >= 1)
    }

    @Test("a large packet is spread over buffers, which come back together", arguments: [false, true])
    func mergesBuffers(_ isPacked: Bool) throws {
        let bench = try NetBench(isPacked: isPacked, size: 64)
        try bench.start(features: Self.all)
        for round: UInt64 in 0..<6 {
            let packet = NetBench.packet(40_000, from: NetBench.peer, seed: UInt8(round))
            for index: UInt64 in 0..<30 { try bench.offer(NetBench.data + index * 0x1000, 1526) }
            bench.network.fakes[0].put(NetBench.header(flags: 1, segmentation: 1) + packet)
            let count = (12 + packet.count + 1525) / 1526
            var whole: [UInt8] = []
            for index in 0..<count {
                let used = try #require(try bench.nextUsed(0))
                whole += try bench.memory.read(NetBench.data + UInt64(index) * 0x1000, count: Int(used.written))
                // All of them are there as soon as the first is.
                if index > 0 { continue }
                var copy = bench.drivers[0]
                for _ in 1..<count { #expect(try copy.used() != nil) }
                #expect(try copy.used() == nil)
            }
            #expect(whole == NetBench.header(flags: 1, segmentation: 1, buffers: UInt8(count)) + packet)
            // What was not needed serves the next ones: as small as a buffer.
            for index in UInt64(count)..<30 {
                bench.network.fakes[0].put(NetBench.header() + NetBench.packet(64, from: NetBench.peer))
                #expect(try bench.nextUsed(0)?.written == 76)
                #expect(try bench.memory.load(NetBench.data + index * 0x1000 + 10, as: UInt16.self) == 1)
            }
        }
    }

    @Test("a packet waits for buffers, in parts too, and none is lost", arguments: [false, true], [false, true])
    func waitsForBuffers(_ isPacked: Bool, _ eventIndex: Bool) throws {
        let bench = try NetBench(isPacked: isPacked)
        try bench.start(features: Self.all, eventIndex: eventIndex)
        let packet = NetBench.packet(4000, from: NetBench.peer)
        bench.network.fakes[0].put(NetBench.header() + packet)
        for index: UInt64 in 0..<2 {
            try bench.offer(NetBench.data + index * 0x1000, 1526)
            usleep(20_000)
            #expect(try bench.drivers[0].used() == nil)
        }
        try bench.offer(NetBench.data + 0x2000, 1526)
        for count in [1526, 1526, 960] { #expect(try bench.nextUsed(0)?.written == UInt32(count)) }
        #expect(bench.account { $0.received.packets == 1 }.received.dropped == 0)
    }

    @Test("without merging a packet that has no room is dropped, and the next one is not")
    func tooSmallBuffer() throws {
        let bench = try NetBench()
        try bench.start(features: Self.plain)
        try bench.offer(NetBench.data, 100)
        bench.network.fakes[0].put(NetBench.header() + NetBench.packet(200))
        #expect(try bench.nextUsed(0)?.written == 0)
        try bench.offer(NetBench.data, 100)
        bench.network.fakes[0].put(NetBench.header() + NetBench.packet(88))
        #expect(try bench.nextUsed(0)?.written == 100)
        let account = bench.account { $0.received.packets == 1 }
        #expect(account.received.packets == 1 && account.received.dropped == 1)
    }

    @Test("another source address is dropped and counted, unless it is allowed", arguments: [false, true])
    func spoofing(_ isAllowed: Bool) throws {
        let bench = try NetBench(allowsSpoofing: isAllowed)
        try bench.start(features: Self.plain)
        try bench.send(NetBench.header() + NetBench.packet(64, from: [2, 0, 0, 0, 0, 2]))
        try bench.send(NetBench.header() + NetBench.packet(64), slot: 1)
        for _ in 0..<2 { #expect(try bench.nextUsed(1) != nil) }
        let account = bench.account { $0.sent.packets + $0.sent.dropped == 2 }
        #expect(account.spoofed == (isAllowed ? 0 : 1))
        #expect(account.sent.dropped == (isAllowed ? 0 : 1))
        #expect(bench.sent().count == (isAllowed ? 2 : 1))
    }

    @Test("packets of a size that no network has are dropped")
    func sizes() throws {
        let bench = try NetBench()
        try bench.start(features: Self.all)
        // No header, none behind it, less than an Ethernet header, more than the MTU without segmentation.
        let dropped: [[UInt8]] = [
            [], [1], Array(repeating: 0, count: 12), NetBench.header() + NetBench.packet(13),
            NetBench.header() + NetBench.packet(1523),
            NetBench.header(flags: 1, segmentation: 1) + NetBench.packet(65551),
        ]
        for packet in dropped {
            try bench.send(packet)
            #expect(try bench.nextUsed(1)?.written == 0)
        }
        for packet in [
            NetBench.header() + NetBench.packet(14), NetBench.header() + NetBench.packet(1522),
            NetBench.header(flags: 1, segmentation: 1) + NetBench.packet(65550),
        ] {
            try bench.send(packet)
            #expect(try bench.nextUsed(1)?.written == 0)
            #expect(bench.sent().last == packet)
        }
        let account = bench.account { $0.sent.packets == 3 }
        #expect(account.sent.dropped == UInt64(dropped.count) && account.sent.packets == 3)
    }

    /// Each of the device's bits withheld: the rest works, and what needs the bit is not there.
    @Test(
        "every feature withheld",
        arguments: [0, 1, 2, 3, 5, 7, 8, 11, 12, 15, 16, 17, 22, 54, 55, 56].map { UInt64(1) << UInt64($0) })
    func withheld(_ feature: UInt64) throws {
        let bench = try NetBench(pairs: 2, withheld: feature)
        let offered = NetFeature.offered([.checksum, .tcp4, .tcp6, .udp], pairs: 2) & ~feature
        #expect(bench.device.features == offered)
        try bench.start(features: offered)
        try bench.send(NetBench.header() + NetBench.packet(64))
        #expect(try bench.nextUsed(1) != nil)
        #expect(bench.sent().count == 1)
        // What the driver leaves to us.
        let hasChecksum = feature != NetFeature.checksum
        for (flags, segmentation, bit) in [
            (UInt8(1), UInt8(0), NetFeature.checksum), (1, 1, NetFeature.hostTSO4), (1, 4, NetFeature.hostTSO6),
            (1, 5, NetFeature.hostUSO),
        ] {
            let before = bench.sent().count
            try bench.send(
                NetBench.header(flags: flags, segmentation: segmentation)
                    + NetBench.packet(3000 * Int(segmentation) + 60))
            #expect(try bench.nextUsed(1) != nil)
            #expect((bench.sent().count > before) == (hasChecksum && feature != bit), "\(segmentation)")
        }
        // What we may leave to the driver.
        let settings = bench.network.settings.read { $0 }
        var wanted: NetworkOffloads = [.checksum, .tcp4, .tcp6, .udp]
        switch feature {
        case NetFeature.guestChecksum: wanted = []
        case NetFeature.guestTSO4: wanted.remove(.tcp4)
        case NetFeature.guestTSO6: wanted.remove(.tcp6)
        case NetFeature.guestUSO4, NetFeature.guestUSO6: wanted.remove(.udp)
        default: break
        }
        #expect(settings.receiveOffloads == wanted)
        #expect(settings.active == 1)
        try bench.offer(NetBench.data, 100)
        try bench.offer(NetBench.data + 0x1000, 100)
        bench.network.fakes[0].put(NetBench.header() + NetBench.packet(150, from: NetBench.peer))
        let merges = feature != NetFeature.mergeableBuffers
        #expect(try bench.nextUsed(0)?.written == (merges ? 100 : 0))
        // The control queue stands behind the pairs that the driver knows of.
        let pairs = feature == NetFeature.multiQueue
        let queue = pairs ? 2 : 4
        let answer = try bench.command([4, 0, 2, 0], queue: queue)
        #expect(answer == (feature == NetFeature.controlQueue ? nil : pairs ? 1 : 0))
        guard feature != NetFeature.controlQueue else { return }
        let mayChange = feature != NetFeature.controlGuestOffloads && feature != NetFeature.guestChecksum
        #expect(try bench.command([5, 0, 2, 0, 0, 0, 0, 0, 0, 0], queue: queue) == (mayChange ? 0 : 1))
    }

    @Test("the configuration is the interface's")
    func configuration() throws {
        let bench = try NetBench(pairs: 3)
        let device = bench.device
        #expect(device.queueSizes == [256, 256, 256, 256, 256, 256, 64])
        #expect((0..<6).map { UInt8(device.readConfiguration(offset: $0, count: 1)) } == NetBench.mac)
        #expect(device.readConfiguration(offset: 6, count: 2) == 1)
        #expect(device.readConfiguration(offset: 8, count: 2) == 3)
        #expect(device.readConfiguration(offset: 10, count: 2) == 1500)
        for offset in [12, 4095, Int.max - 8] { #expect(device.readConfiguration(offset: offset, count: 8) == 0) }
        let poor = try NetBench(offloads: [])
        #expect(poor.device.features & NetFeature.guestOffloads == 0)
        #expect(poor.device.features & (NetFeature.checksum | NetFeature.hostTSO4 | NetFeature.hostUSO) == 0)
    }

    @Test("pairs come into use and go out of it by the driver's command", arguments: [false, true])
    func pairs(_ isPacked: Bool) throws {
        let bench = try NetBench(pairs: 2, isPacked: isPacked)
        try bench.start(features: bench.device.features)
        // What comes through a queue that is not in use stays where it is.
        try bench.offer(NetBench.data, 1526, pair: 1)
        bench.network.fakes[1].put(NetBench.header() + NetBench.packet(64, from: NetBench.peer))
        try bench.send(NetBench.header() + NetBench.packet(64))
        #expect(try bench.nextUsed(1) != nil)
        #expect(try bench.drivers[2].used() == nil)
        #expect(try bench.command([4, 0, 2, 0], queue: 4) == 0)
        #expect(bench.network.settings.read { $0.active } == 2)
        #expect(try bench.nextUsed(2)?.written == 76)
        try bench.send(NetBench.header() + NetBench.packet(80), pair: 1)
        #expect(try bench.nextUsed(3) != nil)
        #expect(bench.sent(1) == [NetBench.header() + NetBench.packet(80)])
        for wrong: [UInt8] in [
            [4, 0, 0, 0], [4, 0, 3, 0], [4, 0, 1, 0x80], [4, 0, 1], [4, 1, 1, 0], [9, 9], [5, 0],
        ] {
            #expect(try bench.command(wrong, queue: 4) == 1)
        }
        #expect(bench.network.settings.read { $0.active } == 2)
        #expect(try bench.command([4, 0, 1, 0], queue: 4) == 0)
        #expect(bench.network.settings.read { $0.active } == 1)
        bench.network.settings.withLock { $0.failure = Errno(22) }
        #expect(try bench.command([4, 0, 2, 0], queue: 4) == 1)
    }

    @Test("what packets may leave to the driver changes by its command")
    func guestOffloads() throws {
        let bench = try NetBench()
        try bench.start(features: Self.all & ~NetFeature.guestTSO6)
        func set(_ features: UInt64) throws -> UInt8? {
            let bytes = (0..<8).map { UInt8(truncatingIfNeeded: features >> (8 * UInt64($0))) }
            return try bench.command([5, 0] + bytes, queue: 2)
        }
        #expect(try set(NetFeature.guestChecksum | NetFeature.guestTSO4) == 0)
        #expect(bench.network.settings.read { $0.receiveOffloads } == [.checksum, .tcp4])
        // Not negotiated, or no such offload.
        #expect(try set(NetFeature.guestChecksum | NetFeature.guestTSO6) == 1)
        #expect(try set(NetFeature.hostTSO4) == 1)
        #expect(bench.network.settings.read { $0.receiveOffloads } == [.checksum, .tcp4])
        #expect(try set(0) == 0)
        #expect(bench.network.settings.read { $0.receiveOffloads } == [])
        // A packet from before is not given to the driver; flags that say nothing any more are taken away.
        bench.network.fakes[0].put(NetBench.header(flags: 1) + NetBench.packet(64))
        bench.network.fakes[0].put(NetBench.header(segmentation: 1) + NetBench.packet(64))
        bench.network.fakes[0].put(NetBench.header(flags: 2) + NetBench.packet(64))
        try bench.offer(NetBench.data, 1526)
        #expect(try bench.nextUsed(0)?.written == 76)
        #expect(try bench.memory.load(NetBench.data, as: UInt16.self) == 0)
        #expect(bench.account { $0.received.packets == 1 }.received.dropped == 2)
    }

    @Test("a rate limit holds packets back each way, and loses none")
    func rateLimit() throws {
        let bench = try NetBench(size: 64, limit: 50)
        try bench.start(features: Self.plain)
        let start = monotonicNanoseconds()
        for slot: UInt64 in 0..<12 {
            try bench.offer(NetBench.data + slot * 0x1000, 1526)
            bench.network.fakes[0].put(NetBench.header() + NetBench.packet(64, from: NetBench.peer))
        }
        for _ in 0..<12 { #expect(try bench.nextUsed(0)?.written == 76) }
        // 12 at 50 a second take 240 ms, less a burst of 100 ms and one.
        #expect(monotonicNanoseconds() - start >= 110_000_000)
        let next = monotonicNanoseconds()
        for slot: UInt64 in 0..<12 { try bench.send(NetBench.header() + NetBench.packet(64), slot: slot % 4 + 4) }
        for _ in 0..<12 { #expect(try bench.nextUsed(1) != nil) }
        #expect(monotonicNanoseconds() - next >= 110_000_000)
        #expect(bench.sent().count == 12)
    }
}
