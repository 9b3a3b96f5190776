import HypercallABI
import HypercallCore

/// A small generator with a seed (splitmix64), so that a run can be repeated.
package struct ModelRandom {
    private var state: UInt64
    package init(seed: UInt64) { state = seed }

    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// A seed that nobody had before.
    package static func fresh() -> UInt64 { UInt64.random(in: 1...UInt64(UInt32.max)) }

    /// 0..<limit.
    mutating func below(_ limit: Int) -> Int { limit <= 0 ? 0 : Int(next() % UInt64(limit)) }
    mutating func below(_ limit: UInt64) -> UInt64 { limit == 0 ? 0 : next() % limit }
    mutating func oneIn(_ count: Int) -> Bool { below(count) == 0 }
    mutating func one<T>(of items: [T], else other: T) -> T { items.isEmpty ? other : items[below(items.count)] }
}

/// Makes calls that mostly are right for what the model holds, and wrong in one of many ways now and then.
package struct ModelGenerator {
    package var random: ModelRandom

    package init(seed: UInt64) { random = ModelRandom(seed: seed) }

    /// One call in so many is spoilt.
    private static let spoiltOneIn = 8

    package mutating func call(for model: Model) -> ModelCall {
        var call: ModelCall
        let choice = random.below(100)
        if model.partitions.isEmpty || choice < (model.configuration.partitionLimit > 4 ? 8 : 1) {
            call = create()
        } else if random.oneIn(4), let next = nextStep(model) {
            call = next
        } else if model.configuration.emphasis == .synIC, random.oneIn(2) {
            call = synICCall(model)
        } else if model.configuration.emphasis == .devices, random.oneIn(2) {
            call = deviceCall(model)
        } else if choice < 29 {
            call = partitionCall(model)
        } else if choice < 56 {
            call = memoryCall(model)
        } else if choice < 63 {
            call = guestAccessCall(model)
        } else if choice < 72 {
            call = processorStateCall(model)
        } else if choice < 74 {
            call = interruptCall(model)
        } else if choice < 84 {
            call = synICCall(model)
        } else if choice < 93 {
            call = deviceCall(model)
        } else if choice < 95 {
            call = systemCall(model)
        } else {
            call = processorCall(model)
        }
        if random.oneIn(Self.spoiltOneIn) { spoil(&call) }
        return call
    }

    /// A partition that is there, nearly always.
    mutating func partition(_ model: Model) -> UInt64 {
        if random.oneIn(40) { return random.one(of: [0, 6, 11, .max, 1 << 63], else: 0) }
        // Dictionaries have no order that a seed repeats.
        let ids = model.partitions.keys.sorted()
        return random.one(of: ids, else: model.configuration.firstPartition)
    }

    /// A page of the root, nearly always.
    mutating func rootPage(_ model: Model) -> UInt64 {
        if random.oneIn(60) { return random.one(of: [0, .max, 1 << 52, (1 << 52) - 1, 0x2_0000_0CFF], else: 0) }
        let pages = model.configuration.rootPages[random.below(model.configuration.rootPages.count)]
        return pages.lowerBound + random.below(UInt64(pages.count))
    }

    /// So many repetitions: mostly few.
    mutating func repetitions(most: Int) -> Int {
        switch random.below(20) {
        case 0: 1 + random.below(most)
        case 1..<6: 1 + random.below(min(most, 24))
        default: 1 + random.below(4)
        }
    }

    /// The control word of a repeat call, now and then the continuation of one.
    mutating func repeated(_ code: CallCode, _ count: Int) -> ControlWord {
        ControlWord(code, repCount: count, repStart: random.oneIn(8) ? random.below(count) : 0)
    }

    // MARK: What can be wrong

    private static let specialWords: [UInt64] = [
        0, 1, 2, 7, 0x1FF, 0x200, 0xFFFF_FFFF, 1 << 31, 1 << 32, 1 << 40, (1 << 40) - 1, 1 << 52, (1 << 52) - 1,
        1 << 63,
        .max, .max - 1, .max - 511, .max << 9, .max << 12, 0x8000_0000_0000_0001,
    ]

    /// One thing is made wrong.
    private mutating func spoil(_ call: inout ModelCall) {
        switch random.below(10) {
        case 0: call.control.rawValue ^= 1 << random.below(UInt64(64))
        case 1:
            call.control.rawValue ^= random.one(of: [1 << 16, 1 << 31, 1 << 27, 1 << 44, 1 << 60, 1 << 17], else: 0)
        case 2: call.input.removeLast(min(call.input.count, 1 + random.below(16)))
        case 3: call.outputCount = max(0, call.outputCount - 1 - random.below(16))
        case 4:
            if !call.input.isEmpty { call.input[random.below(call.input.count)] ^= UInt8(1 << random.below(8)) }
        case 5: call.set64(8 * random.below(call.input.count / 8), random.one(of: Self.specialWords, else: 0))
        case 6: call.set64(8 * random.below(min(5, call.input.count / 8)), random.one(of: Self.specialWords, else: 0))
        case 7: call.set64(8 * random.below(min(5, call.input.count / 8)), random.next())
        case 8:
            let start = call.control.repCount > 0 ? random.below(call.control.repCount + 2) : random.below(3)
            call.control.rawValue = call.control.rawValue & ~(0xFFF << 48) | UInt64(start) << 48
        default:
            // More bytes than needed are no fault.
            call.input += [UInt8](repeating: 0xAA, count: random.below(9))
            call.outputCount += random.below(9)
        }
    }
}
