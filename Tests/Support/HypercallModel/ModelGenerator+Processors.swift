import HypercallABI
import HypercallCore

extension ModelGenerator {
    mutating func index() -> UInt32 {
        random.oneIn(30) ? random.one(of: [3, 4, 0x7FF, 0x800, .max], else: 3) : UInt32(random.below(3))
    }

    /// Partition and processor, and 4 bytes with a trust level that is nearly always ours.
    private mutating func head(_ model: Model) -> Bytes {
        var bytes = Bytes()
        bytes.add(partition(model))
        bytes.add(index())
        bytes.add(random.oneIn(20) ? UInt32(random.below(64)) : 0)
        return bytes
    }

    static let registerNames: [UInt32] =
        [
            0, 1, 3, 4, 0x10005, 0x10006, 0x90001, 0x90002, 0x90003, 0x90013, 0x90017, 0x210, 0x215, 0xA0010, 0xA0011,
            0xA0012, 0xA0013, 0xA0014,
        ]
        + Array(0xA0000...0xA000F) + Array(0xB0000...0xB0007) + Array(0x20000...0x20011)
        + [0x40000, 0x40002, 0x40003, 0x80001, 0x80004] + Array(0x60000...0x60007) + [0x70000, 0x70001]

    private mutating func registerName() -> UInt32 {
        if random.oneIn(60) {
            return random.one(of: [0x20012, 0x1FFFF, 0xFFFF_FFFF, 0x2, 0xA0015, 0xB0008, 0x216], else: 1)
        }
        if random.oneIn(60) { return random.one(of: [0x90000, 0x90004], else: 0) }
        return random.one(of: Self.registerNames, else: 0)
    }

    /// A value that the register takes, nearly always.
    private mutating func registerValue(_ name: UInt32) -> RegisterValue {
        if random.oneIn(60) { return RegisterValue(low: random.next(), high: random.next()) }
        let value = random.next()
        switch Model.rule(ofRegister: name) {
        case .engine: return RegisterValue(low: value, high: random.next())
        case .suspension: return RegisterValue(value & 1)
        case .zero: return RegisterValue(random.oneIn(4) ? value : 0)
        // What a SynIC that is switched on has, so that it mostly stays so.
        case .kept where name == 0xA0010: return RegisterValue(random.oneIn(6) ? 0 : 1)
        case .kept where name == 0xA0012 || name == 0xA0013:
            return RegisterValue(random.below(3000) << 12 | (random.oneIn(6) ? 0 : 1))
        case .kept where name & 0xFFFF_FFF0 == 0xA0000: return RegisterValue(sintValue())
        case .kept(_, let reserved), .shared(let reserved): return RegisterValue(value & ~reserved)
        case .timer(_, let word): return RegisterValue(word == 1 ? value & ~Model.reservedTimerBits : value)
        default: return RegisterValue(value)
        }
    }

    /// A vector, seldom one that can't be, and now and then polled, masked, or another's.
    mutating func sintValue() -> UInt64 {
        let flags: UInt64 = random.one(
            of: [0, 0, 0, 0, 0, 0, 0x2_0000, 0x4_0000, 0x4_0000, 0x1_0000, 0x10_0000], else: 0)
        return flags | (random.oneIn(12) ? random.below(16) : 16 + random.below(240))
    }

    mutating func processorCall(_ model: Model) -> ModelCall {
        var bytes = Bytes()
        bytes.add(partition(model))
        bytes.add(index())
        switch random.below(20) {
        case 0..<7:
            bytes.add(UInt8(random.below(256)))
            bytes.add(UInt16(truncatingIfNeeded: random.next()))
            bytes.add(random.oneIn(20) ? UInt8(random.below(256)) : UInt8(random.below(4)))
            bytes.add(random.next())
            bytes.add(0 as UInt64)
            bytes.add(0 as UInt64)
            return ModelCall(ControlWord(.createVp), bytes.bytes)
        case 7:
            bytes.add(0 as UInt32)
            return ModelCall(ControlWord(.deleteVp, fast: !random.oneIn(6)), bytes.bytes)
        case 8..<13:
            bytes = head(model)
            let count = repetitions(most: 200)
            for _ in 0..<count { bytes.add(registerName()) }
            return ModelCall(repeated(.getVpRegisters, count), bytes.bytes, outputCount: 16 * count)
        default:
            bytes = head(model)
            let count = repetitions(most: 120)
            for _ in 0..<count {
                let name = registerName()
                let value = registerValue(name)
                bytes.add(name)
                bytes.add(0 as UInt32)
                bytes.add(0 as UInt64)
                bytes.add(value.low)
                bytes.add(value.high)
            }
            return ModelCall(repeated(.setVpRegisters, count), bytes.bytes)
        }
    }

    // MARK: Beside registers

    mutating func processorStateCall(_ model: Model) -> ModelCall {
        switch random.below(20) {
        case 0..<2: return installIntercept(model)
        case 2..<5: return registerResult(model)
        case 5..<8: return state(model, isSet: false)
        case 8..<11: return state(model, isSet: true)
        case 11..<13: return statePage(model, isMap: true)
        case 13: return statePage(model, isMap: false)
        case 14..<17: return cpuidValues(model)
        case 17: return start(model, random.oneIn(4) ? .enableVpVtl : .startVp)
        default:
            var bytes = Bytes()
            bytes.add(partition(model))
            bytes.add(random.oneIn(20) ? random.next() & 0x1F : 0)
            let count = repetitions(most: 1000)
            for _ in 0..<count { bytes.add(random.oneIn(12) ? index() : 0) }
            return ModelCall(repeated(.getVpIndexFromApicId, count), bytes.bytes, outputCount: 4 * count)
        }
    }

    private mutating func installIntercept(_ model: Model) -> ModelCall {
        var bytes = Bytes()
        bytes.add(partition(model))
        bytes.add(UInt32(random.below(8)))
        bytes.add(UInt32(random.below(19)))
        bytes.add(random.one(of: [0, 1, 0x1F, 0x20, 0xFFFF, 0x1_0000, 0x0020_0010, 0x0010_0020, 1 << 32], else: 0))
        return ModelCall(ControlWord(.installIntercept), bytes.bytes)
    }

    private mutating func registerResult(_ model: Model) -> ModelCall {
        var bytes = Bytes()
        bytes.add(partition(model))
        bytes.add(index())
        if random.oneIn(4) {
            bytes.add(1 as UInt32)
            bytes.add(UInt32(random.below(4)))
            bytes.add(UInt32(random.below(4)))
            bytes.add(UInt32(random.oneIn(8) ? 2 : random.below(2)))
            while bytes.bytes.count < 60 { bytes.add(UInt32(truncatingIfNeeded: random.next())) }
        } else {
            bytes.add(random.oneIn(20) ? 3 : 2 as UInt32)
            bytes.add(UInt32(random.below(4)))
            bytes.add(UInt32(random.below(2)))
            bytes.add(UInt8(random.oneIn(20) ? 2 : random.below(2)))
            bytes.add(UInt8(random.below(2)))
            bytes.add(0 as UInt16)
            for _ in 0..<8 { bytes.add(UInt32(truncatingIfNeeded: random.next())) }
        }
        return ModelCall(ControlWord(.registerInterceptResult), bytes.bytes)
    }

    private mutating func state(_ model: Model, isSet: Bool) -> ModelCall {
        var bytes = head(model)
        let type =
            random.one(
                of: [0x8000_0002, 0x8000_0003, 0x8000_0002, 4, 4, 0x8000_0000, 0x8000_0001, 5, 0x8000_0004], else: 4)
            as UInt32
        bytes.add(type)
        bytes.add(0 as UInt32)
        bytes.add(0 as UInt64)
        bytes.add(random.next())
        var words = type == 4 ? (isSet ? 25 : 0) : 1
        if random.oneIn(8) { words = random.oneIn(2) ? 0 : random.below(27) }
        for word in 0..<words {
            if type != 4 {
                bytes.add(rootPage(model))
            } else if word >= 20 {
                bytes.add(0 as UInt64)
            } else {
                let value = random.next()
                bytes.add(word % 5 == 0 ? value & 1 : word % 5 == 1 ? value & ~Model.reservedTimerBits : value)
            }
        }
        return ModelCall(
            ControlWord(isSet ? .setVpState : .getVpState, variableHeaderSize: words), bytes.bytes,
            outputCount: isSet ? 0 : 200)
    }

    private mutating func statePage(_ model: Model, isMap: Bool) -> ModelCall {
        var place = (partition: partition(model), processor: index(), type: UInt16(random.below(2)))
        // One that is mapped, or not, as the call needs it.
        for _ in 0..<8 {
            let processor = model.partitions[place.partition]?.processors[place.processor]
            if let processor, (processor.statePages[place.type] == nil) == isMap || random.oneIn(20) { break }
            place = (partition(model), index(), UInt16(random.below(2)))
        }
        var bytes = Bytes()
        bytes.add(place.partition)
        bytes.add(place.processor)
        bytes.add(random.oneIn(12) ? 2 + UInt16(random.below(2)) : place.type)
        bytes.add(random.oneIn(20) ? UInt8(random.below(64)) : 0)
        bytes.add(isMap ? UInt8(random.below(2)) : 0)
        if isMap { bytes.add(rootPage(model)) }
        return ModelCall(
            ControlWord(isMap ? .mapVpStatePage : .unmapVpStatePage), bytes.bytes, outputCount: isMap ? 8 : 0)
    }

    private mutating func cpuidValues(_ model: Model) -> ModelCall {
        var bytes = Bytes()
        bytes.add(partition(model))
        bytes.add(index())
        bytes.add(UInt32(random.oneIn(20) ? 4 : random.below(4)))
        bytes.add(0 as UInt64)
        let count = repetitions(most: 160)
        for _ in 0..<count {
            bytes.add(UInt32(random.below(4)))
            bytes.add(UInt32(random.below(2)))
            bytes.add(random.next())
            bytes.add(random.next())
        }
        return ModelCall(repeated(.getVpCpuidValues, count), bytes.bytes, outputCount: 16 * count)
    }

    private mutating func start(_ model: Model, _ code: CallCode) -> ModelCall {
        var bytes = Bytes()
        bytes.add(partition(model))
        bytes.add(index())
        bytes.add(UInt32(random.oneIn(8) ? random.below(64) : 0))
        while bytes.bytes.count < 240 { bytes.add(random.next()) }
        return ModelCall(ControlWord(code), bytes.bytes)
    }
}
