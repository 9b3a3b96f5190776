import HypercallABI

extension HypercallDispatcher {
    func properties(_ call: HypercallArguments) throws(HypercallStatus) -> RepOutcome {
        switch call.control.code {
        case .getPartitionPropertyEx:
            try handler.getPartitionPropertyEx(GetPartitionPropertyExInput(decoding: call.input)).encode(
                into: call.output)
        default: throw HypercallStatus.invalidHypercallCode
        }
        return .done
    }
}
