/// The code of a partition's property (HV_PARTITION_PROPERTY_CODE). Unknown codes survive a round trip.
package struct PartitionProperty: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    package var description: String { Self.names[self] ?? "property 0x" + String(rawValue, radix: 16) }
}

extension PartitionProperty {
    package static let privilegeFlags = PartitionProperty(rawValue: 0x00010000)
    package static let syntheticProcFeatures = PartitionProperty(rawValue: 0x00010001)
    package static let suspend = PartitionProperty(rawValue: 0x00020000)
    package static let cpuReserve = PartitionProperty(rawValue: 0x00020001)
    package static let cpuCap = PartitionProperty(rawValue: 0x00020002)
    package static let cpuWeight = PartitionProperty(rawValue: 0x00020003)
    package static let cpuGroupId = PartitionProperty(rawValue: 0x00020004)
    package static let integratedSchedulerEnabled = PartitionProperty(rawValue: 0x00020005)
    package static let timeFreeze = PartitionProperty(rawValue: 0x00030003)
    package static let referenceTime = PartitionProperty(rawValue: 0x00030005)
    package static let debugChannelId = PartitionProperty(rawValue: 0x00040000)
    package static let virtualTlbPageCount = PartitionProperty(rawValue: 0x00050000)
    package static let vsmConfig = PartitionProperty(rawValue: 0x00050001)
    package static let zeroMemoryOnReset = PartitionProperty(rawValue: 0x00050002)
    package static let processorsPerSocket = PartitionProperty(rawValue: 0x00050003)
    package static let nestedTlbSize = PartitionProperty(rawValue: 0x00050004)
    package static let gpaPageAccessTracking = PartitionProperty(rawValue: 0x00050005)
    package static let vsmPermissionsDirtySinceLastQuery = PartitionProperty(rawValue: 0x00050006)
    package static let sgxLaunchControlConfig = PartitionProperty(rawValue: 0x00050007)
    package static let defaultSgxLaunchControl0 = PartitionProperty(rawValue: 0x00050008)
    package static let defaultSgxLaunchControl1 = PartitionProperty(rawValue: 0x00050009)
    package static let defaultSgxLaunchControl2 = PartitionProperty(rawValue: 0x0005000A)
    package static let defaultSgxLaunchControl3 = PartitionProperty(rawValue: 0x0005000B)
    package static let isolationState = PartitionProperty(rawValue: 0x0005000C)
    package static let isolationControl = PartitionProperty(rawValue: 0x0005000D)
    package static let allocationId = PartitionProperty(rawValue: 0x0005000E)
    package static let monitoringId = PartitionProperty(rawValue: 0x0005000F)
    package static let implementedPhysicalAddressBits = PartitionProperty(rawValue: 0x00050010)
    package static let nonArchitecturalCoreSharing = PartitionProperty(rawValue: 0x00050011)
    package static let hypercallDoorbellPage = PartitionProperty(rawValue: 0x00050012)
    package static let isolationPolicy = PartitionProperty(rawValue: 0x00050014)
    package static let unimplementedMsrAction = PartitionProperty(rawValue: 0x00050017)
    package static let sevVmgexitOffloads = PartitionProperty(rawValue: 0x00050022)
    package static let partitionDiagBufferConfig = PartitionProperty(rawValue: 0x00050026)
    package static let processorVendor = PartitionProperty(rawValue: 0x00060000)
    package static let processorFeaturesDeprecated = PartitionProperty(rawValue: 0x00060001)
    package static let processorXsaveFeatures = PartitionProperty(rawValue: 0x00060002)
    package static let processorClFlushSize = PartitionProperty(rawValue: 0x00060003)
    package static let enlightenmentModifications = PartitionProperty(rawValue: 0x00060004)
    package static let compatibilityVersion = PartitionProperty(rawValue: 0x00060005)
    package static let physicalAddressWidth = PartitionProperty(rawValue: 0x00060006)
    package static let xsaveStates = PartitionProperty(rawValue: 0x00060007)
    package static let maxXsaveDataSize = PartitionProperty(rawValue: 0x00060008)
    package static let processorClockFrequency = PartitionProperty(rawValue: 0x00060009)
    package static let processorFeatures0 = PartitionProperty(rawValue: 0x0006000A)
    package static let processorFeatures1 = PartitionProperty(rawValue: 0x0006000B)
    package static let guestOsId = PartitionProperty(rawValue: 0x00070000)
    package static let processorVirtualizationFeatures = PartitionProperty(rawValue: 0x00080000)
    package static let vmmCapabilities = PartitionProperty(rawValue: 0x00090007)
    package static let assignableSyntheticProcFeatures = PartitionProperty(rawValue: 0x00090009)
}

extension PartitionProperty {
    /// The names of the codes above.
    package static let names: [PartitionProperty: String] = [
        .privilegeFlags: "HV_PARTITION_PROPERTY_PRIVILEGE_FLAGS",
        .syntheticProcFeatures: "HV_PARTITION_PROPERTY_SYNTHETIC_PROC_FEATURES",
        .suspend: "HV_PARTITION_PROPERTY_SUSPEND",
        .cpuReserve: "HV_PARTITION_PROPERTY_CPU_RESERVE",
        .cpuCap: "HV_PARTITION_PROPERTY_CPU_CAP",
        .cpuWeight: "HV_PARTITION_PROPERTY_CPU_WEIGHT",
        .cpuGroupId: "HV_PARTITION_PROPERTY_CPU_GROUP_ID",
        .integratedSchedulerEnabled: "HV_PARTITION_PROPERTY_INTEGRATED_SCHEDULER_ENABLED",
        .timeFreeze: "HV_PARTITION_PROPERTY_TIME_FREEZE",
        .referenceTime: "HV_PARTITION_PROPERTY_REFERENCE_TIME",
        .debugChannelId: "HV_PARTITION_PROPERTY_DEBUG_CHANNEL_ID",
        .virtualTlbPageCount: "HV_PARTITION_PROPERTY_VIRTUAL_TLB_PAGE_COUNT",
        .vsmConfig: "HV_PARTITION_PROPERTY_VSM_CONFIG",
        .zeroMemoryOnReset: "HV_PARTITION_PROPERTY_ZERO_MEMORY_ON_RESET",
        .processorsPerSocket: "HV_PARTITION_PROPERTY_PROCESSORS_PER_SOCKET",
        .nestedTlbSize: "HV_PARTITION_PROPERTY_NESTED_TLB_SIZE",
        .gpaPageAccessTracking: "HV_PARTITION_PROPERTY_GPA_PAGE_ACCESS_TRACKING",
        .vsmPermissionsDirtySinceLastQuery: "HV_PARTITION_PROPERTY_VSM_PERMISSIONS_DIRTY_SINCE_LAST_QUERY",
        .sgxLaunchControlConfig: "HV_PARTITION_PROPERTY_SGX_LAUNCH_CONTROL_CONFIG",
        .defaultSgxLaunchControl0: "HV_PARTITION_PROPERTY_DEFAULT_SGX_LAUNCH_CONTROL0",
        .defaultSgxLaunchControl1: "HV_PARTITION_PROPERTY_DEFAULT_SGX_LAUNCH_CONTROL1",
        .defaultSgxLaunchControl2: "HV_PARTITION_PROPERTY_DEFAULT_SGX_LAUNCH_CONTROL2",
        .defaultSgxLaunchControl3: "HV_PARTITION_PROPERTY_DEFAULT_SGX_LAUNCH_CONTROL3",
        .isolationState: "HV_PARTITION_PROPERTY_ISOLATION_STATE",
        .isolationControl: "HV_PARTITION_PROPERTY_ISOLATION_CONTROL",
        .allocationId: "HV_PARTITION_PROPERTY_ALLOCATION_ID",
        .monitoringId: "HV_PARTITION_PROPERTY_MONITORING_ID",
        .implementedPhysicalAddressBits: "HV_PARTITION_PROPERTY_IMPLEMENTED_PHYSICAL_ADDRESS_BITS",
        .nonArchitecturalCoreSharing: "HV_PARTITION_PROPERTY_NON_ARCHITECTURAL_CORE_SHARING",
        .hypercallDoorbellPage: "HV_PARTITION_PROPERTY_HYPERCALL_DOORBELL_PAGE",
        .isolationPolicy: "HV_PARTITION_PROPERTY_ISOLATION_POLICY",
        .unimplementedMsrAction: "HV_PARTITION_PROPERTY_UNIMPLEMENTED_MSR_ACTION",
        .sevVmgexitOffloads: "HV_PARTITION_PROPERTY_SEV_VMGEXIT_OFFLOADS",
        .partitionDiagBufferConfig: "HV_PARTITION_PROPERTY_PARTITION_DIAG_BUFFER_CONFIG",
        .processorVendor: "HV_PARTITION_PROPERTY_PROCESSOR_VENDOR",
        .processorFeaturesDeprecated: "HV_PARTITION_PROPERTY_PROCESSOR_FEATURES_DEPRECATED",
        .processorXsaveFeatures: "HV_PARTITION_PROPERTY_PROCESSOR_XSAVE_FEATURES",
        .processorClFlushSize: "HV_PARTITION_PROPERTY_PROCESSOR_CL_FLUSH_SIZE",
        .enlightenmentModifications: "HV_PARTITION_PROPERTY_ENLIGHTENMENT_MODIFICATIONS",
        .compatibilityVersion: "HV_PARTITION_PROPERTY_COMPATIBILITY_VERSION",
        .physicalAddressWidth: "HV_PARTITION_PROPERTY_PHYSICAL_ADDRESS_WIDTH",
        .xsaveStates: "HV_PARTITION_PROPERTY_XSAVE_STATES",
        .maxXsaveDataSize: "HV_PARTITION_PROPERTY_MAX_XSAVE_DATA_SIZE",
        .processorClockFrequency: "HV_PARTITION_PROPERTY_PROCESSOR_CLOCK_FREQUENCY",
        .processorFeatures0: "HV_PARTITION_PROPERTY_PROCESSOR_FEATURES0",
        .processorFeatures1: "HV_PARTITION_PROPERTY_PROCESSOR_FEATURES1",
        .guestOsId: "HV_PARTITION_PROPERTY_GUEST_OS_ID",
        .processorVirtualizationFeatures: "HV_PARTITION_PROPERTY_PROCESSOR_VIRTUALIZATION_FEATURES",
        .vmmCapabilities: "HV_PARTITION_PROPERTY_VMM_CAPABILITIES",
        .assignableSyntheticProcFeatures: "HV_PARTITION_PROPERTY_ASSIGNABLE_SYNTHETIC_PROC_FEATURES",
    ]
}
