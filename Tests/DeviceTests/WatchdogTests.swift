import LinuxSystem
import Testing

@testable import VirtualDevices

@Suite struct WatchdogTests {
    private static let second: UInt64 = 1_000_000_000

    private func expires(_ registers: inout WatchdogRegisters, _ now: UInt64) -> Bool { registers.takeExpiry(now: now) }

    @Test func itExpiresUnlessItIsReloaded() {
        var registers = WatchdogRegisters()
        #expect(registers.read(.control, now: 0) == 0 && registers.read(.countdown, now: 0) == 60)
        registers.write(.countdown, 5, now: 0)
        #expect(!expires(&registers, .max), "it does not run")
        registers.write(.control, 1, now: 10 * Self.second)
        #expect(registers.read(.control, now: 10 * Self.second) == 1)
        #expect(registers.read(.countdown, now: 12 * Self.second) == 3)
        #expect(registers.read(.reload, now: 12 * Self.second) == 5)
        registers.write(.reload, 0, now: 14 * Self.second)
        #expect(!expires(&registers, 18 * Self.second))
        // Starting it once more is no reload.
        registers.write(.control, 1, now: 18 * Self.second)
        #expect(expires(&registers, 19 * Self.second))
        #expect(!expires(&registers, .max), "once")
        #expect(registers.read(.control, now: 0) == 0)
        registers.write(.reload, 1, now: 20 * Self.second)
        #expect(registers.deadline == nil, "a reload starts nothing")
        registers.write(.control, 1, now: 20 * Self.second)
        registers.write(.control, 0, now: 21 * Self.second)
        #expect(!expires(&registers, .max))
    }

    @Test func countsStayInTheirRange() {
        var registers = WatchdogRegisters()
        for (value, count) in [(UInt32(0), UInt32(1)), (1, 1), (3600, 3600), (3601, 3600), (.max, 3600)] {
            registers.write(.countdown, value, now: 0)
            #expect(registers.read(.countdown, now: 0) == count)
        }
        registers.write(.control, 1, now: .max)
        #expect(registers.read(.countdown, now: 0) <= .max)
    }

    @Test func pausedTimeDoesNotCount() {
        var registers = WatchdogRegisters()
        registers.write(.countdown, 5, now: 0)
        registers.write(.control, 1, now: 0)
        registers.suspend(now: 3 * Self.second)
        registers.suspend(now: 4 * Self.second)
        #expect(!expires(&registers, .max))
        #expect(registers.read(.countdown, now: 100 * Self.second) == 2)
        registers.resume(now: 100 * Self.second)
        #expect(!expires(&registers, 101 * Self.second))
        #expect(expires(&registers, 102 * Self.second))
        // A state is taken and set while nothing runs.
        registers.suspend(now: 0)
        registers.resume(now: 0)
        #expect(!expires(&registers, .max))
    }

    @Test func theTimerTellsOnce() throws {
        let expired = Monitor(0)
        let timer = WatchdogTimer(hasExpired: true, onExpiry: { expired.withLock { $0 += 1 } })
        #expect(timer.read(offset: 12, size: 4) == 1)
        timer.write(offset: 12, size: 4, value: 1)
        #expect(timer.read(offset: 12, size: 4) == 0)
        // What is no access of 32 bits to a register does nothing.
        for (offset, size) in [(UInt64(0), 1), (0, 8), (2, 4), (16, 4), (.max, 4)] {
            timer.write(offset: offset, size: size, value: .max)
            #expect(timer.read(offset: offset, size: size) == 0)
        }
        timer.write(offset: 4, size: 4, value: 1)
        timer.write(offset: 0, size: 4, value: 1)
        #expect(timer.read(offset: 0, size: 4) == 1)
        let start = monotonicNanoseconds()
        #expect(expired.wait(until: start + 20 * Self.second) { $0 == 1 ? () : nil } != nil)
        #expect(monotonicNanoseconds() - start > Self.second * 9 / 10)
        #expect(timer.read(offset: 0, size: 4) == 0)
        // A second time, with the same thread; the state of another timer goes on here.
        let other = WatchdogTimer(onExpiry: {})
        other.write(offset: 4, size: 4, value: 1)
        other.write(offset: 0, size: 4, value: 1)
        let saved = other.state
        #expect(saved == other.state || saved.left != nil)
        other.end()
        timer.state = saved
        #expect(expired.wait(until: monotonicNanoseconds() + 20 * Self.second) { $0 == 2 ? () : nil } != nil)
        timer.suspend()
        timer.write(offset: 0, size: 4, value: 1)
        #expect(timer.state.left == Self.second, "it stands still")
        timer.end()
    }

    /// The table by which Linux's wdat_wdt knows what to do: each entry names a register and what to do with it.
    @Test func theTableDescribesTheRegisters() throws {
        var configuration = ACPITables.Configuration(vpCount: 1, memoryEnd: 1 << 30)
        #expect(!ACPITables.build(configuration).contains { $0.bytes.starts(with: "WDAT".utf8) })
        configuration.hasWatchdog = true
        let tables = ACPITables.build(configuration)
        let (gpa, table) = try #require(tables.first { $0.bytes.starts(with: "WDAT".utf8) })
        func little(_ offset: Int, _ count: Int) -> UInt64 {
            table[offset..<offset + count].reversed().reduce(0) { $0 << 8 | UInt64($1) }
        }
        #expect(table.reduce(0, &+) == 0)
        let xsdt = try #require(tables.first { $0.bytes.starts(with: "XSDT".utf8) }).bytes
        #expect(xsdt.suffix(8).reversed().reduce(0) { $0 << 8 | UInt64($1) } == gpa)
        #expect(little(36, 4) == 32 && little(40, 2) == 0xFF)
        #expect(little(48, 4) == 1000 && little(52, 4) == 3600 && little(56, 4) == 1 && table[60] == 1)
        let count = Int(little(64, 4))
        #expect(table.count == 68 + 24 * count)
        var actions: [UInt8: [UInt64]] = [:]
        for entry in 0..<count {
            let place = 68 + 24 * entry
            // An I/O port of 32 bits, accessed whole.
            #expect(table[place + 4] == 1 && table[place + 5] == 32 && table[place + 6] == 0 && table[place + 7] == 3)
            actions[table[place]] = [
                UInt64(table[place + 1]), little(place + 8, 8) - UInt64(Platform.watchdogPort), little(place + 16, 4),
                little(place + 20, 4),
            ]
        }
        #expect(actions[1] == [2, 8, 1, 1], "reload")
        #expect(actions[4] == [1, 4, 0, 0xFFFF] && actions[6] == [3, 4, 0, 0xFFFF])
        #expect(actions[8] == [0, 0, 1, 1] && actions[9] == [2, 0, 1, 1])
        #expect(actions[10] == [0, 0, 0, 1] && actions[11] == [2, 0, 0, 1])
        #expect(actions[32] == [0, 12, 1, 1] && actions[33] == [2, 12, 1, 1])
    }
}
