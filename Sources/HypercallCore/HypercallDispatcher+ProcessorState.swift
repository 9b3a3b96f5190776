import HypercallABI

extension HypercallDispatcher {
    func processorState(_ call: HypercallArguments) throws(HypercallStatus) -> RepOutcome {
        switch call.control.code {
        default: throw HypercallStatus.invalidHypercallCode
        }
    }
}
