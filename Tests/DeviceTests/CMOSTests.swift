import Testing

@testable import VirtualDevices

@Suite struct CMOSTests {
    // 2026-11-23T14:05:09Z, a Monday.
    private let clock = ManualClock(seconds: 1_795_442_709)
    private let device: CMOSClock

    init() {
        let clock = clock
        device = CMOSClock(memorySize: 256 << 20) { clock.nanoseconds }
    }

    private func read(_ index: UInt8) -> UInt8 {
        device.write(offset: 0, size: 1, value: UInt64(index))
        return UInt8(truncatingIfNeeded: device.read(offset: 1, size: 1))
    }

    private func write(_ index: UInt8, _ value: UInt8) {
        device.write(offset: 0, size: 1, value: UInt64(index))
        device.write(offset: 1, size: 1, value: UInt64(value))
    }

    /// Century, year, month, day, weekday, hours, minutes, seconds.
    private var time: [UInt8] { [0x32, 9, 8, 7, 6, 4, 2, 0].map(read) }

    @Test func showsTheTimeInEachFormat() {
        #expect(time == [0x20, 0x26, 0x11, 0x23, 0x02, 0x14, 0x05, 0x09])
        write(0x0B, 0x06)
        #expect(time == [20, 26, 11, 23, 2, 14, 5, 9])
        write(0x0B, 0x04)
        #expect(read(4) == 0x82)
        write(0x0B, 0x00)
        #expect(read(4) == 0x82)
        clock.advance(seconds: 7 * 3600)
        #expect(read(4) == 0x89)
        clock.advance(seconds: 3 * 3600)
        #expect(read(4) == 0x12)
        clock.advance(seconds: 12 * 3600)
        #expect(read(4) == 0x92)
    }

    @Test func runsOn() {
        clock.advance(seconds: 51)
        #expect(read(0) == 0x00)
        #expect(read(2) == 0x06)
    }

    @Test func announcesUpdatesForALimitedTime() {
        #expect(read(0x0A) == 0x26)
        clock.nanoseconds += 999_755_999
        #expect(read(0x0A) == 0x26)
        clock.nanoseconds += 1
        #expect(read(0x0A) == 0xA6)
        write(0x0B, 0x82)
        #expect(read(0x0A) == 0x26, "no updates while SET")
        write(0x0B, 0x02)
        clock.nanoseconds += 244_000
        #expect(read(0x0A) == 0x26)
    }

    @Test func statusRegisters() {
        #expect(read(0x0B) == 0x02)
        #expect(read(0x0C) == 0x10)
        #expect(read(0x0C) == 0x00)
        clock.advance(seconds: 1)
        #expect(read(0x0C) == 0x10)
        #expect(read(0x0D) == 0x80)
        write(0x0D, 0)
        write(0x0C, 0xFF)
        #expect(read(0x0C) == 0)
        #expect(read(0x0D) == 0x80)
        write(0x0A, 0xFF)
        #expect(read(0x0A) == 0x7F)
    }

    @Test func isSetAsLinuxSetsIt() {
        write(0x0B, 0x82)
        write(0x0A, 0x76)
        for (index, value) in [(9, 0x30), (8, 0x02), (7, 0x28), (4, 0x23), (2, 0x59), (0, 0x58), (0x32, 0x20)]
            as [(UInt8, UInt8)]
        {
            write(index, value)
        }
        clock.advance(seconds: 10)
        #expect(read(0) == 0x58, "stopped while SET")
        write(0x0A, 0x26)
        write(0x0B, 0x02)
        #expect(time == [0x20, 0x30, 0x02, 0x28, 0x05, 0x23, 0x59, 0x58])
        clock.advance(seconds: 2)
        #expect(time == [0x20, 0x30, 0x03, 0x01, 0x06, 0x00, 0x00, 0x00])
        device.reset()
        #expect(read(9) == 0x30, "the battery keeps it")
    }

    @Test func setsSingleFields() {
        write(2, 0x30)
        #expect(time == [0x20, 0x26, 0x11, 0x23, 0x02, 0x14, 0x30, 0x09])
        write(8, 0x00)
        #expect(read(8) == 0x01)
        write(0, 0xFF)
        #expect(read(0) == 0x59)
        write(0x0B, 0x00)
        write(4, 0x91)
        write(0x0B, 0x02)
        #expect(read(4) == 0x23)
        write(6, 0x07)
        #expect(read(6) == 0x06, "the weekday follows the date: 23 January 2026 is a Friday")
    }

    private static let memorySizes: [(UInt64, Int, Int, Int)] = [
        (0x10_0000, 0, 0, 0),
        (0x100_0000, 0x3C00, 0, 0),
        (0x400_0000, 0xFC00, 0x300, 0),
        (0x1000_0000, 0xFFFF, 0xF00, 0),
        (0xC000_0000, 0xFFFF, 0xBF00, 0),
        (0x1_0000_0000, 0xFFFF, 0xBF00, 0x4000),
        (.max, 0xFFFF, 0xBF00, 0xFF_FFFF),
    ]

    @Test(arguments: memorySizes)
    func tellsTheMemorySize(size: UInt64, extended: Int, above16: Int, high: Int) {
        let device = CMOSClock(memorySize: size) { 0 }
        func bytes(_ indices: [UInt8]) -> Int {
            indices.reversed().reduce(0) { value, index in
                device.write(offset: 0, size: 1, value: UInt64(index))
                return value << 8 | Int(device.read(offset: 1, size: 1))
            }
        }
        #expect(bytes([0x15, 0x16]) == 640)
        #expect(bytes([0x17, 0x18]) == extended)
        #expect(bytes([0x30, 0x31]) == extended)
        #expect(bytes([0x34, 0x35]) == above16)
        #expect(bytes([0x5B, 0x5C, 0x5D]) == high)
    }

    @Test func keepsBytesAndMasksTheIndex() {
        write(0x0F, 0x0A)
        #expect(read(0x8F) == 0x0A, "bit 7 is the NMI mask")
        write(0x7F, 0x55)
        #expect(read(0x7F) == 0x55)
        #expect(device.read(offset: 0, size: 1) == 0xFF)
        let saved = device.state
        write(0x7F, 0)
        device.state = saved
        #expect(read(0x7F) == 0x55)
        device.reset()
        #expect(read(0x7F) == 0x55)
    }

    @Test func bearsAnyHostClock() {
        clock.nanoseconds = .max
        #expect(time.prefix(2) == [0x25, 0x54])
        write(0x32, 0x99)
        write(9, 0x99)
        clock.nanoseconds = 0
        #expect(read(0x32) <= 0x99)
        write(0x32, 0x00)
        #expect(time.prefix(4) == [0x19, 0x70, 0x01, 0x01], "no time before 1970")
    }
}
