import HypercallABI

extension HypercallDispatcher {
    func properties(_ call: HypercallArguments) throws(HypercallStatus) -> RepOutcome {
        switch call.control.code {
        case .getPartitionPropertyEx:
            try handler.getPartitionPropertyEx(GetPartitionPropertyExInput(decoding: call.input)).encode(
                into: call.output)
        case .getSystemProperty:
            let value = try handler.getSystemProperty(GetSystemPropertyInput(decoding: call.input))
            try call.output.write(value, at: 0)
        case .setSystemProperty: try handler.setSystemProperty(SetSystemPropertyInput(decoding: call.input))
        default: throw HypercallStatus.invalidHypercallCode
        }
        return .done
    }
}
