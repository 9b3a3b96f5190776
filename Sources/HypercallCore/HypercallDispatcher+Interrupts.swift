import HypercallABI

extension HypercallDispatcher {
    func interrupts(_ call: HypercallArguments) throws(HypercallStatus) -> RepOutcome {
        switch call.control.code {
        default: throw HypercallStatus.invalidHypercallCode
        }
    }
}
