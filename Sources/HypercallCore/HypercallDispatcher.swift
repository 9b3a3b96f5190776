import HypercallABI

/// The answerers' side of the waist: checks the control word, parses the bytes once, calls the handler's method and
/// writes what it returns.
package struct HypercallDispatcher<Handler: HypercallHandler>: HypercallPort {
    private let handler: Handler

    package init(_ handler: Handler) { self.handler = handler }

    package func execute(
        _ control: ControlWord, input: UnsafeRawBufferPointer, output: UnsafeMutableRawBufferPointer
    ) -> ResultWord {
        guard let form = CallForm.of(control.code) else { return ResultWord(.invalidHypercallCode) }
        do throws(HypercallStatus) {
            try form.check(control, inputCount: input.count, outputCount: output.count)
            let call = Call(control: control, input: ByteReader(input), output: ByteWriter(output))
            if form.repetition == nil {
                try simple(call)
                return ResultWord(.success)
            }
            let outcome = try repeated(call)
            return ResultWord(outcome.status, repsCompleted: control.repStart + outcome.completed)
        } catch {
            // What was complete before this call stays complete.
            return ResultWord(error, repsCompleted: form.repetition == nil ? 0 : control.repStart)
        }
    }

    private struct Call {
        let control: ControlWord
        let input: ByteReader
        let output: ByteWriter

        /// The repetitions that are still to do.
        var range: Range<Int> { control.repStart..<max(control.repStart, control.repCount) }

        /// The 64-bit list behind a head of `offset` bytes, from the first repetition that is still to do.
        func pageList(behind offset: Int) throws(HypercallStatus) -> [UInt64] {
            var pages: [UInt64] = []
            pages.reserveCapacity(range.count)
            for index in range { pages.append(try input.read(UInt64.self, at: offset + 8 * index)) }
            return pages
        }
    }

    private func simple(_ call: Call) throws(HypercallStatus) {
        switch call.control.code {
        case .createPartition:
            let partition = try handler.createPartition(CreatePartitionInput(decoding: call.input))
            try PartitionIDField(partition).encode(into: call.output)
        case .initializePartition:
            try handler.initializePartition(PartitionIDField(decoding: call.input).partition)
        case .finalizePartition:
            try handler.finalizePartition(PartitionIDField(decoding: call.input).partition)
        case .deletePartition:
            try handler.deletePartition(PartitionIDField(decoding: call.input).partition)
        case .getPartitionProperty:
            let value = try handler.getPartitionProperty(GetPartitionPropertyInput(decoding: call.input))
            try call.output.write(value, at: 0)
        case .setPartitionProperty:
            try handler.setPartitionProperty(SetPartitionPropertyInput(decoding: call.input))
        case .createVp:
            try handler.createVP(CreateVPInput(decoding: call.input))
        case .deleteVp:
            try handler.deleteVP(DeleteVPInput(decoding: call.input))
        default:
            throw HypercallStatus.invalidHypercallCode
        }
    }

    private func repeated(_ call: Call) throws(HypercallStatus) -> RepOutcome {
        switch call.control.code {
        case .depositMemory:
            return handler.depositMemory(
                try DepositMemoryInput(decoding: call.input), pages: try call.pageList(behind: DepositMemoryInput.size))
        case .withdrawMemory:
            let input = try WithdrawMemoryInput(decoding: call.input)
            let (pages, status) = handler.withdrawMemory(input, maximum: call.range.count)
            for (index, page) in zip(call.range, pages) { try call.output.write(page, at: 8 * index) }
            return RepOutcome(min(pages.count, call.range.count), status)
        case .mapGpaPages:
            var input = try MapGPAPagesInput(decoding: call.input)
            input.gpaPage = try advance(input.gpaPage, by: call, isLarge: input.flags.contains(.largePage))
            return handler.mapGPAPages(input, sources: try call.pageList(behind: MapGPAPagesInput.size))
        case .unmapGpaPages:
            var input = try UnmapGPAPagesInput(decoding: call.input)
            input.gpaPage = try advance(input.gpaPage, by: call, isLarge: input.flags.contains(.largePage))
            return handler.unmapGPAPages(input, count: call.range.count)
        case .getVpRegisters:
            let input = try VPRegistersInput(decoding: call.input)
            var names: [RegisterName] = []
            for index in call.range {
                let offset = VPRegistersInput.size + VPRegistersInput.nameSize * index
                names.append(RegisterName(rawValue: try call.input.read(UInt32.self, at: offset)))
            }
            let (values, status) = handler.getVPRegisters(input, names: names)
            for (index, value) in zip(call.range, values) {
                try value.encode(into: call.output.from(RegisterValue.size * index))
            }
            return RepOutcome(min(values.count, names.count), status)
        case .setVpRegisters:
            return try setVPRegisters(call)
        default:
            throw HypercallStatus.invalidHypercallCode
        }
    }

    /// A malformed element stops the call there; those before it are set.
    private func setVPRegisters(_ call: Call) throws(HypercallStatus) -> RepOutcome {
        let input = try VPRegistersInput(decoding: call.input)
        var registers: [RegisterAssociation] = []
        var malformed: HypercallStatus?
        for index in call.range {
            do throws(HypercallStatus) {
                let bytes = try call.input.from(VPRegistersInput.size + RegisterAssociation.size * index)
                registers.append(try RegisterAssociation(decoding: bytes))
            } catch {
                malformed = error
                break
            }
        }
        var outcome = RepOutcome(0, .success)
        if !registers.isEmpty { outcome = handler.setVPRegisters(input, registers: registers) }
        if outcome.status == .success, let malformed { outcome.status = malformed }
        return outcome
    }

    private func advance(_ page: UInt64, by call: Call, isLarge: Bool) throws(HypercallStatus) -> UInt64 {
        let (result, overflow) = page.addingReportingOverflow(UInt64(call.control.repStart) * (isLarge ? 512 : 1))
        if overflow { throw HypercallStatus.invalidParameter }
        return result
    }
}
