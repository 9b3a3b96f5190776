import Hypervisor

/// What the simulated guest does, as a pure function of simulated time and input: it boots, prints its banner, lets
/// the serial port and the event port interrupt it, echoes what is typed, and consumes processor time.
struct SimulatedGuest {
    private let model: SimulationModel
    private var phase = Phase.booting
    /// The number of ticks so far, and the time of the next.
    private var ticks: UInt64 = 0
    private var nextTick: UInt64 = 0
    /// Interrupts that were signalled and not looked at yet.
    private var serialPending = false
    private var eventsPending = false
    private var reading = Reading.none
    /// Whether the line status told of a byte that is not read yet.
    private var dataReady = false
    /// The simulated time of the last step.
    private var lastStep: UInt64 = 0
    /// A byte to be echoed.
    private var echo: UInt8?
    /// The line typed so far; longer ones are no command.
    private var line: [UInt8] = []

    private enum Phase {
        case booting
        case printing(Int)
        case settingUp(Int)
        case idle
        case crashed
        /// Whether the register was written already, and when.
        case off(told: Bool, at: UInt64)
    }

    private enum Reading { case none, lineStatus, data, events }

    private enum Port {
        static let serial: UInt16 = 0x3F8
        static let lineStatus: UInt16 = 0x3FD
        static let sleepControl: UInt16 = 0x600
        static let events: UInt16 = 0x608
    }

    private static let serialVector: UInt8 = 0x30
    private static let eventVector: UInt8 = 0x31

    /// Receive interrupt on, OUT2 on; I/O APIC pin 4 (serial) and pin 16 (events) to their vectors, edge, APIC id 0.
    private static let setUp: [VPExit] = [
        .portWrite(port: Port.serial + 1, size: 1, value: 1), .portWrite(port: Port.serial + 4, size: 1, value: 0x0B),
        .mmioWrite(gpa: 0xFEC0_0000, size: 4, value: 0x19), .mmioWrite(gpa: 0xFEC0_0010, size: 4, value: 0),
        .mmioWrite(gpa: 0xFEC0_0000, size: 4, value: 0x18),
        .mmioWrite(gpa: 0xFEC0_0010, size: 4, value: UInt64(serialVector)),
        .mmioWrite(gpa: 0xFEC0_0000, size: 4, value: 0x31), .mmioWrite(gpa: 0xFEC0_0010, size: 4, value: 0),
        .mmioWrite(gpa: 0xFEC0_0000, size: 4, value: 0x30),
        .mmioWrite(gpa: 0xFEC0_0010, size: 4, value: UInt64(eventVector)),
    ]

    init(_ model: SimulationModel) { self.model = model }

    var hasCrashed: Bool { if case .crashed = phase { true } else { false } }

    /// An interrupt arrived. Every vector but the event port's is taken for the serial port's.
    mutating func interrupt(vector: UInt8) {
        if vector == Self.eventVector { eventsPending = true } else { serialPending = true }
    }

    /// The next exit of processor 0 at simulated time `now`; a halt's deadline is simulated time too.
    mutating func next(at now: UInt64) -> VPExit {
        // A read that nobody answered counts as zeros: no data, no event.
        if reading != .none { answer(0) }
        while true {
            switch phase {
            case .booting:
                if now < model.bootTime { return .halt(wakeAt: model.bootTime) }
                phase = .printing(0)
            case .printing(let place):
                let banner = model.banner.utf8
                if let at = banner.index(banner.startIndex, offsetBy: place, limitedBy: banner.endIndex),
                    at < banner.endIndex
                {
                    phase = .printing(place + 1)
                    return .portWrite(port: Port.serial, size: 1, value: UInt32(banner[at]))
                }
                phase = .settingUp(0)
            case .settingUp(let place):
                if place < Self.setUp.count {
                    phase = .settingUp(place + 1)
                    return Self.setUp[place]
                }
                // What was typed before is there without an interrupt.
                serialPending = true
                nextTick = Self.sum(model.bootTime, interval(0))
                phase = .idle
            case .idle:
                if let exit = idleStep(at: now) { return exit }
            case .crashed:
                return .unrecoverableException
            case .off(false, let at):
                phase = .off(told: true, at: at)
                // SLP_EN and SLP_TYP 5 of the ACPI sleep control register.
                return .portWrite(port: Port.sleepControl, size: 1, value: 0x34)
            case .off(true, _):
                return .halt(wakeAt: nil)
            }
        }
    }

    /// Answers the port read that `next` returned.
    mutating func answer(_ value: UInt64) {
        let was = reading
        reading = .none
        switch was {
        case .none: break
        case .lineStatus: dataReady = value & 1 != 0
        case .data: take(UInt8(truncatingIfNeeded: value))
        case .events: if value & 1 != 0 { phase = .off(told: false, at: lastStep) }
        }
    }

    /// Simulated processor time consumed until simulated time `now`.
    func runTime(at now: UInt64) -> UInt64 {
        let end = if case .off(_, let at) = phase { min(at, now) } else { now }
        // No processor consumes more than a second in a second; so neither product overflows.
        let busy = min(model.busyNanosecondsPerSecond, Self.second)
        return end / Self.second * busy + end % Self.second * busy / Self.second
    }

    private mutating func idleStep(at now: UInt64) -> VPExit? {
        lastStep = now
        let end = model.lifetime.map { Self.sum(model.bootTime, $0) }
        if let end, now >= end {
            phase = .off(told: false, at: end)
            return nil
        }
        if let byte = echo {
            echo = nil
            finishLine(with: byte)
            return .portWrite(port: Port.serial, size: 1, value: UInt32(byte))
        }
        if dataReady {
            dataReady = false
            reading = .data
            return .portRead(port: Port.serial, size: 1)
        }
        if serialPending {
            serialPending = false
            reading = .lineStatus
            return .portRead(port: Port.lineStatus, size: 1)
        }
        if eventsPending {
            eventsPending = false
            reading = .events
            return .portRead(port: Port.events, size: 1)
        }
        // A tick that comes late moves those after it; none is made up for.
        if now >= nextTick {
            ticks &+= 1
            nextTick = Self.sum(now, interval(ticks))
        }
        return .halt(wakeAt: min(nextTick, end ?? .max))
    }

    private mutating func take(_ byte: UInt8) {
        echo = byte
        // Look again after the echo: an interrupt tells of the first byte only.
        serialPending = true
    }

    private mutating func finishLine(with byte: UInt8) {
        guard byte == 0x0A || byte == 0x0D else {
            if line.count < 64 { line.append(byte) }
            return
        }
        if line.elementsEqual("poweroff".utf8) { phase = .off(told: false, at: lastStep) }
        if line.elementsEqual("crash".utf8) { phase = .crashed }
        line = []
    }

    private static let second: UInt64 = 1_000_000_000
    /// The most by which a tick comes later than a second after the one before.
    private static let jitter: UInt64 = 100_000_000

    /// The time from tick `number` to the next: a second and a little that the seed decides (SplitMix64).
    private func interval(_ number: UInt64) -> UInt64 {
        var mixed = model.seed &+ (number &+ 1) &* 0x9E37_79B9_7F4A_7C15
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        mixed ^= mixed >> 31
        return Self.second + mixed % Self.jitter
    }

    private static func sum(_ a: UInt64, _ b: UInt64) -> UInt64 {
        let (result, overflow) = a.addingReportingOverflow(b)
        return overflow ? .max : result
    }
}
