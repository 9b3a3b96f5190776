import GuestMemory
import Synchronization
import Testing
import VirtualDevices

@testable import Virtio

/// A device behind a bus, driven as Linux does: by configuration space, registers and queues.
@Suite struct EntropyTests {
    private final class Interrupts: Sendable {
        let data = Mutex<[UInt32]>([])
        let reports = Mutex<[String]>([])
    }

    private struct Bench {
        let memory: GuestMemory
        let mmio = Bus(name: "MMIO")
        let interrupts = Interrupts()
        let base: UInt64
        let msixBase: UInt64
        let device: VirtioPCI

        init() throws {
            memory = try GuestMemory(size: 2 << 20)
            let bridge = PCIHostBridge(
                windows: PCIWindows(
                    low: 0xC000_0000..<0xD000_0000, high: 0x10_0000_0000..<0x11_0000_0000, ports: 0xC000..<0xD000),
                ports: Bus(name: "ports"), mmio: mmio)
            try mmio.insert(PCIExpressConfiguration(bridge), at: 0xE000_0000, count: PCIHostBridge.ecamSize)
            device = VirtioPCI(
                EntropyDevice(), classCode: (0xFF, 0), memory: memory,
                deliver: { [interrupts] _, data in interrupts.data.withLock { $0.append(data) } },
                report: { [interrupts] line in interrupts.reports.withLock { $0.append(line) } })
            try bridge.insert(device.function, at: 1)
            let ecam: UInt64 = 0xE000_8000
            mmio.write(address: ecam + 4, size: 2, value: 6)
            base = mmio.read(address: ecam + 0x10, size: 8) & ~0xF
            msixBase = mmio.read(address: ecam + 0x18, size: 8) & ~0xF
            // The MSI-X capability is the last of the list.
            var place = mmio.read(address: ecam + 0x34, size: 1)
            while mmio.read(address: ecam + place, size: 1) != 0x11 {
                place = mmio.read(address: ecam + place + 1, size: 1)
            }
            mmio.write(address: ecam + place + 2, size: 2, value: 0x8000)
            for vector: UInt64 in 0..<2 {
                mmio.write(address: msixBase + 16 * vector, size: 8, value: 0xFEE0_0000)
                mmio.write(address: msixBase + 16 * vector + 8, size: 8, value: 0x40 + vector)
            }
        }

        func get(_ offset: UInt64, _ size: Int) -> UInt64 { mmio.read(address: base + offset, size: size) }
        func set(_ offset: UInt64, _ size: Int, _ value: UInt64) {
            mmio.write(address: base + offset, size: size, value: value)
        }

        func start(_ driver: TestDriver, features: UInt64) {
            set(0x14, 1, 0)
            set(0x14, 1, 3)
            for half: UInt64 in 0..<2 {
                set(8, 4, half)
                set(0xC, 4, features >> (32 * half) & 0xFFFF_FFFF)
            }
            set(0x14, 1, 11)
            set(0x10, 2, 1)
            set(0x16, 2, 0)
            set(0x18, 2, UInt64(driver.size))
            set(0x1A, 2, 0)
            set(0x20, 8, TestDriver.descriptors)
            for (offset, address) in [
                (0x20, TestDriver.descriptors), (0x28, TestDriver.driverArea), (0x30, TestDriver.deviceArea),
            ] {
                set(UInt64(offset), 4, address)
                set(UInt64(offset) + 4, 4, 0)
            }
            set(0x1C, 2, 1)
            set(0x14, 1, 15)
        }
    }

    @Test(arguments: [false, true]) func fillsBuffers(_ isPacked: Bool) throws {
        let bench = try Bench()
        #expect(bench.get(0x12, 2) == 1 && bench.get(0x18, 2) == 64)
        var driver = TestDriver(bench.memory, size: 8, isPacked: isPacked)
        bench.start(driver, features: VirtioFeature.version1 | (isPacked ? VirtioFeature.ringPacked : 0))
        #expect(bench.get(0x14, 1) == 15)
        let id = try driver.add(
            readable: [], writable: [GuestSegment(gpa: 0x8_0000, count: 64), GuestSegment(gpa: 0x9_0000, count: 64)])
        bench.set(0x3000, 2, 0)
        let used = try #require(try driver.used())
        #expect(used.id == id && used.written == 128)
        let bytes = try bench.memory.read(0x8_0000, count: 64) + bench.memory.read(0x9_0000, count: 64)
        // 128 random bytes have some 100 different values; the same one everywhere has none of chance.
        #expect(Set(bytes).count > 20)
        #expect(bench.interrupts.data.withLock { $0 } == [0x40])
        #expect(bench.get(0x1000, 1) == 1 && bench.get(0x1000, 1) == 0)
        bench.set(0x14, 1, 0)
        #expect(bench.get(0x14, 1) == 0 && bench.get(0x1C, 2) == 0)
        bench.set(0x3000, 2, 0)
        #expect(bench.interrupts.data.withLock { $0.count } == 1)
    }

    @Test func agreesToNoStrangeFeatures() throws {
        let bench = try Bench()
        let driver = TestDriver(bench.memory, size: 8, isPacked: false)
        for features: UInt64 in [0, 1, VirtioFeature.version1 | 1, VirtioFeature.version1 | 1 << 63] {
            bench.start(driver, features: features)
            #expect(bench.get(0x14, 1) == 3, "features \(features)")
        }
        bench.start(driver, features: VirtioFeature.version1)
        #expect(bench.get(0x14, 1) == 15)
        // Fixed from there on.
        bench.set(8, 4, 0)
        bench.set(0xC, 4, 0xFFFF_FFFF)
        #expect(bench.device.state.driverFeatures == VirtioFeature.version1)
    }

    @Test func aDriverThatBreaksARuleHasToReset() throws {
        let bench = try Bench()
        var driver = TestDriver(bench.memory, size: 8, isPacked: false)
        bench.start(driver, features: VirtioFeature.version1)
        try driver.add(readable: [], writable: [GuestSegment(gpa: 1 << 40, count: 64)])
        bench.set(0x3000, 2, 0)
        #expect(bench.get(0x14, 1) == 15 | 64)
        #expect(bench.interrupts.data.withLock { $0 } == [0x41])
        #expect(bench.interrupts.reports.withLock { $0.first?.contains("not in guest memory") } == true)
        var next = TestDriver(bench.memory, size: 8, isPacked: true)
        try bench.memory.zero(0, count: 0x1_0000)
        bench.start(next, features: VirtioFeature.version1 | VirtioFeature.ringPacked)
        #expect(bench.get(0x14, 1) == 15)
        try next.add(readable: [], writable: [GuestSegment(gpa: 0x8_0000, count: 64)])
        bench.set(0x3000, 2, 0)
        #expect(try next.used()?.written == 64)
    }

    @Test func noAccessTraps() throws {
        let bench = try Bench()
        var random = SystemRandomNumberGenerator()
        for _ in 0..<50_000 {
            let size = [1, 2, 4, 8].randomElement(using: &random) ?? 1
            let page = UInt64.random(in: 0..<4, using: &random) << 12
            let offset = page + UInt64.random(in: 0..<80, using: &random)
            bench.set(
                offset, size,
                UInt64.random(in: 0...UInt64.max, using: &random) >> UInt64.random(in: 0...63, using: &random))
            _ = bench.get(offset, size)
        }
    }
}
