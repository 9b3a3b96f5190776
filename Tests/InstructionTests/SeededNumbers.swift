/// Random numbers that a seed repeats (SplitMix64).
struct SeededNumbers: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
        return value ^ value >> 31
    }

    /// Any number, but often one of those where carries, signs and sizes change.
    mutating func edge() -> UInt64 {
        let number = next()
        switch number & 7 {
        case 0: return 0
        case 1: return .max << (number >> 8 & 63)
        case 2: return 1 << (number >> 8 & 63)
        case 3: return (1 << (number >> 8 & 63)) &- 1
        case 4: return number >> 56
        default: return next()
        }
    }
}
