import Testing

@testable import VirtualDevices

/// Answers with its tag and the offset; remembers writes and resets.
private final class Probe: BusDevice {
    let tag: UInt64
    let writes = Recorder<[UInt64]>()
    let resets = Recorder<Void>()
    init(_ tag: UInt64) { self.tag = tag }
    func read(offset: UInt64, size: Int) -> UInt64 { tag << 8 | offset }
    func write(offset: UInt64, size: Int, value: UInt64) { writes.append([offset, UInt64(size), value]) }
    func reset() { resets.append(()) }
}

@Suite struct BusTests {
    private let bus = Bus(name: "ports")

    @Test func findsTheDeviceAndItsOffset() throws {
        for index in UInt64(0)..<20 { try bus.insert(Probe(index), at: (19 - index) * 0x10, count: 8) }
        for index in UInt64(0)..<20 {
            #expect(bus.read(address: (19 - index) * 0x10 + 7, size: 8) == .max, "crosses the end")
            #expect(bus.read(address: (19 - index) * 0x10 + 7, size: 1) == 7)
            #expect(bus.read(address: (19 - index) * 0x10 + 6, size: 2) == index << 8 | 6)
            #expect(bus.read(address: (19 - index) * 0x10 + 8, size: 1) == 0xFF)
        }
    }

    @Test(arguments: [(1, 0xFF), (2, 0xFFFF), (4, 0xFFFF_FFFF), (8, UInt64.max), (0, 0), (-1, 0), (3, 0xFF_FFFF)])
    func absentReadsAllOnes(size: Int, value: UInt64) {
        #expect(bus.read(address: 0x123, size: size) == value)
    }

    @Test func cutsValuesToTheirSize() throws {
        let probe = Probe(0xABCD)
        try bus.insert(probe, at: 0x100, count: 4)
        #expect(bus.read(address: 0x101, size: 1) == 0x01)
        #expect(bus.read(address: 0x101, size: 2) == 0xCD01)
        bus.write(address: 0x100, size: 2, value: 0x1234_5678)
        bus.write(address: 0x102, size: 4, value: 1)
        #expect(probe.writes.all == [[0, 2, 0x5678]])
    }

    @Test func refusesWhatCannotStand() throws {
        try bus.insert(Probe(1), at: 0x100, count: 0x10)
        #expect(throws: BusError.emptyRange(bus: "ports", base: 5)) { try bus.insert(Probe(2), at: 5, count: 0) }
        #expect(throws: BusError.outsideAddressSpace(bus: "ports", base: 2, count: .max)) {
            try bus.insert(Probe(2), at: 2, count: .max)
        }
        for (base, count) in [(0x100, 1), (0x10F, 1), (0xFF, 2), (0x80, 0x1000)] as [(UInt64, UInt64)] {
            #expect(throws: BusError.overlap(bus: "ports", range: base...base + count - 1, existing: 0x100...0x10F)) {
                try bus.insert(Probe(2), at: base, count: count)
            }
        }
        try bus.insert(Probe(2), at: 0xFF, count: 1)
        try bus.insert(Probe(3), at: 0x110, count: 1)
        #expect(
            BusError.overlap(bus: "ports", range: 1...2, existing: 2...3).description
                == "ports: 0x1-0x2 overlaps the device at 0x2-0x3")
    }

    @Test func reachesTheTopOfTheAddressSpace() throws {
        try bus.insert(Probe(7), at: .max - 3, count: 4)
        #expect(bus.read(address: .max, size: 1) == 3)
        #expect(bus.read(address: .max - 3, size: 4) == 0x700)
        #expect(bus.read(address: .max, size: 2) == 0xFFFF)
    }

    @Test func removesByBase() throws {
        try bus.insert(Probe(7), at: 0x10, count: 4)
        #expect(bus.remove(at: 0x11) == nil)
        #expect(bus.remove(at: 0x10) != nil)
        #expect(bus.remove(at: 0x10) == nil)
        #expect(bus.read(address: 0x10, size: 1) == 0xFF)
    }

    @Test func resetsADeviceOnceHoweverOftenItStands() throws {
        let probe = Probe(1)
        try bus.insert(probe, at: 0x10, count: 1)
        try bus.insert(probe, at: 0x20, count: 1)
        bus.reset()
        #expect(probe.resets.all.count == 1)
    }
}
