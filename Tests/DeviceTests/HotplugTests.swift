import Glibc
import LinuxSystem
import Synchronization
import Testing

@testable import VirtualDevices

/// The ACPI hotplug controller, the tables that go with it, and functions that come and go.
@Suite struct HotplugTests {
    private final class Target: PCIHotplugTarget {
        let slots = Recorder<Int>()
        func slotWasEjected(_ slot: Int) { slots.append(slot) }
    }

    private struct Bench {
        let line = RecordedLine()
        let events: EventDevice
        let controller: PCIHotplug
        let target = Target()

        init() {
            events = EventDevice(interrupt: line)
            controller = PCIHotplug(events: events)
            controller.connect(target)
        }
    }

    @Test func insertsAndRequestsAreTakenOnce() {
        let bench = Bench()
        bench.controller.announce(10)
        bench.controller.announce(31)
        bench.controller.requestEject(8)
        #expect(bench.line.history.filter { $0 }.count == 3)
        #expect(bench.events.read(offset: 0, size: 1) == 2, "the bit that _EVT looks at")
        #expect(bench.controller.read(offset: 0, size: 4) == 1 << 10 | 1 << 31)
        #expect(bench.controller.read(offset: 0, size: 4) == 0)
        #expect(bench.controller.read(offset: 4, size: 4) == 1 << 8)
        #expect(bench.controller.read(offset: 4, size: 4) == 0)
        #expect(bench.target.slots.all.isEmpty)
    }

    @Test func theGuestEjects() {
        let bench = Bench()
        bench.controller.requestEject(9)
        bench.controller.write(offset: 8, size: 4, value: 1 << 9)
        #expect(bench.target.slots.take() == [9])
        #expect(bench.controller.state == PCIHotplug.State(), "what it did it need not be told")
        // Asked for or not; the machine's own slots have no eject.
        bench.controller.write(offset: 8, size: 4, value: 0xFFFF_FFFF)
        #expect(bench.target.slots.take() == Array(8...31))
    }

    @Test func whatIsTakenBackIsNotTold() {
        let bench = Bench()
        bench.controller.requestEject(9)
        bench.controller.withdraw(9)
        #expect(bench.controller.read(offset: 4, size: 4) == 0)
    }

    /// Whatever a guest does to the registers, only 32-bit writes to the third have an effect.
    @Test func otherAccessesHaveNone() {
        let bench = Bench()
        bench.controller.announce(10)
        bench.controller.announce(-1)
        bench.controller.announce(1000)
        bench.controller.requestEject(Int.max)
        for size in [-1, 0, 1, 2, 3, 8, 100] {
            for offset in [0, 1, 4, 8, 9, 11, UInt64.max] {
                #expect(bench.controller.read(offset: offset, size: size) == 0)
                bench.controller.write(offset: offset, size: size, value: .max)
            }
        }
        for offset: UInt64 in [0, 4, 12, .max] { bench.controller.write(offset: offset, size: 4, value: .max) }
        #expect(bench.target.slots.all.isEmpty)
        #expect(bench.controller.state.inserted == 1 << 10 && bench.controller.state.ejecting == 0)
    }

    @Test func aGuestThatDidNotListenIsReminded() {
        let bench = Bench()
        bench.events.remind()
        bench.events.pressPowerButton()
        bench.events.remind()
        #expect(bench.line.history.filter { $0 }.count == 1, "a button is not pressed twice")
        bench.controller.announce(10)
        bench.events.remind()
        #expect(bench.line.history.filter { $0 }.count == 3)
        _ = bench.events.read(offset: 0, size: 1)
        bench.events.remind()
        #expect(bench.line.history.filter { $0 }.count == 3)
    }

    @Test func theStateIsOneValue() {
        let bench = Bench()
        bench.controller.announce(9)
        bench.controller.requestEject(8)
        let other = Bench()
        other.controller.state = bench.controller.state
        #expect(other.controller.read(offset: 0, size: 4) == 1 << 9)
        #expect(other.controller.read(offset: 4, size: 4) == 1 << 8)
        bench.controller.reset()
        #expect(bench.controller.state == PCIHotplug.State())
    }

    // MARK: AML

    @Test func doubleWordFields() {
        #expect(
            AMLTerm.field(of: "PHRG", .doubleWord, [("PHIN", 32)]).bytes
                == [0x5B, 0x81, 0x0B] + Array("PHRG".utf8) + [0x43] + Array("PHIN".utf8) + [0x20])
    }

    /// ACPICA's own disassembler and compiler read the table as what it is meant to be.
    @Test(.enabled(if: access("/usr/bin/iasl", X_OK) == 0, "needs acpica-tools"), .timeLimit(.minutes(2)))
    func acpicaReadsTheTable() throws {
        var template = Array("/tmp/hvroot-aml-XXXXXX".utf8CString)
        let made = template.withUnsafeMutableBufferPointer { buffer in
            buffer.baseAddress.flatMap { mkdtemp($0) }.map { String(cString: $0) }
        }
        let directory = try #require(made)
        defer {
            for name in ["dsdt.aml", "dsdt.dsl", "again.aml", "log"] { unlink("\(directory)/\(name)") }
            rmdir(directory)
        }
        let tables = ACPITables.build(.init(vpCount: 2, memoryEnd: 1 << 30))
        let dsdt = try #require(tables.first { $0.bytes.starts(with: "DSDT".utf8) }).bytes
        try WholeFile.replace(directory: directory, name: "dsdt.aml", with: dsdt, durable: false)
        func iasl(_ arguments: [String]) throws {
            let log = try FileDescriptor(opening: "\(directory)/log", O_WRONLY | O_CREAT | O_TRUNC)
            let process = try ProcessSpawn.start(
                "/usr/bin/iasl", arguments: arguments, environment: [], descriptors: [log.raw, log.raw, log.raw])
            var status: Int32 = 0
            waitpid(process, &status, 0)
            let text = String(decoding: try WholeFile.read("\(directory)/log", limit: 1 << 20), as: UTF8.self)
            #expect(status == 0, "\(arguments): \(text)")
        }
        try iasl(["-d", "\(directory)/dsdt.aml"])
        try iasl(["-p", "\(directory)/again.aml", "\(directory)/dsdt.dsl"])
        let source = String(decoding: try WholeFile.read("\(directory)/dsdt.dsl", limit: 1 << 20), as: UTF8.self)
        let words = source.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        for text in [
            "Device (S08)", "Device (S1F)", "Name (_SUN, 0x1F)", "Name (_ADR, 0x001F0000)", "PHEJ = 0x80000000",
            "Notify (S1F, 0x03)", "Notify (S08, One)", #"\_SB.PCI0.PHPN ()"#,
            "OperationRegion (PHRG, SystemIO, 0x0610, 0x0C)", "Field (PHRG, DWordAcc, NoLock, WriteAsZeros)",
        ] {
            #expect(words.contains(text), "\(text)")
        }
    }

    // MARK: The bus

    private final class Register: BusDevice {
        let places = Recorder<UInt64?>()
        func read(offset: UInt64, size: Int) -> UInt64 { 0x5A }
        func write(offset: UInt64, size: Int, value: UInt64) {}
        func reset() {}
        func placed(at base: UInt64?) { places.append(base) }
    }

    private func endpoint(_ register: Register) -> PCIEndpoint {
        var space = PCIConfigurationSpace(PCIIdentity(vendor: 0x1AF4, device: 0x1042, baseClass: 1, subclass: 0x80))
        _ = space.add(.init(.memory64, size: 0x4000), at: 0)
        return PCIEndpoint(space, devices: [0: register])
    }

    private func makeBus() throws -> (bridge: PCIHostBridge, mmio: Bus) {
        let mmio = Bus(name: "MMIO")
        let bridge = PCIHostBridge(
            windows: PCIWindows(low: 0xC000_0000..<0xC010_0000, high: 1 << 36..<1 << 37, ports: 0xC000..<0xC100),
            ports: Bus(name: "ports"), mmio: mmio)
        try mmio.insert(PCIExpressConfiguration(bridge), at: 0xE000_0000, count: PCIHostBridge.ecamSize)
        return (bridge, mmio)
    }

    @Test func aFunctionGoesWithAllThatItHad() throws {
        let (bridge, mmio) = try makeBus()
        let free = bridge.windows
        for _ in 0..<100 {
            let register = Register()
            let slot = try bridge.insert(endpoint(register))
            let place = 0xE000_0000 + UInt64(slot) << 15
            mmio.write(address: place + 4, size: 2, value: 2)
            let base = mmio.read(address: place + 0x10, size: 8) & ~0xF
            #expect(mmio.read(address: base, size: 4) == 0x5A)
            bridge.remove(at: slot)
            #expect(mmio.read(address: place, size: 4) == 0xFFFF_FFFF)
            #expect(mmio.read(address: base, size: 4) == 0xFFFF_FFFF)
            #expect(register.places.all == [base, nil])
            #expect(bridge.windows == free)
        }
    }

    private final class Ending: Sendable {
        let isOver = Atomic(false)
    }

    /// Processors use the function while it comes and goes.
    @Test(.timeLimit(.minutes(2))) func aHostileGuestTouchesWhatGoes() throws {
        let (bridge, mmio) = try makeBus()
        let free = bridge.windows
        let ending = Ending()
        do {
            let threads = try (0..<3).map { seed in
                try SystemThread(name: "guest \(seed)") {
                    var random = SeededGenerator(state: UInt64(seed))
                    while !ending.isOver.load(ordering: .relaxed) {
                        let place = 0xE000_0000 + 1 << 15 + UInt64.random(in: 0..<0x80, using: &random)
                        let size = [1, 2, 4, 8].randomElement(using: &random) ?? 1
                        mmio.write(address: place, size: size, value: random.next())
                        _ = mmio.read(address: place, size: size)
                        _ = mmio.read(address: 1 << 36, size: 4)
                    }
                }
            }
            for _ in 0..<2000 {
                let slot = try bridge.insert(endpoint(Register()))
                mmio.write(address: 0xE000_8004, size: 2, value: 2)
                bridge.remove(at: slot)
            }
            ending.isOver.store(true, ordering: .relaxed)
            for thread in threads { thread.join() }
        }
        #expect(bridge.windows == free)
        #expect(mmio.read(address: 1 << 36, size: 4) == 0xFFFF_FFFF, "nothing is left on the bus")
    }
}
