import HypercallABI
import HypercallCore

/// One hypercall as bytes, with what has to be there to make it.
package struct ModelCall: Sendable, Equatable {
    package var control: ControlWord
    package var input: [UInt8]
    /// Bytes of the output page that the caller offers.
    package var outputCount: Int

    package init(_ control: ControlWord, _ input: [UInt8], outputCount: Int = 0) {
        self.control = control
        self.input = input
        self.outputCount = outputCount
    }

    package func word64(_ offset: Int) -> UInt64 {
        guard offset >= 0, offset + 8 <= input.count else { return 0 }
        var value: UInt64 = 0
        for index in (0..<8).reversed() { value = value << 8 | UInt64(input[offset + index]) }
        return value
    }

    package func word32(_ offset: Int) -> UInt32 {
        guard offset >= 0, offset + 4 <= input.count else { return 0 }
        var value: UInt32 = 0
        for index in (0..<4).reversed() { value = value << 8 | UInt32(input[offset + index]) }
        return value
    }

    package func byte(_ offset: Int) -> UInt8 { offset >= 0 && offset < input.count ? input[offset] : 0 }

    package mutating func set64(_ offset: Int, _ value: UInt64) {
        for index in 0..<8 where offset + index < input.count {
            input[offset + index] = UInt8(truncatingIfNeeded: value >> UInt64(8 * index))
        }
    }
}

/// What a hypervisor answered.
package struct ModelAnswer: Equatable {
    package var result: ResultWord
    package var output: [UInt8]

    package init(result: ResultWord, output: [UInt8]) {
        self.result = result
        self.output = output
    }

    func word64(_ offset: Int) -> UInt64 {
        guard offset >= 0, offset + 8 <= output.count else { return 0 }
        return (0..<8).reversed().reduce(0) { $0 << 8 | UInt64(output[offset + $1]) }
    }
}

/// Lays bytes one behind the other.
struct Bytes {
    var bytes: [UInt8] = []

    mutating func add<T: FixedWidthInteger>(_ value: T) {
        for index in 0..<MemoryLayout<T>.size {
            bytes.append(UInt8(truncatingIfNeeded: value >> T(8 * index)))
        }
    }
}

extension ModelCall: CustomStringConvertible {
    /// One line that a reader can compare with the specification: the call, the control word's parts that are set, and
    /// the input as 64-bit words.
    package var description: String {
        var text = "\(control.code)"
        if control.repCount != 0 || control.repStart != 0 { text += " reps \(control.repStart)..<\(control.repCount)" }
        if control.isFast { text += " fast" }
        if control.variableHeaderSize != 0 { text += " header \(control.variableHeaderSize)" }
        if control.hasReservedBits || control.isNested { text += " control 0x" + String(control.rawValue, radix: 16) }
        text += " input \(input.count) output \(outputCount):"
        let shown = min((input.count + 7) / 8, 12)
        for index in 0..<shown {
            var padded = self
            padded.input += [UInt8](repeating: 0, count: 8)
            text += " " + String(padded.word64(8 * index), radix: 16)
        }
        if shown * 8 < input.count { text += " ..." }
        return text
    }
}
