import Synchronization
import Testing

@testable import VirtualDevices

/// Remembers what reached it.
private final class Register: BusDevice {
    let value = Mutex<UInt64>(0)
    func read(offset: UInt64, size: Int) -> UInt64 { value.withLock { $0 } + offset }
    func write(offset: UInt64, size: Int, value: UInt64) { self.value.withLock { $0 = value } }
    func reset() { value.withLock { $0 = 0 } }
}

/// A bus with the windows of a small machine.
private struct Bench {
    let ports = Bus(name: "ports")
    let mmio = Bus(name: "MMIO")
    let bridge: PCIHostBridge
    let reset = Register()

    init() throws {
        bridge = PCIHostBridge(
            windows: PCIWindows(
                low: 0xC000_0000..<0xC010_0000, high: 0x10_0000_0000..<0x20_0000_0000, ports: 0xC000..<0xC100),
            ports: ports, mmio: mmio)
        try ports.insert(PCIConfigurationPorts(bridge, resetControl: reset), at: 0xCF8, count: 8)
        try mmio.insert(PCIExpressConfiguration(bridge), at: 0xE000_0000, count: PCIHostBridge.ecamSize)
    }

    func ecam(_ slot: Int, _ offset: UInt64) -> UInt64 { 0xE000_0000 + UInt64(slot) << 15 + offset }
    func read(_ slot: Int, _ offset: UInt64, _ size: Int = 4) -> UInt64 {
        mmio.read(address: ecam(slot, offset), size: size)
    }
    func write(_ slot: Int, _ offset: UInt64, _ value: UInt64, _ size: Int = 4) {
        mmio.write(address: ecam(slot, offset), size: size, value: value)
    }
}

private let identity = PCIIdentity(vendor: 0x1AF4, device: 0x1044, revision: 1, baseClass: 0xFF, subclass: 0)

private func endpoint(_ bars: [Int: PCIBaseAddressRegister], _ devices: [Int: any BusDevice] = [:]) -> PCIEndpoint {
    var space = PCIConfigurationSpace(identity)
    for (index, bar) in bars.sorted(by: { $0.key < $1.key }) {
        let isAdded = space.add(bar, at: index)
        #expect(isAdded)
    }
    return PCIEndpoint(space, devices: devices)
}

@Suite struct PCIConfigurationTests {
    @Test func tellsWhatItIs() throws {
        let bench = try Bench()
        try bench.bridge.insert(endpoint([:]), at: 3)
        #expect(bench.read(3, 0) == 0x1044_1AF4)
        #expect(bench.read(3, 8) == 0xFF00_0001)
        #expect(bench.read(3, 0, 2) == 0x1AF4 && bench.read(3, 3, 1) == 0x10)
        #expect(bench.read(3, 0, 8) == UInt64(bench.read(3, 4)) << 32 | 0x1044_1AF4)
        // The same through the ports; a slot and a function without a device read as ones.
        bench.ports.write(address: 0xCF8, size: 4, value: 0x8000_1800)
        #expect(bench.ports.read(address: 0xCFC, size: 4) == 0x1044_1AF4)
        #expect(bench.ports.read(address: 0xCFE, size: 2) == 0x1044)
        for address: UInt64 in [0x8000_2000, 0x8000_1900, 0x8001_1800, 0x0000_1800] {
            bench.ports.write(address: 0xCF8, size: 4, value: address)
            #expect(bench.ports.read(address: 0xCFC, size: 4) == 0xFFFF_FFFF)
        }
        #expect(bench.read(4, 0) == 0xFFFF_FFFF)
        #expect(bench.read(0, 8) >> 16 == 0x0600)
    }

    @Test func theResetControlLiesAmongThePorts() throws {
        let bench = try Bench()
        bench.ports.write(address: 0xCF8, size: 4, value: 0x8000_0000)
        bench.ports.write(address: 0xCF9, size: 1, value: 6)
        #expect(bench.reset.value.withLock { $0 } == 6)
        #expect(bench.ports.read(address: 0xCF8, size: 4) == 0x8000_0000)
    }

    @Test func onlyTheGuestsBitsChange() throws {
        let bench = try Bench()
        try bench.bridge.insert(endpoint([:]), at: 1)
        bench.write(1, 0, 0x1234_5678)
        #expect(bench.read(1, 0) == 0x1044_1AF4)
        bench.write(1, 4, 0xFFFF_FFFF)
        #expect(bench.read(1, 4) == 0x0407)
        bench.write(1, 0x3C, 0xFFFF_FFFF)
        #expect(bench.read(1, 0x3C) == 0xFF)
    }

    @Test func capabilitiesAreAList() throws {
        var space = PCIConfigurationSpace(identity)
        let offsets = (
            space.addCapability(0x09, [0x10, 1, 2, 3], writableBody: [0, 0xF0, 0, 0]),
            space.addCapability(0x11, [UInt8](repeating: 0, count: 10)),
            space.addCapability(0x09, [UInt8](repeating: 0, count: 200))
        )
        let first = try #require(offsets.0)
        let second = try #require(offsets.1)
        #expect(space.read(offset: 0x34, size: 1) == UInt32(first) && space.read(offset: 6, size: 2) == 0x10)
        #expect(space.read(offset: first, size: 2) == UInt32(second) << 8 | 0x09)
        #expect(space.read(offset: second, size: 2) == 0x11)
        space.write(offset: first + 2, size: 4, value: 0xFFFF_FFFF)
        #expect(space.read(offset: first + 2, size: 4) == 0x0302_F110)
        #expect(offsets.2 == nil)
    }
}

@Suite struct PCIRangeTests {
    @Test func sizesAreFoundByWritingOnes() throws {
        let bench = try Bench()
        try bench.bridge.insert(
            endpoint([
                0: .init(.memory32, size: 0x1000), 2: .init(.memory64, size: 0x4_0000_0000, isPrefetchable: true),
                4: .init(.port, size: 32),
            ]), at: 1)
        let low = bench.read(1, 0x10)
        #expect(low & ~0xF == 0xC000_0000 && low & 0xF == 0)
        for offset: UInt64 in [0x10, 0x18, 0x1C, 0x20, 0x14] { bench.write(1, offset, 0xFFFF_FFFF) }
        #expect(bench.read(1, 0x10) == 0xFFFF_F000)
        #expect(bench.read(1, 0x18) == 0x0000_000C)
        #expect(bench.read(1, 0x1C) == 0xFFFF_FFFC)
        #expect(bench.read(1, 0x20) == 0xFFFF_FFE1)
        #expect(bench.read(1, 0x14) == 0)
    }

    @Test func unusableRegistersAreRefused() {
        var space = PCIConfigurationSpace(identity)
        let wishes: [(PCIBaseAddressRegister, Int, Bool)] = [
            (.init(.memory32, size: 0x1800), 0, false), (.init(.memory32, size: 8), 0, false),
            (.init(.port, size: 512), 0, false), (.init(.memory64, size: 0x1000), 5, false),
            (.init(.memory32, size: 0x1000), 6, false), (.init(.memory32, size: 0x1000), -1, false),
            (.init(.memory64, size: 0x1000), 0, true), (.init(.memory32, size: 0x1000), 1, false),
            (.init(.memory32, size: 0x1000), 0, false), (.init(.memory32, size: 0x1000), 2, true),
        ]
        for (bar, index, isTaken) in wishes {
            let result = space.add(bar, at: index)
            #expect(result == isTaken, "\(bar) at \(index)")
        }
    }

    @Test func rangesAnswerWhereTheGuestPutsThem() throws {
        let bench = try Bench()
        let register = Register()
        try bench.bridge.insert(endpoint([0: .init(.memory32, size: 0x1000)], [0: register]), at: 1)
        #expect(bench.mmio.read(address: 0xC000_0000, size: 4) == 0xFFFF_FFFF)
        bench.write(1, 4, 2, 2)
        bench.mmio.write(address: 0xC000_0010, size: 4, value: 7)
        #expect(bench.mmio.read(address: 0xC000_0004, size: 4) == 11)
        bench.write(1, 0x10, 0xC008_0000)
        #expect(bench.mmio.read(address: 0xC000_0004, size: 4) == 0xFFFF_FFFF)
        #expect(bench.mmio.read(address: 0xC008_0004, size: 4) == 11)
        // Over another device it does not answer, and the other does.
        bench.write(1, 0x10, 0xE000_0000)
        #expect(bench.read(1, 0) == 0x1044_1AF4)
        bench.write(1, 0x10, 0xC008_0000)
        #expect(bench.mmio.read(address: 0xC008_0004, size: 4) == 11)
        bench.write(1, 4, 0, 2)
        #expect(bench.mmio.read(address: 0xC008_0004, size: 4) == 0xFFFF_FFFF)
        // A reset takes everything back to where the allocator put it.
        bench.write(1, 4, 2, 2)
        bench.bridge.reset()
        #expect(bench.read(1, 0x10) == 0xC000_0000 && bench.read(1, 4, 2) == 0)
        #expect(bench.mmio.read(address: 0xC008_0004, size: 4) == 0xFFFF_FFFF)
    }

    @Test func windowsAreHandedOutAndTakenBack() throws {
        let bench = try Bench()
        let half = PCIBaseAddressRegister(.memory32, size: 0x8_0000)
        let slot = try bench.bridge.insert(endpoint([0: half]))
        #expect(slot == 1)
        try bench.bridge.insert(endpoint([0: half]))
        #expect(throws: PCIError.noRoom(slot: 3, bar: 1, size: 0x1000)) {
            try bench.bridge.insert(endpoint([0: .init(.port, size: 4), 1: .init(.memory32, size: 0x1000)]))
        }
        #expect(throws: PCIError.slotTaken(1)) { try bench.bridge.insert(endpoint([:]), at: 1) }
        #expect(throws: PCIError.noSuchSlot(0)) { try bench.bridge.insert(endpoint([:]), at: 0) }
        #expect(throws: PCIError.noSuchSlot(32)) { try bench.bridge.insert(endpoint([:]), at: 32) }
        let before = bench.bridge.windows
        #expect(
            bench.bridge.remove(at: 1) != nil && bench.bridge.remove(at: 1) == nil && bench.bridge.remove(at: 0) == nil)
        #expect(bench.bridge.windows != before)
        #expect(try bench.bridge.insert(endpoint([0: half])) == 1)
        #expect(bench.bridge.windows == before)
    }

    @Test func aRemovedFunctionIsGone() throws {
        let bench = try Bench()
        try bench.bridge.insert(endpoint([0: .init(.memory32, size: 0x1000)], [0: Register()]), at: 1)
        bench.write(1, 4, 2, 2)
        #expect(bench.mmio.read(address: 0xC000_0000, size: 4) == 0)
        bench.bridge.remove(at: 1)
        #expect(bench.mmio.read(address: 0xC000_0000, size: 4) == 0xFFFF_FFFF)
        #expect(bench.read(1, 0) == 0xFFFF_FFFF)
    }

    @Test func noGuestWriteTraps() throws {
        var random = SystemRandomNumberGenerator()
        let bench = try Bench()
        let msix = MSIX(vectors: 3) { _, _ in }
        let window = MSIXWindow(msix)
        var space = PCIConfigurationSpace(identity)
        _ = space.add(.init(.memory64, size: window.size), at: 0)
        let (body, writable) = msix.capability(bar: 0, table: 0, pending: window.pendingOffset)
        let added = space.addCapability(MSIX.capabilityID, body, writableBody: writable)
        let capability = try #require(added)
        try bench.bridge.insert(PCIEndpoint(space, msix: (msix, capability), devices: [0: window]))
        for _ in 0..<20_000 {
            let size = [1, 2, 4, 8].randomElement(using: &random) ?? 1
            let value = UInt64.random(in: 0...UInt64.max, using: &random)
            let address = 0xE000_0000 + UInt64.random(in: 0..<0x1_0000, using: &random)
            bench.mmio.write(address: address, size: size, value: value)
            _ = bench.mmio.read(address: address, size: size)
            let port = 0xCF8 + UInt64.random(in: 0..<8, using: &random)
            bench.ports.write(address: port, size: min(size, 4), value: value)
            _ = bench.ports.read(address: port, size: min(size, 4))
            let offset = UInt64.random(in: 0..<window.size, using: &random)
            window.write(offset: offset, size: size, value: value)
            _ = window.read(offset: offset, size: size)
            msix.trigger(Int.random(in: -1...3, using: &random))
        }
    }
}

@Suite struct MSIXTests {
    private final class Sent: Sendable {
        let messages = Mutex<[UInt64]>([])
        var all: [UInt64] { messages.withLock { $0 } }
    }

    private static func bench(_ vectors: Int) -> (Sent, MSIX, MSIXWindow) {
        let sent = Sent()
        let msix = MSIX(vectors: vectors) { address, data in
            sent.messages.withLock { $0.append(address << 32 | UInt64(data)) }
        }
        return (sent, msix, MSIXWindow(msix))
    }

    @Test func eventsFollowTheTable() {
        let sent = Sent()
        let events = RecordedEvents()
        let msix = MSIX(vectors: 2, events: events) { _, data in sent.messages.withLock { $0.append(UInt64(data)) } }
        let window = MSIXWindow(msix)
        window.write(offset: 0, size: 8, value: 0xFEE0_1000)
        window.write(offset: 8, size: 8, value: 0x41)
        #expect(events.messages.isEmpty)
        msix.setControl(0x8000)
        #expect(events.messages == [[0xFEE0_1000, 0x41]])
        // The event stands for the message: nothing is called.
        msix.trigger(0)
        #expect(sent.all.isEmpty)
        window.write(offset: 8, size: 4, value: 0x42)
        #expect(events.messages == [[0xFEE0_1000, 0x42]])
        // What was kept back is sent when it is let go.
        window.write(offset: 12, size: 4, value: 1)
        #expect(events.messages.isEmpty)
        msix.trigger(0)
        window.write(offset: 12, size: 4, value: 0)
        #expect(events.messages == [[0xFEE0_1000, 0x42]] && sent.all == [0x42])
        // A message that is refused goes by the call, and the old one ends.
        events.state.withLock { $0.refuses = true }
        window.write(offset: 8, size: 4, value: 0x43)
        #expect(events.messages.isEmpty)
        msix.trigger(0)
        #expect(sent.all == [0x42, 0x43])
        events.state.withLock { $0.refuses = false }
        window.write(offset: 8, size: 4, value: 0x44)
        msix.reset()
        #expect(events.messages.isEmpty)
    }

    @Test func masksHoldBackAndLetGo() {
        let (sent, msix, window) = Self.bench(2)
        window.write(offset: 16, size: 8, value: 0xFEE0_1003)
        window.write(offset: 24, size: 8, value: 0x41)
        #expect(window.read(offset: 16, size: 8) == 0xFEE0_1000 && window.read(offset: 24, size: 4) == 0x41)
        msix.trigger(1)
        #expect(sent.all.isEmpty && window.read(offset: UInt64(window.pendingOffset), size: 8) == 0)
        msix.setControl(0xC000)
        msix.trigger(1)
        #expect(sent.all.isEmpty && window.read(offset: UInt64(window.pendingOffset), size: 8) == 2)
        msix.setControl(0x8000)
        #expect(sent.all == [0xFEE0_1000 << 32 | 0x41])
        #expect(window.read(offset: UInt64(window.pendingOffset), size: 1) == 0)
        window.write(offset: 28, size: 4, value: 1)
        msix.trigger(1)
        msix.trigger(1)
        #expect(sent.all.count == 1)
        window.write(offset: 28, size: 4, value: 0)
        #expect(sent.all.count == 2)
        // Masked from the start.
        msix.trigger(0)
        #expect(sent.all.count == 2)
    }

    @Test func theStateIsOneValue() {
        let (_, first, window) = Self.bench(2)
        first.setControl(0x8000)
        window.write(offset: 0, size: 8, value: 0xFEE0_0000)
        first.trigger(0)
        let (sent, second, _) = Self.bench(2)
        second.snapshot = first.snapshot
        #expect(second.snapshot == first.snapshot && sent.all.isEmpty)
        // A state for another number of vectors is not taken.
        let (_, third, _) = Self.bench(3)
        third.snapshot = first.snapshot
        #expect(third.snapshot.entries.count == 3)
    }

    @Test(arguments: [(1, 0x2000), (64, 0x2000), (256, 0x2000), (257, 0x4000), (2048, 0x1_0000)])
    func windowsHaveRoom(_ vectors: Int, _ size: UInt64) {
        let (_, msix, window) = Self.bench(vectors)
        #expect(window.size == size)
        #expect(msix.tableSize == 16 * vectors && Int(window.pendingOffset) >= msix.tableSize)
        #expect(UInt64(window.pendingOffset) + UInt64(msix.pendingSize) <= window.size)
    }
}
