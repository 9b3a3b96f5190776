import HypercallABI

extension HypercallDispatcher {
    func interrupts(_ call: HypercallArguments) throws(HypercallStatus) -> RepOutcome {
        switch call.control.code {
        case .assertVirtualInterrupt:
            try handler.assertVirtualInterrupt(AssertVirtualInterruptInput(decoding: call.input))
        default: throw HypercallStatus.invalidHypercallCode
        }
        return .done
    }
}
