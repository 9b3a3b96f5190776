/// The registers and memory of an MC146818 clock: no lock, no bus, no clock of its own. It raises no interrupts.
package struct CMOSRegisters: Equatable, Sendable {
    private enum Index {
        static let seconds: UInt8 = 0x00
        static let minutes: UInt8 = 0x02
        static let hours: UInt8 = 0x04
        static let weekday: UInt8 = 0x06
        static let day: UInt8 = 0x07
        static let month: UInt8 = 0x08
        static let year: UInt8 = 0x09
        static let statusA: UInt8 = 0x0A
        static let statusB: UInt8 = 0x0B
        static let statusC: UInt8 = 0x0C
        static let statusD: UInt8 = 0x0D
        static let century: UInt8 = 0x32
    }

    private enum StatusA {
        static let updateInProgress: UInt8 = 0x80
        /// 32,768 Hz time base and 1,024 Hz periodic rate.
        static let usual: UInt8 = 0x26
    }

    private enum StatusB {
        static let hours24: UInt8 = 0x02
        static let binary: UInt8 = 0x04
        static let interruptsAndSquareWave: UInt8 = 0x78
        static let set: UInt8 = 0x80
    }

    private static let updateEnded: UInt8 = 0x10
    private static let validRAM: UInt8 = 0x80
    /// The time the data sheet promises between "no update in progress" and the update.
    private static let updateWarning: UInt64 = 244_000
    private static let second: UInt64 = 1_000_000_000

    private var index: UInt8 = 0
    /// What is no time and no computed status; always 128 bytes.
    private var memory: [UInt8]
    /// The guest's clock minus the host's, in seconds.
    private var offset: Int64 = 0
    /// The time as the guest sees and sets it while SET stops the clock.
    private var held: CalendarTime?
    /// The second in which status C was read last.
    private var acknowledgedSecond: Int64 = 0

    /// - Parameter memorySize: the guest's memory in bytes, for the bytes in which firmware would leave it.
    package init(memorySize: UInt64) {
        memory = [UInt8](repeating: 0, count: 128)
        memory[Int(Index.statusA)] = StatusA.usual
        memory[Int(Index.statusB)] = StatusB.hours24
        setMemorySize(memorySize)
    }

    /// The battery keeps the time and the memory.
    mutating func reset() {
        index = 0
        memory[Int(Index.statusB)] &= ~StatusB.interruptsAndSquareWave
    }

    mutating func select(_ value: UInt8) { index = value & 0x7F }

    /// Reads the selected byte. `now` is nanoseconds since 1970.
    mutating func read(now: UInt64) -> UInt8 {
        let seconds = guestSeconds(now)
        switch index {
        case Index.statusA:
            let isUpdating = held == nil && now % Self.second >= Self.second - Self.updateWarning
            return memory[Int(index)] | (isUpdating ? StatusA.updateInProgress : 0)
        case Index.statusC:
            defer { acknowledgedSecond = seconds }
            return held == nil && seconds != acknowledgedSecond ? Self.updateEnded : 0
        case Index.statusD: return Self.validRAM
        default:
            return timeByte(held ?? CalendarTime(secondsSince1970: seconds)) ?? memory[Int(index)]
        }
    }

    /// Writes the selected byte. `now` is nanoseconds since 1970.
    mutating func write(_ value: UInt8, now: UInt64) {
        switch index {
        case Index.statusA: memory[Int(index)] = value & ~StatusA.updateInProgress
        case Index.statusB:
            memory[Int(index)] = value
            if value & StatusB.set != 0 {
                held = held ?? CalendarTime(secondsSince1970: guestSeconds(now))
            } else if let time = held {
                held = nil
                setClock(time, now)
            }
        case Index.statusC, Index.statusD, Index.weekday: break  // Read-only, and the weekday follows the date.
        default:
            var time = held ?? CalendarTime(secondsSince1970: guestSeconds(now))
            guard setField(&time, value) else {
                memory[Int(index)] = value
                return
            }
            if held != nil { held = time } else { setClock(time, now) }
        }
    }

    private func guestSeconds(_ now: UInt64) -> Int64 { Int64(now / Self.second) &+ offset }

    private mutating func setClock(_ time: CalendarTime, _ now: UInt64) {
        offset = time.secondsSince1970 &- Int64(now / Self.second)
    }

    private func timeByte(_ time: CalendarTime) -> UInt8? {
        switch index {
        case Index.seconds: encode(time.second)
        case Index.minutes: encode(time.minute)
        case Index.hours: encodeHour(time.hour)
        case Index.weekday: encode(time.weekday)
        case Index.day: encode(time.day)
        case Index.month: encode(time.month)
        case Index.year: encode(time.year % 100)
        case Index.century: encode(time.year / 100)
        default: nil
        }
    }

    /// False where the selected byte is no part of the time. A value no clock can show becomes the nearest it can.
    private func setField(_ time: inout CalendarTime, _ value: UInt8) -> Bool {
        switch index {
        case Index.seconds: time.second = min(decode(value), 59)
        case Index.minutes: time.minute = min(decode(value), 59)
        case Index.hours: time.hour = decodeHour(value)
        case Index.day: time.day = min(max(decode(value), 1), 31)
        case Index.month: time.month = min(max(decode(value), 1), 12)
        case Index.year: time.year = time.year / 100 * 100 + min(decode(value), 99)
        case Index.century: time.year = min(decode(value), 99) * 100 + time.year % 100
        default: return false
        }
        return true
    }

    private var isBinary: Bool { memory[Int(Index.statusB)] & StatusB.binary != 0 }
    private var is24Hours: Bool { memory[Int(Index.statusB)] & StatusB.hours24 != 0 }

    private func encode(_ value: Int) -> UInt8 {
        let value = UInt8(truncatingIfNeeded: value)
        return isBinary ? value : (value / 10 % 10) << 4 | value % 10
    }

    private func decode(_ value: UInt8) -> Int {
        isBinary ? Int(value) : Int(value >> 4) * 10 + Int(value & 0x0F)
    }

    private func encodeHour(_ hour: Int) -> UInt8 {
        if is24Hours { return encode(hour) }
        let twelve = hour % 12 == 0 ? 12 : hour % 12
        return encode(twelve) | (hour >= 12 ? 0x80 : 0)
    }

    private func decodeHour(_ value: UInt8) -> Int {
        if is24Hours { return min(decode(value), 23) }
        return min(decode(value & 0x7F) % 12 + (value & 0x80 != 0 ? 12 : 0), 23)
    }

    /// Sizes as PC firmware leaves them, each as much as fits its bytes.
    private mutating func setMemorySize(_ size: UInt64) {
        let low = min(size, Platform.mmioGapStart)
        func above(_ start: UInt64, unit: UInt64, limit: UInt64) -> UInt64 {
            low > start ? min((low - start) / unit, limit) : 0
        }
        func store(_ value: UInt64, at first: Int, bytes: Int) {
            for byte in 0..<bytes { memory[first + byte] = UInt8(truncatingIfNeeded: value >> (8 * UInt64(byte))) }
        }
        let extended = above(1 << 20, unit: 1 << 10, limit: 0xFFFF)
        store(640, at: 0x15, bytes: 2)
        store(extended, at: 0x17, bytes: 2)
        store(extended, at: 0x30, bytes: 2)
        store(above(16 << 20, unit: 1 << 16, limit: 0xFFFF), at: 0x34, bytes: 2)
        store(min((size - low) >> 16, 0xFF_FFFF), at: 0x5B, bytes: 3)
    }
}
