import HypercallABI

extension CallCatalogue {
    /// What a processor has beside its registers, what it does with intercepts, and addresses as it sees them.
    static let processorState: [CallDefinition] = intercepts + translation + states + control

    private static let ofProcessor: [HypercallStatus] = [
        .invalidPartitionId, .invalidPartitionState, .invalidVpIndex, .invalidParameter,
    ]

    private static let intercepts: [CallDefinition] = [
        CallDefinition(
            .installIntercept, .processorState, CallForm(inputSize: InstallInterceptInput.size),
            "Says which actions of a guest come to its parent; without access it takes the wish back.",
            input: "hv_input_install_intercept",
            statuses: [.invalidPartitionId, .invalidPartitionState, .invalidParameter, .featureUnavailable],
            mshv: .rootHvcall),
        CallDefinition(
            .registerInterceptResult, .processorState, CallForm(inputSize: RegisterInterceptResultInput.size),
            "Says what CPUID gives a processor, or what its accesses to an MSR do that the hypervisor does not have. "
                + "What was said last of the same leaf or MSR counts.",
            input: "hv_input_register_intercept_result", statuses: ofProcessor + [.noResources], mshv: .rootHvcall),
    ]

    private static let translation: [CallDefinition] = [
        CallDefinition(
            .translateVirtualAddress, .processorState,
            CallForm(inputSize: TranslateGVAInput.size, outputSize: TranslateGVAOutput.size),
            "Translates a virtual address as a processor would now. The output tells why it can't be.",
            input: "hv_input_translate_virtual_address", output: "hv_output_translate_virtual_address",
            statuses: ofProcessor + [.featureUnavailable], mshv: .rootHvcall),
        CallDefinition(
            .translateVirtualAddressEx, .processorState,
            CallForm(inputSize: TranslateGVAInput.size, outputSize: TranslateGVAOutput.extendedSize),
            "Translates a virtual address; the output has room for the exception that an access would bring, which "
                + "stays zero here.",
            input: "hv_input_translate_virtual_address", output: "hv_output_translate_virtual_address_ex",
            statuses: ofProcessor + [.featureUnavailable], mshv: .none),
    ]

    private static let states: [CallDefinition] = [
        CallDefinition(
            .getVpState, .processorState,
            CallForm(inputSize: VPStateInput.size, outputSize: VPStateInput.outputSize, hasVariableHeader: true),
            "Reads a processor's local APIC, XSAVE area, SIM or SIEF page into pages of the root, or its synthetic "
                + "timers into the output.",
            input: "hv_input_get_vp_state", output: "hv_output_get_vp_state",
            statuses: ofProcessor + [.insufficientBuffer, .operationDenied, .featureUnavailable],
            mshv: .ioctl("MSHV_GET_VP_STATE")),
        CallDefinition(
            .setVpState, .processorState, CallForm(inputSize: VPStateInput.size, hasVariableHeader: true),
            "Sets a processor's local APIC, XSAVE area, SIM or SIEF page from pages of the root, or its synthetic "
                + "timers from the input.",
            input: "hv_input_set_vp_state",
            statuses: ofProcessor + [.insufficientBuffer, .operationDenied, .featureUnavailable],
            mshv: .ioctl("MSHV_SET_VP_STATE")),
        CallDefinition(
            .mapVpStatePage, .processorState,
            CallForm(inputSize: MapVPStatePageInput.size, outputSize: MapVPStatePageInput.outputSize),
            "Shares a page with the one who runs a processor: of the registers, or of the intercept message.",
            input: "hv_input_map_vp_state_page", output: "hv_output_map_vp_state_page",
            statuses: ofProcessor + [.objectInUse, .operationDenied, .insufficientMemory, .featureUnavailable],
            mshv: .driverOnly),
        CallDefinition(
            .unmapVpStatePage, .processorState, CallForm(inputSize: UnmapVPStatePageInput.size),
            "Ends the sharing of a processor's page.",
            input: "hv_input_unmap_vp_state_page", statuses: ofProcessor + [.notFound], mshv: .driverOnly),
        CallDefinition(
            .getVpCpuidValues, .processorState,
            CallForm(
                inputSize: CPUIDValuesInput.size,
                repetition: CallForm.Repetition(
                    inputSize: CPUIDLeaf.size, outputSize: CPUIDValuesInput.outputElementSize, batch: 169)),
            "Tells what CPUID gives a processor's guest. XCR0 and IA32_XSS are always the processor's own.",
            input: "hv_input_get_vp_cpuid_values", output: "hv_output_get_vp_cpuid_values[]",
            statuses: ofProcessor + [.featureUnavailable], mshv: .rootHvcall),
    ]

    private static let control: [CallDefinition] = [
        CallDefinition(
            .dispatchVp, .processorState,
            CallForm(inputSize: DispatchVPInput.size, outputSize: DispatchVPOutput.size),
            "Runs a processor on the caller's thread until it has something for its parent, is suspended or cancelled.",
            input: "hv_input_dispatch_vp", output: "hv_output_dispatch_vp",
            statuses: ofProcessor + [.invalidVpState, .featureUnavailable, .operationFailed],
            mshv: .ioctl("MSHV_RUN_VP")),
        CallDefinition(
            .startVp, .processorState, CallForm(inputSize: StartVPInput.size),
            "Gives a processor that never ran its first registers and lets it run without INIT and SIPI.",
            input: "hv_enable_vp_vtl",
            statuses: ofProcessor + [.invalidVpState, .invalidRegisterValue, .featureUnavailable], mshv: .none),
        CallDefinition(
            .enableVpVtl, .processorState, CallForm(inputSize: StartVPInput.size),
            "Enables a higher trust level on a processor. There is only level 0 here.",
            input: "hv_enable_vp_vtl", statuses: ofProcessor + [.featureUnavailable], mshv: .none),
        CallDefinition(
            .getVpIndexFromApicId, .processorState,
            CallForm(
                inputSize: VPIndexFromAPICIDInput.size,
                repetition: CallForm.Repetition(
                    inputSize: VPIndexFromAPICIDInput.elementSize, outputSize: VPIndexFromAPICIDInput.elementSize,
                    batch: 1020)),
            "Tells the processors that have these APIC ids. An id is the processor's index here.",
            input: "hv_get_vp_from_apic_id_in", output: "u32[]",
            statuses: [.invalidPartitionId, .invalidPartitionState, .invalidParameter], mshv: .none),
        CallDefinition(
            .getLogicalProcessorRunTime, .processorState,
            CallForm(inputSize: LogicalProcessorIndex.size, outputSize: LogicalProcessorRunTime.size),
            "Tells how long a processor of the host was busy, in units of 100 ns.",
            input: "hv_input_get_logical_processor_run_time", output: "hv_output_get_logical_processor_run_time",
            statuses: [.invalidLpIndex, .operationFailed], mshv: .driverOnly),
    ]
}
