/// The status of a hypercall (HV_STATUS, TLFS appendix B). Unknown codes survive a round trip and print as numbers.
package struct HypercallStatus: RawRepresentable, Hashable, Error, Sendable, CustomStringConvertible {
    package let rawValue: UInt16
    package init(rawValue: UInt16) { self.rawValue = rawValue }

    package var description: String { Self.names[self] ?? "status 0x" + String(rawValue, radix: 16) }
}

extension HypercallStatus {
    package static let success = HypercallStatus(rawValue: 0x0000)
    package static let invalidHypercallCode = HypercallStatus(rawValue: 0x0002)
    package static let invalidHypercallInput = HypercallStatus(rawValue: 0x0003)
    package static let invalidAlignment = HypercallStatus(rawValue: 0x0004)
    package static let invalidParameter = HypercallStatus(rawValue: 0x0005)
    package static let accessDenied = HypercallStatus(rawValue: 0x0006)
    package static let invalidPartitionState = HypercallStatus(rawValue: 0x0007)
    package static let operationDenied = HypercallStatus(rawValue: 0x0008)
    package static let unknownProperty = HypercallStatus(rawValue: 0x0009)
    package static let propertyValueOutOfRange = HypercallStatus(rawValue: 0x000A)
    package static let insufficientMemory = HypercallStatus(rawValue: 0x000B)
    package static let invalidPartitionId = HypercallStatus(rawValue: 0x000D)
    package static let invalidVpIndex = HypercallStatus(rawValue: 0x000E)
    package static let notFound = HypercallStatus(rawValue: 0x0010)
    package static let invalidPortId = HypercallStatus(rawValue: 0x0011)
    package static let invalidConnectionId = HypercallStatus(rawValue: 0x0012)
    package static let insufficientBuffers = HypercallStatus(rawValue: 0x0013)
    package static let notAcknowledged = HypercallStatus(rawValue: 0x0014)
    package static let invalidVpState = HypercallStatus(rawValue: 0x0015)
    package static let noResources = HypercallStatus(rawValue: 0x001D)
    package static let processorFeatureNotSupported = HypercallStatus(rawValue: 0x0020)
    package static let invalidLpIndex = HypercallStatus(rawValue: 0x0041)
    package static let invalidRegisterValue = HypercallStatus(rawValue: 0x0050)
    package static let operationFailed = HypercallStatus(rawValue: 0x0071)
    package static let insufficientRootMemory = HypercallStatus(rawValue: 0x0073)
    package static let insufficientContiguousMemory = HypercallStatus(rawValue: 0x0075)
    package static let timeOut = HypercallStatus(rawValue: 0x0078)
    package static let callPending = HypercallStatus(rawValue: 0x0079)
    package static let insufficientContiguousRootMemory = HypercallStatus(rawValue: 0x0083)
    package static let vtlAlreadyEnabled = HypercallStatus(rawValue: 0x0086)
    package static let partitionTooDeep = HypercallStatus(rawValue: 0x000C)
    package static let acknowledged = HypercallStatus(rawValue: 0x0016)
    package static let invalidSaveRestoreState = HypercallStatus(rawValue: 0x0017)
    package static let invalidSynicState = HypercallStatus(rawValue: 0x0018)
    package static let objectInUse = HypercallStatus(rawValue: 0x0019)
    package static let invalidProximityDomainInfo = HypercallStatus(rawValue: 0x001A)
    package static let noData = HypercallStatus(rawValue: 0x001B)
    package static let inactive = HypercallStatus(rawValue: 0x001C)
    package static let featureUnavailable = HypercallStatus(rawValue: 0x001E)
    package static let partialPacket = HypercallStatus(rawValue: 0x001F)
    package static let processorCacheLineFlushSizeIncompatible = HypercallStatus(rawValue: 0x0030)
    package static let insufficientBuffer = HypercallStatus(rawValue: 0x0033)
    package static let incompatibleProcessor = HypercallStatus(rawValue: 0x0037)
    package static let insufficientDeviceDomains = HypercallStatus(rawValue: 0x0038)
    package static let cpuidFeatureValidationError = HypercallStatus(rawValue: 0x003C)
    package static let cpuidXsaveFeatureValidationError = HypercallStatus(rawValue: 0x003D)
    package static let processorStartupTimeout = HypercallStatus(rawValue: 0x003E)
    package static let smxEnabled = HypercallStatus(rawValue: 0x003F)
    package static let invalidVtlState = HypercallStatus(rawValue: 0x0051)
    package static let nxNotDetected = HypercallStatus(rawValue: 0x0055)
    package static let invalidDeviceId = HypercallStatus(rawValue: 0x0057)
    package static let invalidDeviceState = HypercallStatus(rawValue: 0x0058)
    package static let pendingPageRequests = HypercallStatus(rawValue: 0x0059)
    package static let pageRequestInvalid = HypercallStatus(rawValue: 0x0060)
    package static let keyAlreadyExists = HypercallStatus(rawValue: 0x0065)
    package static let deviceAlreadyInDomain = HypercallStatus(rawValue: 0x0066)
    package static let invalidCpuGroupId = HypercallStatus(rawValue: 0x006F)
    package static let invalidCpuGroupState = HypercallStatus(rawValue: 0x0070)
    package static let notAllowedWithNestedVirtActive = HypercallStatus(rawValue: 0x0072)
    package static let eventBufferAlreadyFreed = HypercallStatus(rawValue: 0x0074)
    package static let unknownRegisterName = HypercallStatus(rawValue: 0x0087)
}

extension HypercallStatus {
    /// The names of the codes above.
    package static let names: [HypercallStatus: String] = [
        .success: "HV_STATUS_SUCCESS",
        .invalidHypercallCode: "HV_STATUS_INVALID_HYPERCALL_CODE",
        .invalidHypercallInput: "HV_STATUS_INVALID_HYPERCALL_INPUT",
        .invalidAlignment: "HV_STATUS_INVALID_ALIGNMENT",
        .invalidParameter: "HV_STATUS_INVALID_PARAMETER",
        .accessDenied: "HV_STATUS_ACCESS_DENIED",
        .invalidPartitionState: "HV_STATUS_INVALID_PARTITION_STATE",
        .operationDenied: "HV_STATUS_OPERATION_DENIED",
        .unknownProperty: "HV_STATUS_UNKNOWN_PROPERTY",
        .propertyValueOutOfRange: "HV_STATUS_PROPERTY_VALUE_OUT_OF_RANGE",
        .insufficientMemory: "HV_STATUS_INSUFFICIENT_MEMORY",
        .invalidPartitionId: "HV_STATUS_INVALID_PARTITION_ID",
        .invalidVpIndex: "HV_STATUS_INVALID_VP_INDEX",
        .notFound: "HV_STATUS_NOT_FOUND",
        .invalidPortId: "HV_STATUS_INVALID_PORT_ID",
        .invalidConnectionId: "HV_STATUS_INVALID_CONNECTION_ID",
        .insufficientBuffers: "HV_STATUS_INSUFFICIENT_BUFFERS",
        .notAcknowledged: "HV_STATUS_NOT_ACKNOWLEDGED",
        .invalidVpState: "HV_STATUS_INVALID_VP_STATE",
        .noResources: "HV_STATUS_NO_RESOURCES",
        .processorFeatureNotSupported: "HV_STATUS_PROCESSOR_FEATURE_NOT_SUPPORTED",
        .invalidLpIndex: "HV_STATUS_INVALID_LP_INDEX",
        .invalidRegisterValue: "HV_STATUS_INVALID_REGISTER_VALUE",
        .operationFailed: "HV_STATUS_OPERATION_FAILED",
        .insufficientRootMemory: "HV_STATUS_INSUFFICIENT_ROOT_MEMORY",
        .insufficientContiguousMemory: "HV_STATUS_INSUFFICIENT_CONTIGUOUS_MEMORY",
        .timeOut: "HV_STATUS_TIME_OUT",
        .callPending: "HV_STATUS_CALL_PENDING",
        .insufficientContiguousRootMemory: "HV_STATUS_INSUFFICIENT_CONTIGUOUS_ROOT_MEMORY",
        .vtlAlreadyEnabled: "HV_STATUS_VTL_ALREADY_ENABLED",
        .partitionTooDeep: "HV_STATUS_PARTITION_TOO_DEEP",
        .acknowledged: "HV_STATUS_ACKNOWLEDGED",
        .invalidSaveRestoreState: "HV_STATUS_INVALID_SAVE_RESTORE_STATE",
        .invalidSynicState: "HV_STATUS_INVALID_SYNIC_STATE",
        .objectInUse: "HV_STATUS_OBJECT_IN_USE",
        .invalidProximityDomainInfo: "HV_STATUS_INVALID_PROXIMITY_DOMAIN_INFO",
        .noData: "HV_STATUS_NO_DATA",
        .inactive: "HV_STATUS_INACTIVE",
        .featureUnavailable: "HV_STATUS_FEATURE_UNAVAILABLE",
        .partialPacket: "HV_STATUS_PARTIAL_PACKET",
        .processorCacheLineFlushSizeIncompatible: "HV_STATUS_PROCESSOR_CACHE_LINE_FLUSH_SIZE_INCOMPATIBLE",
        .insufficientBuffer: "HV_STATUS_INSUFFICIENT_BUFFER",
        .incompatibleProcessor: "HV_STATUS_INCOMPATIBLE_PROCESSOR",
        .insufficientDeviceDomains: "HV_STATUS_INSUFFICIENT_DEVICE_DOMAINS",
        .cpuidFeatureValidationError: "HV_STATUS_CPUID_FEATURE_VALIDATION_ERROR",
        .cpuidXsaveFeatureValidationError: "HV_STATUS_CPUID_XSAVE_FEATURE_VALIDATION_ERROR",
        .processorStartupTimeout: "HV_STATUS_PROCESSOR_STARTUP_TIMEOUT",
        .smxEnabled: "HV_STATUS_SMX_ENABLED",
        .invalidVtlState: "HV_STATUS_INVALID_VTL_STATE",
        .nxNotDetected: "HV_STATUS_NX_NOT_DETECTED",
        .invalidDeviceId: "HV_STATUS_INVALID_DEVICE_ID",
        .invalidDeviceState: "HV_STATUS_INVALID_DEVICE_STATE",
        .pendingPageRequests: "HV_STATUS_PENDING_PAGE_REQUESTS",
        .pageRequestInvalid: "HV_STATUS_PAGE_REQUEST_INVALID",
        .keyAlreadyExists: "HV_STATUS_KEY_ALREADY_EXISTS",
        .deviceAlreadyInDomain: "HV_STATUS_DEVICE_ALREADY_IN_DOMAIN",
        .invalidCpuGroupId: "HV_STATUS_INVALID_CPU_GROUP_ID",
        .invalidCpuGroupState: "HV_STATUS_INVALID_CPU_GROUP_STATE",
        .notAllowedWithNestedVirtActive: "HV_STATUS_NOT_ALLOWED_WITH_NESTED_VIRT_ACTIVE",
        .eventBufferAlreadyFreed: "HV_STATUS_EVENT_BUFFER_ALREADY_FREED",
        .unknownRegisterName: "HV_STATUS_UNKNOWN_REGISTER_NAME",
    ]
}
