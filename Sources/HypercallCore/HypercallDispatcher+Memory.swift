import HypercallABI

extension HypercallDispatcher {
    func memory(_ call: HypercallArguments) throws(HypercallStatus) -> RepOutcome {
        switch call.control.code {
        case .depositMemory:
            return handler.depositMemory(
                try DepositMemoryInput(decoding: call.input), pages: try call.list())
        case .withdrawMemory:
            let input = try WithdrawMemoryInput(decoding: call.input)
            let (pages, status) = handler.withdrawMemory(input, maximum: call.range.count)
            for (index, page) in zip(call.range, pages) { try call.output.write(page, at: 8 * index) }
            return RepOutcome(min(pages.count, call.range.count), status)
        case .mapGpaPages:
            var input = try MapGPAPagesInput(decoding: call.input)
            input.gpaPage = try advance(input.gpaPage, by: call, isLarge: input.flags.contains(.largePage))
            return handler.mapGPAPages(input, sources: try call.list())
        case .unmapGpaPages:
            var input = try UnmapGPAPagesInput(decoding: call.input)
            input.gpaPage = try advance(input.gpaPage, by: call, isLarge: input.flags.contains(.largePage))
            return handler.unmapGPAPages(input, count: call.range.count)
        case .getGpaPagesAccessStates:
            var input = try GetGPAAccessStatesInput(decoding: call.input)
            input.gpaPage = try advance(input.gpaPage, by: call, isLarge: false)
            let (states, status) = handler.getGPAAccessStates(input, count: call.range.count)
            for (index, state) in zip(call.range, states) { try call.output.write(state.rawValue, at: index) }
            return RepOutcome(min(states.count, call.range.count), status)
        case .readGpa:
            try handler.readGPA(AccessGPAInput(decoding: call.input)).encode(into: call.output)
            return .done
        case .writeGpa:
            let result = try handler.writeGPA(WriteGPAInput(decoding: call.input))
            try call.output.write(UInt64(result.rawValue), at: 0)
            return .done
        case .acquireSparseSpaPageHostAccess:
            return handler.acquireSPAHostAccess(
                try SPAHostAccessInput(decoding: call.input), pages: try call.list())
        case .releaseSparseSpaPageHostAccess:
            return handler.releaseSPAHostAccess(
                try SPAHostAccessInput(decoding: call.input), pages: try call.list())
        default: return try isolation(call)
        }
    }

    private func advance(_ page: UInt64, by call: HypercallArguments, isLarge: Bool) throws(HypercallStatus) -> UInt64 {
        let (result, overflow) = page.addingReportingOverflow(UInt64(call.control.repStart) * (isLarge ? 512 : 1))
        if overflow { throw HypercallStatus.invalidParameter }
        return result
    }
}
