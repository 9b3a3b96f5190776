import HypercallABI

extension HypercallDispatcher {
    func processorState(_ call: HypercallArguments) throws(HypercallStatus) -> RepOutcome {
        switch call.control.code {
        case .installIntercept: try handler.installIntercept(InstallInterceptInput(decoding: call.input))
        case .registerInterceptResult:
            try handler.registerInterceptResult(RegisterInterceptResultInput(decoding: call.input))
        case .translateVirtualAddress:
            try handler.translateGVA(TranslateGVAInput(decoding: call.input)).encode(into: call.output)
        case .translateVirtualAddressEx:
            try handler.translateGVA(TranslateGVAInput(decoding: call.input)).encodeExtended(into: call.output)
        case .getVpState:
            let timers = try handler.getVPState(VPStateInput(decoding: call.input), header: call.variableHeader())
            try call.output.zero(VPStateInput.outputSize)
            try timers?.encode(into: call.output)
        case .setVpState:
            try handler.setVPState(VPStateInput(decoding: call.input), header: call.variableHeader())
        case .mapVpStatePage:
            let page = try handler.mapVPStatePage(MapVPStatePageInput(decoding: call.input))
            try call.output.write(page, at: 0)
        case .unmapVpStatePage: try handler.unmapVPStatePage(UnmapVPStatePageInput(decoding: call.input))
        case .getVpCpuidValues: return try cpuidValues(call)
        case .dispatchVp: try handler.dispatchVP(DispatchVPInput(decoding: call.input)).encode(into: call.output)
        case .startVp: try handler.startVP(StartVPInput(decoding: call.input))
        case .enableVpVtl: try handler.enableVPVTL(StartVPInput(decoding: call.input))
        case .getVpIndexFromApicId: return try vpIndices(call)
        case .getLogicalProcessorRunTime:
            try handler.logicalProcessorRunTime(LogicalProcessorIndex(decoding: call.input).index).encode(
                into: call.output)
        default: throw HypercallStatus.invalidHypercallCode
        }
        return .done
    }

    private func cpuidValues(_ call: HypercallArguments) throws(HypercallStatus) -> RepOutcome {
        let input = try CPUIDValuesInput(decoding: call.input)
        var leaves: [CPUIDLeaf] = []
        for index in call.range {
            leaves.append(try CPUIDLeaf(decoding: call.input.from(call.listOffset + CPUIDLeaf.size * index)))
        }
        let (values, status) = handler.getVPCPUIDValues(input, leaves: leaves)
        for (index, value) in zip(call.range, values) {
            try value.encode(into: call.output.from(CPUIDRegisters.size * index))
        }
        return RepOutcome(min(values.count, leaves.count), status)
    }

    private func vpIndices(_ call: HypercallArguments) throws(HypercallStatus) -> RepOutcome {
        let input = try VPIndexFromAPICIDInput(decoding: call.input)
        var ids: [UInt32] = []
        for index in call.range { ids.append(try call.input.read(UInt32.self, at: call.listOffset + 4 * index)) }
        let (indices, status) = handler.getVPIndices(input, apicIDs: ids)
        for (index, vp) in zip(call.range, indices) { try call.output.write(vp, at: 4 * index) }
        return RepOutcome(min(indices.count, ids.count), status)
    }
}
