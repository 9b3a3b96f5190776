import HypercallABI

extension HypercallClient {
    /// Delivers an interrupt to a partition's local APICs.
    package func assertVirtualInterrupt(_ input: AssertVirtualInterruptInput) throws(HypercallFailure) {
        try simple(.assertVirtualInterrupt, input) { _ in }
    }
}
