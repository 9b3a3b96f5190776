import HypercallABI

/// How the bytes of a call are laid out, and how Linux's driver makes it.
package struct CallForm: Sendable, Equatable {
    /// The input's fixed part.
    package var inputSize: Int
    /// The output's fixed part.
    package var outputSize = 0
    /// Nil for a simple call.
    package var repetition: Repetition?
    /// Whether the caller passes the input in registers (8 or 16 bytes) as Linux does.
    package var isFast = false
    /// Whether a variable-size header may stand between the fixed part and the list (TLFS, "Hypercall Interface"): its
    /// length in units of 8 bytes is in the control word.
    package var hasVariableHeader = false

    package struct Repetition: Sendable, Equatable {
        /// Bytes of input, and of output, for each repetition.
        package var inputSize = 0
        package var outputSize = 0
        /// The most repetitions that Linux asks for at once.
        package var batch: Int
    }
}

extension CallForm {
    /// The largest input and the largest output: a page each (TLFS, "Hypercall Interface").
    package static let pageSize = 4096

    /// Whether a call of this form may have this control word and that many bytes of input and output (TLFS, "Hypercall
    /// Interface").
    ///
    /// - Throws: `invalidHypercallInput` for everything that is wrong with it: reserved bits, the nested bit (there is
    ///   no hypervisor below), a variable header that the call does not have, repetitions of a simple call, none of a
    ///   repeat call, a start behind the end, a fast call whose parameters do not fit two registers, and too few bytes.
    package func check(_ control: ControlWord, inputCount: Int, outputCount: Int) throws(HypercallStatus) {
        guard !control.hasReservedBits, !control.isNested, hasVariableHeader || control.variableHeaderSize == 0 else {
            throw HypercallStatus.invalidHypercallInput
        }
        // At most 1023 units: no overflow.
        var input = inputSize + 8 * control.variableHeaderSize
        var output = outputSize
        if let repetition {
            guard control.repCount > 0, control.repStart < control.repCount else {
                throw HypercallStatus.invalidHypercallInput
            }
            // At most 4095 repetitions of 32 bytes: no overflow.
            input += repetition.inputSize * control.repCount
            output += repetition.outputSize * control.repCount
        } else {
            guard control.repCount == 0, control.repStart == 0 else { throw HypercallStatus.invalidHypercallInput }
        }
        if control.isFast {
            guard repetition == nil, input <= 16, output == 0 else { throw HypercallStatus.invalidHypercallInput }
        }
        guard input <= Self.pageSize, output <= Self.pageSize, inputCount >= input, outputCount >= output else {
            throw HypercallStatus.invalidHypercallInput
        }
    }
}
