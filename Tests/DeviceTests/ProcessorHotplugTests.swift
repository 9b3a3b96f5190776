import Testing

@testable import VirtualDevices

/// The controller by which processors come and go, register by register.
@Suite struct ProcessorHotplugTests {
    private struct Bench {
        let line = RecordedLine()
        let events: EventDevice
        let ejected = Recorder<Int>()
        let controller: ProcessorHotplug

        init(present: Int = 2, maximum: Int = 40) {
            events = EventDevice(interrupt: line)
            controller = ProcessorHotplug(
                present: present, maximum: maximum, events: events, onEject: { [ejected] in ejected.append($0) })
        }

        func read(_ bank: ProcessorHotplug.Bank, word: UInt64 = 0) -> UInt64 {
            controller.read(offset: bank.rawValue * 32 + word * 4, size: 4)
        }
        func eject(_ bits: UInt64, word: UInt64 = 0) {
            controller.write(offset: ProcessorHotplug.Bank.eject.rawValue * 32 + word * 4, size: 4, value: bits)
        }
    }

    @Test func processorsCome() {
        let bench = Bench()
        #expect(bench.read(.present) == 0b11 && bench.controller.count == 2)
        bench.controller.insert(2)
        bench.controller.insert(39)
        // There already, the first one, and none that it can have.
        for index in [1, 0, 40, 253, 254, -1] { bench.controller.insert(index) }
        #expect(bench.controller.count == 4)
        #expect(bench.line.history.filter { $0 }.count == 2)
        #expect(bench.events.read(offset: 0, size: 1) == 4, "the bit that _EVT looks at")
        #expect(bench.read(.present) == 0b111 && bench.read(.present, word: 1) == 1 << 7)
        #expect(bench.read(.inserted) == 0b100 && bench.read(.inserted) == 0)
        #expect(bench.read(.inserted, word: 1) == 1 << 7 && bench.read(.inserted, word: 1) == 0)
    }

    @Test func theGuestGivesBack() {
        let bench = Bench(present: 40)
        bench.controller.requestEject(39)
        bench.controller.requestEject(0)
        #expect(bench.read(.ejecting, word: 1) == 1 << 7 && bench.read(.ejecting, word: 1) == 0)
        #expect(bench.read(.ejecting) == 0 && bench.controller.count == 40, "there until the guest says so")
        bench.eject(1 << 7, word: 1)
        #expect(bench.ejected.take() == [39] && bench.controller.count == 39)
        bench.eject(1 << 7, word: 1)
        #expect(bench.ejected.all.isEmpty, "once")
        // All at once, asked for or not: the first one stays.
        bench.eject(0xFFFF_FFFF)
        #expect(bench.ejected.take() == Array(1...31))
        #expect(bench.read(.present) == 1)
    }

    @Test func aRequestIsTakenBack() {
        let bench = Bench()
        bench.controller.requestEject(1)
        bench.controller.insert(1)
        #expect(bench.read(.ejecting) == 0 && bench.read(.inserted) == 0 && bench.controller.isPresent(1))
    }

    /// Whatever a guest does to the registers, only 32-bit writes to the last bank have an effect.
    @Test func otherAccesses() {
        let bench = Bench(present: 4)
        bench.controller.insert(4)
        let before = bench.controller.state
        for size in [1, 2, 4, 8] {
            for offset in UInt64(0)..<136 where size != 4 || offset < 96 || offset % 4 != 0 || offset >= 128 {
                bench.controller.write(offset: offset, size: size, value: .max)
                if size != 4 || offset % 4 != 0 { #expect(bench.controller.read(offset: offset, size: size) == 0) }
            }
        }
        #expect(bench.controller.read(offset: .max, size: 4) == 0)
        bench.controller.write(offset: .max & ~3, size: 4, value: .max)
        #expect(bench.controller.state == before && bench.ejected.all.isEmpty)
    }

    @Test func stateIsSavedAndLoaded() {
        let bench = Bench()
        bench.controller.insert(7)
        bench.controller.requestEject(1)
        let other = Bench()
        other.controller.state = bench.controller.state
        #expect(other.read(.present) == 0b1000_0011 && other.read(.inserted) == 1 << 7 && other.read(.ejecting) == 2)
    }
}
