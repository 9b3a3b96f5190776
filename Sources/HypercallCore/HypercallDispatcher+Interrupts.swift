import HypercallABI

extension HypercallDispatcher {
    func interrupts(_ call: HypercallArguments) throws(HypercallStatus) -> RepOutcome {
        switch call.control.code {
        case .assertVirtualInterrupt:
            try handler.assertVirtualInterrupt(AssertVirtualInterruptInput(decoding: call.input))
        case .clearVirtualInterrupt:
            try handler.clearVirtualInterrupt(PartitionIDField(decoding: call.input).partition)
        case .mapDeviceInterrupt:
            let entry = try handler.mapDeviceInterrupt(
                MapDeviceInterruptInput(decoding: call.input), header: call.variableHeader())
            try call.output.zero(MapDeviceInterruptInput.outputSize)
            try entry.encode(into: call.output)
        case .unmapDeviceInterrupt:
            try handler.unmapDeviceInterrupt(UnmapDeviceInterruptInput(decoding: call.input))
        case .retargetInterrupt:
            try handler.retargetInterrupt(
                RetargetInterruptInput(decoding: call.input), header: call.variableHeader())
        default: throw HypercallStatus.invalidHypercallCode
        }
        return .done
    }
}
