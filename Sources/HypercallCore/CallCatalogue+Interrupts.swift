import HypercallABI

extension CallCatalogue {
    /// Virtual interrupts and those of devices.
    static let interrupts: [CallDefinition] = [
        CallDefinition(
            .assertVirtualInterrupt, .interrupts, CallForm(inputSize: AssertVirtualInterruptInput.size),
            "Delivers an interrupt to a partition's local APICs. The end of a level-triggered one is told to the root.",
            input: "hv_input_assert_virtual_interrupt",
            statuses: [.invalidPartitionId, .invalidPartitionState, .invalidParameter, .operationFailed],
            mshv: .rootHvcall)
    ]
}
