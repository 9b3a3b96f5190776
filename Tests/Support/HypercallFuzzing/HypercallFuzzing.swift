import FuzzSupport
import HypercallABI
import HypercallCore
import HypercallModel

/// Drives the dispatcher and the embedded hypervisor behind it from bytes alone: a fuzzer's entry, and a test's.
package enum HypercallFuzzing {
    /// More than a fuzzer finds something new in.
    private static let mostCalls = 200

    /// Makes the calls that the bytes describe: which call, its control word, and each 8 bytes of its input. Nothing of
    /// it may trap, and no call may say that it did more repetitions than there were.
    ///
    /// - Returns: false for an answer that cannot be.
    @discardableResult
    package static func run(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var source = FuzzBytes(bytes)
        let configuration = ModelConfiguration(kind: UInt64(source.byte()))
        var port: (any HypercallPort)?
        let bench = ModelBench(configuration) {
            port = $0
            return $0
        }
        guard let port else { return false }
        // The bench has the hypervisor.
        return withExtendedLifetime(bench) {
            for _ in 0..<mostCalls where !source.isAtEnd {
                let call = call(&source, configuration)
                var output = [UInt8](repeating: 0xEE, count: call.outputCount)
                let result = call.input.withUnsafeBytes { input in
                    output.withUnsafeMutableBytes { port.execute(call.control, input: input, output: $0) }
                }
                if result.repsCompleted > max(call.control.repCount, call.control.repStart) { return false }
            }
            return true
        }
    }

    private static func call(_ source: inout FuzzBytes, _ configuration: ModelConfiguration) -> ModelCall {
        let definitions = CallCatalogue.all
        let choice = Int(source.byte())
        let shape = source.byte()
        let reps = Int(source.byte() & 15)
        var raw: UInt64
        var count: Int
        var outputCount: Int
        if choice < definitions.count {
            let form = definitions[choice].form
            let code = UInt64(definitions[choice].code.rawValue)
            let isRepeated = form.repetition != nil
            let header = form.hasVariableHeader ? Int(shape >> 4 & 3) : 0
            raw = code | UInt64(header) << 17
            count = form.inputSize + 8 * header
            outputCount = form.outputSize
            if let repetition = form.repetition, isRepeated {
                raw |= UInt64(max(reps, 1)) << 32
                count += repetition.inputSize * max(reps, 1)
                outputCount += repetition.outputSize * max(reps, 1)
            }
        } else {
            raw = source.word()
            count = reps * 8
            outputCount = 64
        }
        // Now and then a control word with a bit wrong, and too few bytes.
        if shape & 7 == 7 { raw ^= 1 << UInt64(source.byte() & 63) }
        if shape & 8 != 0 { count -= min(count, Int(source.byte())) }
        if shape & 0x40 != 0 { outputCount -= min(outputCount, 8) }
        var input: [UInt8] = []
        while input.count < count {
            let word = word(&source, configuration)
            input += (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64(8 * $0)) }
        }
        return ModelCall(ControlWord(rawValue: raw), Array(input.prefix(count)), outputCount: outputCount)
    }

    /// Mostly what means something: partitions that can be, pages of the root, small numbers, bits.
    private static func word(_ source: inout FuzzBytes, _ configuration: ModelConfiguration) -> UInt64 {
        let kind = source.byte()
        let detail = UInt64(kind >> 3)
        switch kind & 7 {
        case 0: return detail
        case 1: return configuration.firstPartition + detail % 4
        case 2: return 0x2_0000_0000 + detail << 7 | UInt64(source.byte())
        case 3: return 1 << (detail << 1 | UInt64(source.byte() & 1))
        case 4: return .max - detail
        case 5: return UInt64(source.byte()) << 32 | UInt64(source.byte())
        case 6: return UInt64(source.byte()) << 12 | detail
        default: return source.word()
        }
    }
}
