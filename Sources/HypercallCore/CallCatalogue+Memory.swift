import HypercallABI

extension CallCatalogue {
    /// Deposited memory and guest memory (TLFS 5).
    static let memory: [CallDefinition] = [
        CallDefinition(
            .depositMemory, .memory,
            CallForm(
                inputSize: DepositMemoryInput.size,
                repetition: CallForm.Repetition(inputSize: DepositMemoryInput.elementSize, batch: 511)),
            "Gives pages of the root to the hypervisor, for what it keeps about a partition.",
            input: "hv_deposit_memory",
            statuses: [.invalidPartitionId, .invalidParameter, .operationDenied], mshv: .driverOnly),
        CallDefinition(
            .withdrawMemory, .memory,
            CallForm(
                inputSize: WithdrawMemoryInput.size,
                repetition: CallForm.Repetition(outputSize: WithdrawMemoryInput.outputElementSize, batch: 512)),
            "Takes back deposited pages that a partition does not use. `noResources` comes with those there were.",
            input: "hv_input_withdraw_memory", output: "hv_output_withdraw_memory",
            statuses: [.invalidPartitionId, .noResources], mshv: .driverOnly),
        CallDefinition(
            .mapGpaPages, .memory,
            CallForm(
                inputSize: MapGPAPagesInput.size,
                repetition: CallForm.Repetition(inputSize: MapGPAPagesInput.elementSize, batch: 509)),
            "Makes pages of the root guest memory, in pages of 4 KiB or 2 MiB.",
            input: "hv_input_map_gpa_pages",
            statuses: [
                .invalidPartitionId, .invalidPartitionState, .invalidParameter, .operationDenied, .insufficientMemory,
                .operationFailed,
            ],
            mshv: .ioctl("MSHV_SET_GUEST_MEMORY")),
        CallDefinition(
            .unmapGpaPages, .memory,
            CallForm(inputSize: UnmapGPAPagesInput.size, repetition: CallForm.Repetition(batch: 512)),
            "Takes guest memory away.",
            input: "hv_input_unmap_gpa_pages",
            statuses: [.invalidPartitionId, .invalidPartitionState, .invalidParameter, .operationFailed],
            mshv: .ioctl("MSHV_SET_GUEST_MEMORY")),
    ]
}
