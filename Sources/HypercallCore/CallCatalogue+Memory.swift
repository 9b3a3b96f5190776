import HypercallABI

extension CallCatalogue {
    /// Deposited memory and guest memory (TLFS, "Guest Physical Address Spaces").
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
        CallDefinition(
            .getGpaPagesAccessStates, .memory,
            CallForm(
                inputSize: GetGPAAccessStatesInput.size,
                repetition: CallForm.Repetition(
                    outputSize: GetGPAAccessStatesInput.outputElementSize, batch: 4095)),
            "Tells of guest pages whether they were accessed and written, and clears or sets that. The partition's "
                + "property for tracking must be on. A page that is mapped counts as accessed always, and as written "
                + "from when it is mapped until that is cleared; one without memory as neither.",
            input: "hv_input_get_gpa_pages_access_state", output: "hv_gpa_page_access_state[]",
            statuses: [.invalidPartitionId, .invalidPartitionState, .invalidParameter, .featureUnavailable],
            mshv: .ioctl("MSHV_GET_GPAP_ACCESS_BITMAP")),
        CallDefinition(
            .readGpa, .memory, CallForm(inputSize: AccessGPAInput.size, outputSize: ReadGPAOutput.size),
            "Reads up to 16 bytes of guest memory. The output tells when there is none or the page intercepts.",
            input: "hv_input_read_gpa", output: "hv_output_read_gpa",
            statuses: [.invalidPartitionId, .invalidPartitionState, .invalidVpIndex, .invalidParameter], mshv: .none),
        CallDefinition(
            .writeGpa, .memory, CallForm(inputSize: WriteGPAInput.size, outputSize: WriteGPAInput.outputSize),
            "Writes up to 16 bytes of guest memory. The output tells when there is none or the page intercepts; "
                + "nothing is written then.",
            input: "hv_input_write_gpa", output: "hv_output_write_gpa",
            statuses: [.invalidPartitionId, .invalidPartitionState, .invalidVpIndex, .invalidParameter], mshv: .none),
        CallDefinition(
            .acquireSparseSpaPageHostAccess, .memory, hostAccess,
            "Gives the root access again to pages that an isolated guest had for itself. There are no isolated guests "
                + "here, so the pages are checked and nothing changes.",
            input: "hv_input_modify_sparse_spa_page_host_access",
            statuses: [.invalidPartitionId, .invalidPartitionState, .invalidParameter, .operationDenied],
            mshv: .driverOnly),
        CallDefinition(
            .releaseSparseSpaPageHostAccess, .memory, hostAccess,
            "Takes access to pages from the root, for an isolated guest. There are none here.",
            input: "hv_input_modify_sparse_spa_page_host_access",
            statuses: [
                .invalidPartitionId, .invalidPartitionState, .invalidParameter, .operationDenied, .featureUnavailable,
            ],
            mshv: .driverOnly),
    ]

    private static let hostAccess = CallForm(
        inputSize: SPAHostAccessInput.size,
        repetition: CallForm.Repetition(inputSize: SPAHostAccessInput.elementSize, batch: 510))
}
