import HypercallABI

extension CallCatalogue {
    /// Virtual processors and their registers (TLFS, "Virtual Processor Management").
    static let processors: [CallDefinition] = [
        CallDefinition(
            .createVp, .processors, CallForm(inputSize: CreateVPInput.size),
            "Makes a virtual processor. It costs pages of the partition's pool.",
            input: "hv_create_vp",
            statuses: [
                .invalidPartitionId, .invalidPartitionState, .invalidVpIndex, .invalidParameter, .insufficientMemory,
                .operationFailed,
            ],
            mshv: .ioctl("MSHV_CREATE_VP")),
        CallDefinition(
            .deleteVp, .processors, CallForm(inputSize: DeleteVPInput.size, isFast: true),
            "Deletes a virtual processor.",
            input: "hv_input_delete_vp",
            statuses: [.invalidPartitionId, .invalidPartitionState, .invalidVpIndex], mshv: .driverOnly),
        CallDefinition(
            .getVpRegisters, .processors,
            CallForm(
                inputSize: VPRegistersInput.size,
                repetition: CallForm.Repetition(
                    inputSize: VPRegistersInput.nameSize, outputSize: RegisterValue.size, batch: 256)),
            "Reads registers of a virtual processor.",
            input: "hv_input_get_vp_registers", output: "hv_register_value[]",
            statuses: [.invalidPartitionId, .invalidPartitionState, .invalidVpIndex, .invalidParameter],
            mshv: .rootHvcall),
        CallDefinition(
            .setVpRegisters, .processors,
            CallForm(
                inputSize: VPRegistersInput.size,
                repetition: CallForm.Repetition(inputSize: RegisterAssociation.size, batch: 127)),
            "Sets registers of a virtual processor.",
            input: "hv_input_set_vp_registers",
            statuses: [
                .invalidPartitionId, .invalidPartitionState, .invalidVpIndex, .invalidParameter,
                .invalidRegisterValue,
            ],
            mshv: .rootHvcall),
    ]
}
