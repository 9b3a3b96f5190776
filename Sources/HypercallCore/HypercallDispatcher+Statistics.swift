import HypercallABI

extension HypercallDispatcher {
    func statistics(_ call: HypercallArguments) throws(HypercallStatus) -> RepOutcome {
        switch call.control.code {
        default: throw HypercallStatus.invalidHypercallCode
        }
    }
}
