import HypercallABI

extension CallCatalogue {
    /// Devices, and device domains: what a device may reach through the IOMMU.
    static let devices: [CallDefinition] = assignment + domains + mmio

    private static let ofDevice: [HypercallStatus] = [.invalidPartitionId, .invalidPartitionState]
    private static let ofOwner: [HypercallStatus] = ofDevice + [.invalidParameter]
    private static let ofDomain: [HypercallStatus] = ofOwner + [.featureUnavailable, .operationDenied, .notFound]

    private static let assignment: [CallDefinition] = [
        CallDefinition(
            .attachDevice, .devices, CallForm(inputSize: AttachDeviceInput.size),
            "Gives a device of the root to a partition, which calls it by a logical name. It costs a page of the "
                + "partition's pool.",
            input: "hv_input_attach_device",
            statuses: ofOwner + [.invalidDeviceId, .invalidDeviceState, .keyAlreadyExists, .insufficientMemory],
            mshv: .none),
        CallDefinition(
            .detachDevice, .devices, CallForm(inputSize: PartitionDeviceInput.size),
            "Takes a device back from a partition.", input: "hv_input_detach_device",
            statuses: ofDevice + [.invalidDeviceId, .invalidDeviceState], mshv: .none),
        CallDefinition(
            .getIommuCapabilities, .devices,
            CallForm(inputSize: IOMMUCapabilitiesInput.size, outputSize: IOMMUCapabilities.size),
            "Tells what the IOMMU of a partition's devices can do.", input: "hv_input_get_iommu_capabilities",
            output: "hv_output_get_iommu_capabilities", statuses: ofOwner, mshv: .none),
        CallDefinition(
            .getLogicalDeviceProperty, .devices,
            CallForm(
                inputSize: LogicalDevicePropertyInput.size, outputSize: LogicalDevicePropertyInput.outputSize),
            "Tells a property of a partition's device: whether it is behind an IOMMU is the only one known.",
            input: "hv_input_get_logical_device_property", output: "hv_output_get_logical_device_property",
            statuses: ofOwner + [.invalidDeviceId, .unknownProperty], mshv: .none),
    ]

    private static let mmio: [CallDefinition] = [
        CallDefinition(
            .mmioRead, .devices, CallForm(inputSize: MMIOReadInput.size, outputSize: MMIOReadInput.outputSize),
            "Reads up to 64 bytes of the caller's memory-mapped I/O; the root's is its own memory here.",
            input: "hv_mmio_read_input", output: "hv_mmio_read_output",
            statuses: [.invalidParameter, .operationDenied], mshv: .none),
        CallDefinition(
            .mmioWrite, .devices, CallForm(inputSize: MMIOWriteInput.size),
            "Writes up to 64 bytes of the caller's memory-mapped I/O.", input: "hv_mmio_write_input",
            statuses: [.invalidParameter, .operationDenied], mshv: .none),
    ]

    private static let domains: [CallDefinition] = [
        CallDefinition(
            .createDeviceDomain, .devices, CallForm(inputSize: CreateDeviceDomainInput.size),
            "Makes a device domain, in which nothing is mapped. It costs a page of its partition's pool.",
            input: "hv_input_create_device_domain",
            statuses: ofOwner + [
                .featureUnavailable, .keyAlreadyExists, .insufficientDeviceDomains, .insufficientMemory,
            ],
            mshv: .none),
        CallDefinition(
            .deleteDeviceDomain, .devices, CallForm(inputSize: DeviceDomainName.size),
            "Deletes a device domain without devices, with all that is mapped in it.",
            input: "hv_input_delete_device_domain", statuses: ofDomain + [.objectInUse], mshv: .none),
        CallDefinition(
            .attachDeviceDomain, .devices, CallForm(inputSize: AttachDeviceDomainInput.size),
            "Puts a device from the default domain into another one.", input: "hv_input_attach_device_domain",
            statuses: ofOwner + [.featureUnavailable, .notFound, .invalidDeviceId, .deviceAlreadyInDomain],
            mshv: .none),
        CallDefinition(
            .detachDeviceDomain, .devices, CallForm(inputSize: PartitionDeviceInput.size),
            "Puts a device back into the default domain.", input: "hv_input_detach_device_domain",
            statuses: ofDevice + [.invalidDeviceId, .invalidDeviceState], mshv: .none),
        CallDefinition(
            .mapDeviceGpaPages, .devices,
            CallForm(
                inputSize: MapDeviceGPAPagesInput.size, repetition: CallForm.Repetition(inputSize: 8, batch: 507)),
            "Lets the devices of a domain reach pages of its partition. Page tables cost pages of the partition's pool.",
            input: "hv_input_map_device_gpa_pages",
            statuses: ofDomain + [.objectInUse, .insufficientMemory], mshv: .none),
        CallDefinition(
            .unmapDeviceGpaPages, .devices,
            CallForm(inputSize: UnmapDeviceGPAPagesInput.size, repetition: CallForm.Repetition(batch: 512)),
            "Takes pages from the devices of a domain. What is not mapped stays so.",
            input: "hv_input_unmap_device_gpa_pages", statuses: ofDomain, mshv: .none),
    ]
}
