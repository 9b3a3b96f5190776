import HypercallABI

/// The answerers' side of the waist: checks the control word, parses the bytes once, calls the handler's method and
/// writes what it returns. Each group of calls has its part in a file of its own.
package struct HypercallDispatcher<Handler: HypercallHandler>: HypercallPort {
    let handler: Handler

    package init(_ handler: Handler) { self.handler = handler }

    package func execute(
        _ control: ControlWord, input: UnsafeRawBufferPointer, output: UnsafeMutableRawBufferPointer
    ) -> ResultWord {
        guard let definition = CallCatalogue.definition(of: control.code) else {
            return ResultWord(.invalidHypercallCode)
        }
        let form = definition.form
        do throws(HypercallStatus) {
            try form.check(control, inputCount: input.count, outputCount: output.count)
            let call = HypercallArguments(
                control: control, form: form, input: ByteReader(input), output: ByteWriter(output))
            let outcome = try dispatch(definition.group, call)
            if form.repetition == nil { return ResultWord(outcome.status) }
            return ResultWord(outcome.status, repsCompleted: control.repStart + outcome.completed)
        } catch {
            // What was complete before this call stays complete.
            return ResultWord(error, repsCompleted: form.repetition == nil ? 0 : control.repStart)
        }
    }

    private func dispatch(_ group: CallGroup, _ call: HypercallArguments) throws(HypercallStatus) -> RepOutcome {
        switch group {
        case .partitions: try partitions(call)
        case .memory: try memory(call)
        case .processors: try processors(call)
        case .processorState: try processorState(call)
        case .interrupts: try interrupts(call)
        case .synIC: try synIC(call)
        case .properties: try properties(call)
        case .statistics: try statistics(call)
        case .devices: try devices(call)
        }
    }
}

/// A call whose control word and sizes fit its form.
struct HypercallArguments {
    let control: ControlWord
    let form: CallForm
    let input: ByteReader
    let output: ByteWriter

    /// The repetitions that are still to do; the first of them is the control word's start index.
    var range: Range<Int> { control.repStart..<max(control.repStart, control.repCount) }

    /// Where the repetitions' input begins, behind the fixed part and the variable header.
    var listOffset: Int { form.inputSize + 8 * control.variableHeaderSize }

    /// The variable header's 64-bit words.
    func variableHeader() throws(HypercallStatus) -> [UInt64] {
        try words(control.variableHeaderSize, at: form.inputSize)
    }

    /// The list of 64-bit elements, from the first repetition that is still to do.
    func list() throws(HypercallStatus) -> [UInt64] {
        try words(range.count, at: listOffset + 8 * range.lowerBound)
    }

    private func words(_ count: Int, at offset: Int) throws(HypercallStatus) -> [UInt64] {
        var words: [UInt64] = []
        words.reserveCapacity(count)
        for index in 0..<count { words.append(try input.read(UInt64.self, at: offset + 8 * index)) }
        return words
    }
}

extension RepOutcome {
    /// How a simple call ends well.
    static let done = RepOutcome(0, .success)
}
