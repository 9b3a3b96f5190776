import Synchronization

@testable import VirtualDevices

/// An interrupt line that remembers its levels.
final class RecordedLine: InterruptLine {
    private let levels = Mutex<[Bool]>([])
    func setLevel(_ asserted: Bool) { levels.withLock { levels in levels.append(asserted) } }
    var history: [Bool] { levels.withLock { levels in levels } }
    var isAsserted: Bool { history.last ?? false }
}

/// Collects values from a closure.
final class Recorder<Value: Sendable>: Sendable {
    private let values = Mutex<[Value]>([])
    func append(_ value: Value) { values.withLock { values in values.append(value) } }
    var all: [Value] { values.withLock { values in values } }
    func take() -> [Value] {
        values.withLock { values in
            defer { values = [] }
            return values
        }
    }
}

/// A clock that stands still until it is moved.
final class ManualClock: Sendable {
    private let now: Mutex<UInt64>
    init(seconds: UInt64) { now = Mutex(seconds * 1_000_000_000) }
    var nanoseconds: UInt64 {
        get { now.withLock { now in now } }
        set { now.withLock { now in now = newValue } }
    }
    func advance(seconds: UInt64) { nanoseconds += seconds * 1_000_000_000 }
}

/// One step of a register test: what is written, or what must be read.
enum Step: CustomStringConvertible, Sendable {
    case write(UInt64, UInt8)
    case expect(UInt64, UInt8)

    var description: String {
        switch self {
        case .write(let register, let value): "write \(register) <- 0x\(String(value, radix: 16))"
        case .expect(let register, let value): "read \(register) = 0x\(String(value, radix: 16))"
        }
    }
}

/// A register test with a name that shows in the results.
struct Scenario: CustomStringConvertible, Sendable {
    var description: String
    var steps: [Step]
    init(_ description: String, _ steps: [Step]) {
        self.description = description
        self.steps = steps
    }
}

/// A small deterministic generator (splitmix64), so that a hostile access that fails can be repeated.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
        return value ^ value >> 31
    }
}
