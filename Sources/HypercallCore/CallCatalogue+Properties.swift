import HypercallABI

extension CallCatalogue {
    /// Properties that are more than 64 bits, and those of the system.
    static let properties: [CallDefinition] = [
        CallDefinition(
            .getPartitionPropertyEx, .properties,
            CallForm(
                inputSize: GetPartitionPropertyExInput.size, outputSize: GetPartitionPropertyExInput.outputSize),
            "Reads a property of more than 64 bits: the capabilities of the one who manages partitions, or what a guest "
                + "may find of the hypervisor. It is masks of 64 bits behind their number.",
            input: "hv_input_get_partition_property_ex", output: "hv_output_get_partition_property_ex",
            statuses: [.invalidPartitionId, .unknownProperty, .invalidParameter], mshv: .rootHvcall),
        CallDefinition(
            .getSystemProperty, .properties,
            CallForm(inputSize: GetSystemPropertyInput.size, outputSize: GetSystemPropertyInput.outputSize),
            "Reads a property of the machine: who schedules processors, how many encrypted partitions there can be.",
            input: "hv_input_get_system_property", output: "hv_output_get_system_property",
            statuses: [.unknownProperty, .accessDenied, .featureUnavailable, .invalidParameter], mshv: .driverOnly),
        CallDefinition(
            .setSystemProperty, .properties, CallForm(inputSize: SetSystemPropertyInput.size),
            "Sets a property of the machine: how it sleeps.",
            input: "hv_input_set_system_property",
            statuses: [.unknownProperty, .accessDenied, .propertyValueOutOfRange, .invalidParameter],
            mshv: .driverOnly),
    ]
}
