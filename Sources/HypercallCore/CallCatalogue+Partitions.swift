import HypercallABI

extension CallCatalogue {
    /// The life of partitions (TLFS, "Partition Management").
    static let partitions: [CallDefinition] = [
        CallDefinition(
            .createPartition, .partitions,
            CallForm(inputSize: CreatePartitionInput.size, outputSize: PartitionIDField.size),
            "Makes a partition, which is not yet initialized. It costs pages of the root's own pool.",
            input: "hv_input_create_partition", output: "hv_output_create_partition",
            statuses: [.invalidParameter, .featureUnavailable, .insufficientMemory],
            mshv: .ioctl("MSHV_CREATE_PARTITION")),
        CallDefinition(
            .initializePartition, .partitions, CallForm(inputSize: PartitionIDField.size, isFast: true),
            "Makes a created partition ready for memory and processors. It costs pages of the partition's pool.",
            input: "hv_input_initialize_partition",
            statuses: [.invalidPartitionId, .invalidPartitionState, .insufficientMemory, .operationFailed],
            mshv: .ioctl("MSHV_INITIALIZE_PARTITION")),
        CallDefinition(
            .finalizePartition, .partitions, CallForm(inputSize: PartitionIDField.size, isFast: true),
            "Ends a partition: its processors and its memory are gone, its deposited pages can be withdrawn.",
            input: "hv_input_finalize_partition",
            statuses: [.invalidPartitionId, .invalidPartitionState], mshv: .driverOnly),
        CallDefinition(
            .deletePartition, .partitions, CallForm(inputSize: PartitionIDField.size, isFast: true),
            "Deletes a finalized partition (or one never initialized) whose deposited pages are withdrawn.",
            input: "hv_input_delete_partition",
            statuses: [.invalidPartitionId, .invalidPartitionState], mshv: .driverOnly),
        CallDefinition(
            .getPartitionProperty, .partitions,
            CallForm(inputSize: GetPartitionPropertyInput.size, outputSize: GetPartitionPropertyInput.outputSize),
            "Reads a 64-bit property of a partition.",
            input: "hv_input_get_partition_property", output: "hv_output_get_partition_property",
            statuses: [.invalidPartitionId, .unknownProperty, .invalidParameter], mshv: .rootHvcall),
        CallDefinition(
            .setPartitionProperty, .partitions, CallForm(inputSize: SetPartitionPropertyInput.size),
            "Sets a 64-bit property of a partition.",
            input: "hv_input_set_partition_property",
            statuses: [
                .invalidPartitionId, .unknownProperty, .accessDenied, .propertyValueOutOfRange, .invalidPartitionState,
                .invalidCpuGroupId, .invalidParameter,
            ],
            mshv: .rootHvcall),
        CallDefinition(
            .getPartitionId, .partitions, CallForm(inputSize: NoInput.size, outputSize: PartitionIDField.size),
            "Tells the caller's own id. The root's is HV_PARTITION_ID_SELF here.",
            input: nil, output: "hv_output_get_partition_id", statuses: [], mshv: .driverOnly),
        CallDefinition(
            .getNextChildPartition, .partitions,
            CallForm(inputSize: NextChildPartitionInput.size, outputSize: PartitionIDField.size),
            "Tells the child of a partition that follows another one, by id; 0 is before the first and after the last.",
            input: "hv_input_get_next_child_partition", output: "hv_output_get_next_child_partition",
            statuses: [.invalidPartitionId], mshv: .none),
        CallDefinition(
            .notifyPartitionEvent, .partitions, CallForm(inputSize: NotifyPartitionEventInput.size),
            "Tells the hypervisor that the root crashes, or that it has started all processors.",
            input: "hv_input_notify_partition_event", statuses: [.invalidParameter], mshv: .driverOnly),
    ]
}
