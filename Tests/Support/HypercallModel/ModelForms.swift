import HypercallABI
import HypercallCore

/// How large a call's parts are, written down a second time from the specification's tables (structs.json): what
/// `CallForm` says must agree with it, or the sizes checked here would come from the code that they check.
struct ModelForm {
    var input: Int
    var output = 0
    /// Bytes for each repetition; nil for a simple call.
    var repetition: (input: Int, output: Int)?
    var hasVariableHeader = false
}

extension Model {
    /// The calls that the model knows: each group says its own.
    static let forms: [UInt16: ModelForm] = [
        partitionForms, memoryForms, guestAccessForms, processorForms, processorStateForms, interruptForms,
        propertyForms, portForms, synICForms,
        deviceForms, deviceInterruptForms, systemForms,
    ]
    .reduce(into: [:]) { all, group in all.merge(group) { first, _ in first } }

    /// The codes that the model answers as the specification does.
    package static let coveredCodes: Set<UInt16> = Set(forms.keys)

    /// What the control word and the sizes alone decide (TLFS, "Hypercall Interface" to 3.9); nil: the call may be
    /// looked at.
    static func refusal(_ call: ModelCall, _ form: ModelForm) -> HypercallStatus? {
        let control = call.control.rawValue
        // Bits that must be zero: 27 to 30, 44 to 47, 60 to 63; and the nested bit: nothing is below.
        for bit in [27, 28, 29, 30, 31, 44, 45, 46, 47, 60, 61, 62, 63] where control >> bit & 1 == 1 {
            return .invalidHypercallInput
        }
        let isFast = control >> 16 & 1 == 1
        let header = Int(control >> 17 & 0x3FF)
        let count = Int(control >> 32 & 0xFFF)
        let start = Int(control >> 48 & 0xFFF)
        if header != 0, !form.hasVariableHeader { return .invalidHypercallInput }
        var input = form.input + header * 8
        var output = form.output
        if let repetition = form.repetition {
            if count == 0 || start >= count || isFast { return .invalidHypercallInput }
            input += count * repetition.input
            output += count * repetition.output
        } else if count != 0 || start != 0 {
            return .invalidHypercallInput
        }
        if isFast, input > 16 || output > 0 { return .invalidHypercallInput }
        if input > 4096 || output > 4096 { return .invalidHypercallInput }
        if call.input.count < input || call.outputCount < output { return .invalidHypercallInput }
        return nil
    }
}
