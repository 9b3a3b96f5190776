import CLinux
import GuestMemory
import LinuxSystem
import NetworkBackends
import Synchronization
import Testing
import Vhost

@testable import Virtio

/// What is there without the kernel's vhost; with it Tests/Host's job linux-vhost shows the rest.
@Suite struct VhostTests {
    @Test func layoutsAreTheKernels() {
        #expect(MemoryLayout<vhost_vring_state>.size == 8 && MemoryLayout<vhost_vring_file>.size == 8)
        #expect(MemoryLayout<hv_vhost_addresses>.size == 40 && MemoryLayout<hv_vhost_region>.size == 32)
        #expect(MemoryLayout<hv_vhost_addresses>.offset(of: \.desc_user_addr) == 8)
        #expect(MemoryLayout<hv_vhost_addresses>.offset(of: \.used_user_addr) == 16)
        #expect(MemoryLayout<hv_vhost_addresses>.offset(of: \.avail_user_addr) == 24)
    }

    /// The kernel can't serve what is no tap: this process does, and says why.
    @Test func whatTheKernelRefusesIsServedHere() throws {
        let reports = Mutex<[String]>([])
        let isAllowed = Atomic(true)
        let memory = try GuestMemory(size: 8 << 20)
        let network = try FakeNetwork()
        let signals = NetBench.Signals()
        let device = NetDevice(
            network, mac: try #require(MACAddress(NetBench.mac)),
            kernel: NetKernelPath(tap: "none") { isAllowed.load(ordering: .relaxed) },
            report: { report in reports.withLock { $0.append(report) } })
        defer { device.stop() }
        #expect(device.commonFeatures & VirtioFeature.ringPacked == 0)
        let drivers = (0..<3).map { TestDriver(memory, size: 16, isPacked: false, base: UInt64($0) * 0x4_0000) }
        device.start(
            try drivers.map { try $0.device() }, features: VirtioFeature.version1, memory: memory, signals: signals)
        #expect(reports.withLock { $0.count } == 1 && reports.withLock { $0[0].contains("this process does") })
        let packet = NetBench.header() + NetBench.packet(64)
        try memory.write(NetBench.data, packet)
        func send(_ driver: inout TestDriver) throws {
            try driver.add(readable: [.init(gpa: NetBench.data, count: UInt32(packet.count))], writable: [])
            device.notify(queue: 1)
        }
        var driver = drivers[1]
        try send(&driver)
        #expect(network.fakes[0].state.wait { $0.sent.count == 1 ? true : nil })
        // Nothing changes where it is as it should be; else the queues go on where they were.
        isAllowed.store(false, ordering: .relaxed)
        device.reconsider()
        isAllowed.store(true, ordering: .relaxed)
        device.reconsider()
        #expect(reports.withLock { $0.count } == 2)
        try send(&driver)
        #expect(network.fakes[0].state.wait { $0.sent.count == 2 ? true : nil })
    }

    @Test func aQueueGoesOnWhereAnotherCameTo() throws {
        let memory = try GuestMemory(size: 8 << 20)
        var queue = try TestDriver(memory, size: 16, isPacked: false, base: 0).device()
        queue.goOn(at: 0xFFFE)
        #expect(queue.position == .split(SplitQueueState(at: 0xFFFE)))
        #expect(
            try SavedQueue.restore(
                [SavedQueue(queue)], features: VirtioFeature.version1, limits: [16], memory: memory)[0]?.position
                == queue.position)
    }

    /// virtio 1.2, 2.2.1 and 5.1.3.1.
    @Test func featuresGoWithThoseThatTheyNeed() {
        typealias Feature = NetFeature
        let all = NetFeature.offered([.checksum, .tcp4, .tcp6, .udp], pairs: 4) | VirtioFeature.common
        #expect(NetFeature.consistent(all) == all)
        #expect(
            NetFeature.consistent(all & ~Feature.controlQueue)
                == all & ~(Feature.controlQueue | Feature.multiQueue | Feature.controlGuestOffloads))
        #expect(
            NetFeature.consistent(all & ~Feature.checksum)
                == all & ~(Feature.checksum | Feature.hostTSO4 | Feature.hostTSO6 | Feature.hostUSO))
        #expect(
            all ^ NetFeature.consistent(all & ~Feature.guestChecksum)
                == Feature.guestChecksum | Feature.guestTSO4 | Feature.guestTSO6 | Feature.guestUSO4 | Feature.guestUSO6
        )
    }

    @Test func tapsAreCountedAsTheGuestSeesThem() {
        let path = NetKernelPath(tap: "no-such-tap") { true }
        let before = TapCounters(of: path)
        #expect(before.account(since: before) == NetAccount())
        var now = before
        now.received = .init(packets: 10, bytes: 1000, dropped: 1)
        now.sent = .init(packets: 4, bytes: 400, dropped: 2)
        now.spoofed.packets = 3
        now.spoofed.bytes = 300
        let account = now.account(since: before)
        #expect(account.sent == .init(packets: 7, bytes: 700, dropped: 4) && account.spoofed == 3)
        #expect(account.received == .init(packets: 4, bytes: 400, dropped: 2))
    }

    @Test func whoKeepsAddressesLearnsOfGrowth() throws {
        let memory = try GuestMemory(size: 8 << 20, growth: 2 * GrowthRegion.blockSize)
        let growth = try #require(memory.growth)
        let seen = Mutex<[Int]>([])
        let token = growth.observe { [memory] in
            let count = memory.populated.count
            seen.withLock { $0.append(count) }
        }
        growth.set(0..<1, isPlugged: true)
        growth.set(0..<1, isPlugged: false)
        growth.ignore(token)
        growth.set(1..<2, isPlugged: true)
        #expect(seen.withLock { $0 } == [2, 1])
    }
}
