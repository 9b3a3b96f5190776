import HypercallABI

extension CallCatalogue {
    /// Virtual interrupts and those of devices.
    static let interrupts: [CallDefinition] = [
        CallDefinition(
            .assertVirtualInterrupt, .interrupts, CallForm(inputSize: AssertVirtualInterruptInput.size),
            "Delivers an interrupt to a partition's local APICs. The end of a level-triggered one is told to the root.",
            input: "hv_input_assert_virtual_interrupt",
            statuses: [.invalidPartitionId, .invalidPartitionState, .invalidParameter, .operationFailed],
            mshv: .rootHvcall),
        CallDefinition(
            .clearVirtualInterrupt, .interrupts, CallForm(inputSize: PartitionIDField.size, isFast: true),
            "Takes back an external interrupt that a partition has not acknowledged. None is ever asserted here, so "
                + "that nothing changes.",
            input: "hv_input_clear_virtual_interrupt", statuses: [.invalidPartitionId, .invalidPartitionState],
            mshv: .rootHvcall),
        CallDefinition(
            .mapDeviceInterrupt, .interrupts,
            CallForm(
                inputSize: MapDeviceInterruptInput.size, outputSize: MapDeviceInterruptInput.outputSize,
                hasVariableHeader: true),
            "Lets a device interrupt processors of a partition. The output is what the device is to be set up with. "
                + "The variable header begins at the second word of the processor set, which the structure counts.",
            input: "hv_input_map_device_interrupt", output: "hv_output_map_device_interrupt",
            statuses: ofDevice + [.invalidVpIndex, .objectInUse, .noResources, .insufficientMemory],
            mshv: .driverOnly),
        CallDefinition(
            .unmapDeviceInterrupt, .interrupts, CallForm(inputSize: UnmapDeviceInterruptInput.size),
            "Ends what HvCallMapDeviceInterrupt began, by the entry that it gave.",
            input: "hv_input_unmap_device_interrupt", statuses: ofDevice + [.notFound], mshv: .driverOnly),
        CallDefinition(
            .retargetInterrupt, .interrupts,
            CallForm(inputSize: RetargetInterruptInput.size, hasVariableHeader: true),
            "Lets a device's interrupt go to other processors, or have another vector; the device is not set up anew. "
                + "The variable header begins at the second word of the processor set, which the structure counts.",
            input: "hv_retarget_device_interrupt",
            statuses: ofDevice + [.invalidVpIndex, .objectInUse, .notFound], mshv: .none),
    ]

    private static let ofDevice: [HypercallStatus] = [
        .invalidPartitionId, .invalidPartitionState, .invalidDeviceId, .invalidParameter,
    ]
}
