import HypercallABI
import HypercallCore

/// Registers (TLFS, "Virtual Processor Management").
extension Model {
    /// How a register behaves.
    enum RegisterRule {
        /// Bit 0: set, the processor does not run.
        case suspension
        /// 64 bits that are what they were set to; those of `reserved` can't be set.
        case kept(initial: UInt64, reserved: UInt64)
        /// The same, one for the whole partition.
        case shared(reserved: UInt64)
        case timer(Int, word: Int)
        /// The processor's index, or 1.
        case constant(UInt64?)
        /// A clock's; nobody knows what it says.
        case clock
        /// 0, and nothing else can be set.
        case zero
        /// 0, whatever is set.
        case endOfMessage
        /// All 128 bits, in the engine.
        case engine
    }

    static func rule(ofRegister name: UInt32) -> RegisterRule? {
        switch name {
        case 0x0, 0x1, 0x3: .suspension
        case 0x4: .kept(initial: 0, reserved: ~0x7)
        case 0x210...0x215, 0x90002: .shared(reserved: 0)
        case 0x90000, 0x90004: .clock
        case 0x90001: .shared(reserved: 0xFFC)
        case 0x90003: .constant(nil)
        case 0x90013: .kept(initial: 0, reserved: 0xFFE)
        case 0x90017: .shared(reserved: 0xFFE)
        case 0xA0000...0xA000F: .kept(initial: 0x1_0000, reserved: ~0x1F_00FF)
        case 0x10005, 0x10006: .zero
        case 0xA0014: .endOfMessage
        case 0xA0010: .kept(initial: 0, reserved: ~0x1)
        case 0xA0011: .constant(1)
        case 0xA0012, 0xA0013: .kept(initial: 0, reserved: 0xFFE)
        case 0xB0000...0xB0007: .timer(Int(name & 7) / 2, word: name & 1 == 0 ? 1 : 2)
        case _ where isInEngine(name): .engine
        default: nil
        }
    }

    /// What the model's engine has: general registers, RIP, RFLAGS, CR0, CR3, CR4, EFER, PAT, segments and tables.
    static func isInEngine(_ name: UInt32) -> Bool {
        switch name {
        case 0x20000...0x20011, 0x40000, 0x40002, 0x40003, 0x60000...0x60007, 0x70000, 0x70001, 0x80001, 0x80004: true
        default: false
        }
    }

    /// A timer's configuration: enabled, periodic, lazy, auto-enable, vector, direct mode, SINT; the rest is reserved.
    static let reservedTimerBits: UInt64 = 0xFFFF_FFFF_FFF0_E000

    /// The head of both calls: reserved bits, and only one trust level.
    func headIsWrong(_ call: ModelCall) -> Set<HypercallStatus> {
        var wrong = processorIsWrong(call.word64(0), call.word32(8))
        if Self.isLevelWrong(call.byte(12)) { wrong.insert(.invalidParameter) }
        if call.byte(13) != 0 || call.byte(14) != 0 || call.byte(15) != 0 { wrong.insert(.invalidParameter) }
        return wrong
    }

    /// HV_INPUT_VTL: bits 5 to 7 are reserved; bit 4 says that bits 0 to 3 count, and there is only level 0.
    static func isLevelWrong(_ level: UInt8) -> Bool { level & 0xE0 != 0 || level & 0x10 != 0 && level & 0xF != 0 }

    mutating func registers(_ call: ModelCall, _ answer: ModelAnswer) -> Expectation {
        let start = call.control.repStart
        let wrong = headIsWrong(call)
        guard wrong.isEmpty, let partition = partitions[call.word64(0)],
            let processor = partition.processors[call.word32(8)]
        else { return .refused(wrong, start: start) }
        var expected = Expectation(statuses: [.success], completed: call.control.repCount)
        var referenceTime = partition.referenceTime
        defer { partitions[call.word64(0)]?.referenceTime = referenceTime }
        for index in start..<call.control.repCount {
            let name = call.word32(16 + 4 * index)
            var value = RegisterValue(0)
            switch Self.rule(ofRegister: name) {
            case nil:
                expected.statuses = [.invalidParameter]
                expected.completed = index
                return expected
            case .suspension: value.low = processor.suspensions.contains(name) ? 1 : 0
            case .kept(let initial, _): value.low = processor.kept[name] ?? initial
            case .shared: value.low = partition.shared[name] ?? 0
            case .timer(let timer, let word): value.low = processor.timers[5 * timer + word]
            case .constant(let constant): value.low = constant ?? UInt64(call.word32(8))
            case .clock:
                value.low = answer.word64(16 * index)
                if name == 0x90004, isFrozen(partition) {
                    if let time = referenceTime { value.low = time } else { referenceTime = value.low }
                }
            case .zero, .endOfMessage: break
            case .engine: value = processor.registers[name] ?? value
            }
            expected.output.append((16 * index, Self.bytes(value.low) + Self.bytes(value.high)))
        }
        return expected
    }

    mutating func setRegisters(_ call: ModelCall) -> Expectation {
        let start = call.control.repStart
        var wrong = headIsWrong(call)
        let id = call.word64(0)
        let vp = call.word32(8)
        guard wrong.isEmpty, var partition = partitions[id], var processor = partition.processors[vp] else {
            if Self.isPaddingWrong(call, 16 + 32 * start) { wrong.insert(.invalidParameter) }
            return .refused(wrong, start: start)
        }
        partitions[id] = nil
        defer {
            partition.processors[vp] = processor
            partitions[id] = partition
        }
        for index in start..<call.control.repCount {
            let offset = 16 + 32 * index
            let name = call.word32(offset)
            let value = RegisterValue(low: call.word64(offset + 16), high: call.word64(offset + 24))
            var stopped: Set<HypercallStatus> = []
            if Self.isPaddingWrong(call, offset) { stopped.insert(.invalidParameter) }
            let rule = Self.rule(ofRegister: name)
            let settable: UInt64
            switch rule {
            case nil:
                stopped.insert(.invalidParameter)
                settable = .max
            case .constant, .clock:
                stopped.insert(.accessDenied)
                settable = .max
            case .zero:
                if value.low != 0 { stopped.insert(.invalidParameter) }
                settable = .max
            case .engine, .endOfMessage: settable = .max
            case .suspension: settable = 1
            case .kept(_, let reserved), .shared(let reserved): settable = ~reserved
            case .timer(_, let word): settable = word == 1 ? ~Self.reservedTimerBits : .max
            }
            // Registers of the hypervisor's own have 64 bits; what is above them is not looked at.
            if rule != nil, stopped != [.accessDenied], value.low & ~settable != 0 {
                stopped.insert(.invalidRegisterValue)
            }
            if !stopped.isEmpty { return .refused(stopped, start: index) }
            switch rule {
            case .suspension:
                if value.low == 1 { processor.suspensions.insert(name) } else { processor.suspensions.remove(name) }
            case .kept: processor.kept[name] = value.low
            case .shared: partition.shared[name] = value.low
            case .timer(let timer, let word): processor.timers[5 * timer + word] = value.low
            case .engine: processor.registers[name] = value
            case nil, .constant, .clock, .zero, .endOfMessage: break
            }
        }
        return Expectation(statuses: [.success], completed: call.control.repCount)
    }

    /// HV_REGISTER_ASSOC: 12 reserved bytes behind the name.
    private static func isPaddingWrong(_ call: ModelCall, _ offset: Int) -> Bool {
        call.word32(offset + 4) != 0 || call.word64(offset + 8) != 0
    }
}
