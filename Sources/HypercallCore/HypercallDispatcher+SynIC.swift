import HypercallABI

extension HypercallDispatcher {
    func synIC(_ call: HypercallArguments) throws(HypercallStatus) -> RepOutcome {
        switch call.control.code {
        default: throw HypercallStatus.invalidHypercallCode
        }
    }
}
