/// What a message of the hypervisor is about (HV_MESSAGE_TYPE, TLFS, "Inter-Partition Communication"). Unknown types
/// survive a round trip and print as numbers.
package struct MessageType: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    package var description: String { Self.names[self] ?? "message 0x" + String(rawValue, radix: 16) }
}

extension MessageType {
    /// No message: what an empty slot holds, and what `MSHV_RUN_VP` gives when a signal ended it.
    package static let none = MessageType(rawValue: 0x0000_0000)
    package static let unmappedGPA = MessageType(rawValue: 0x8000_0000)
    package static let gpaIntercept = MessageType(rawValue: 0x8000_0001)
    package static let unacceptedGPA = MessageType(rawValue: 0x8000_0003)
    package static let gpaAttributeIntercept = MessageType(rawValue: 0x8000_0004)
    package static let enablePartitionVTLIntercept = MessageType(rawValue: 0x8000_0005)
    package static let timerExpired = MessageType(rawValue: 0x8000_0010)
    package static let invalidVPRegisterValue = MessageType(rawValue: 0x8000_0020)
    package static let unrecoverableException = MessageType(rawValue: 0x8000_0021)
    package static let unsupportedFeature = MessageType(rawValue: 0x8000_0022)
    package static let tlbPageSizeMismatch = MessageType(rawValue: 0x8000_0023)
    package static let iommuFault = MessageType(rawValue: 0x8000_0024)
    package static let opaqueIntercept = MessageType(rawValue: 0x8000_003F)
    package static let eventLogBufferComplete = MessageType(rawValue: 0x8000_0040)
    package static let hypercallIntercept = MessageType(rawValue: 0x8000_0050)
    package static let synicEventIntercept = MessageType(rawValue: 0x8000_0060)
    package static let synicSintIntercept = MessageType(rawValue: 0x8000_0061)
    package static let synicSintDeliverable = MessageType(rawValue: 0x8000_0062)
    package static let asyncCallCompletion = MessageType(rawValue: 0x8000_0070)
    package static let schedulerVPSignalBitset = MessageType(rawValue: 0x8000_0100)
    package static let schedulerVPSignalPair = MessageType(rawValue: 0x8000_0101)
    package static let ioPortIntercept = MessageType(rawValue: 0x8001_0000)
    package static let msrIntercept = MessageType(rawValue: 0x8001_0001)
    package static let cpuidIntercept = MessageType(rawValue: 0x8001_0002)
    package static let exceptionIntercept = MessageType(rawValue: 0x8001_0003)
    package static let apicEOI = MessageType(rawValue: 0x8001_0004)
    /// OpenVMM has this number for the IOMMU's page requests.
    package static let legacyFPError = MessageType(rawValue: 0x8001_0005)
    /// By OpenVMM's name. Linux's headers have this number for the IOMMU's page requests, which no driver reads.
    package static let registerIntercept = MessageType(rawValue: 0x8001_0006)
    package static let halt = MessageType(rawValue: 0x8001_0007)
    package static let interruptionDeliverable = MessageType(rawValue: 0x8001_0008)
    package static let sipiIntercept = MessageType(rawValue: 0x8001_0009)
    package static let rdtscIntercept = MessageType(rawValue: 0x8001_000A)
    package static let apicSMIIntercept = MessageType(rawValue: 0x8001_000B)
    package static let arm64ResetIntercept = MessageType(rawValue: 0x8001_000C)
    package static let apicInitSIPIIntercept = MessageType(rawValue: 0x8001_000D)
    package static let apicWriteIntercept = MessageType(rawValue: 0x8001_000E)
    package static let proxyInterruptIntercept = MessageType(rawValue: 0x8001_000F)
    package static let isolationControlRegisterIntercept = MessageType(rawValue: 0x8001_0010)
    package static let snpGuestRequestIntercept = MessageType(rawValue: 0x8001_0011)
    package static let exceptionTrapIntercept = MessageType(rawValue: 0x8001_0012)
    package static let sevVMGExitIntercept = MessageType(rawValue: 0x8001_0013)

    /// The names of the types above, as Linux's and rust-vmm's headers have them; OpenVMM's where only it names one.
    package static let names: [MessageType: String] = [
        .none: "HVMSG_NONE",
        .unmappedGPA: "HVMSG_UNMAPPED_GPA",
        .gpaIntercept: "HVMSG_GPA_INTERCEPT",
        .unacceptedGPA: "HVMSG_UNACCEPTED_GPA",
        .gpaAttributeIntercept: "HVMSG_GPA_ATTRIBUTE_INTERCEPT",
        .enablePartitionVTLIntercept: "HvMessageTypeEnablePartitionVtlIntercept",
        .timerExpired: "HVMSG_TIMER_EXPIRED",
        .invalidVPRegisterValue: "HVMSG_INVALID_VP_REGISTER_VALUE",
        .unrecoverableException: "HVMSG_UNRECOVERABLE_EXCEPTION",
        .unsupportedFeature: "HVMSG_UNSUPPORTED_FEATURE",
        .tlbPageSizeMismatch: "HvMessageTypeTlbPageSizeMismatch",
        .iommuFault: "HvMessageTypeIommuFault",
        .opaqueIntercept: "HVMSG_OPAQUE_INTERCEPT",
        .eventLogBufferComplete: "HVMSG_EVENTLOG_BUFFERCOMPLETE",
        .hypercallIntercept: "HVMSG_HYPERCALL_INTERCEPT",
        .synicEventIntercept: "HVMSG_SYNIC_EVENT_INTERCEPT",
        .synicSintIntercept: "HVMSG_SYNIC_SINT_INTERCEPT",
        .synicSintDeliverable: "HVMSG_SYNIC_SINT_DELIVERABLE",
        .asyncCallCompletion: "HVMSG_ASYNC_CALL_COMPLETION",
        .schedulerVPSignalBitset: "HVMSG_SCHEDULER_VP_SIGNAL_BITSET",
        .schedulerVPSignalPair: "HVMSG_SCHEDULER_VP_SIGNAL_PAIR",
        .ioPortIntercept: "HVMSG_X64_IO_PORT_INTERCEPT",
        .msrIntercept: "HVMSG_X64_MSR_INTERCEPT",
        .cpuidIntercept: "HVMSG_X64_CPUID_INTERCEPT",
        .exceptionIntercept: "HVMSG_X64_EXCEPTION_INTERCEPT",
        .apicEOI: "HVMSG_X64_APIC_EOI",
        .legacyFPError: "HVMSG_X64_LEGACY_FP_ERROR",
        .registerIntercept: "HVMSG_X64_IOMMU_PRQ",
        .halt: "HVMSG_X64_HALT",
        .interruptionDeliverable: "HVMSG_X64_INTERRUPTION_DELIVERABLE",
        .sipiIntercept: "HVMSG_X64_SIPI_INTERCEPT",
        .rdtscIntercept: "HvMessageTypeX64RdtscIntercept",
        .apicSMIIntercept: "HvMessageTypeX64ApicSmiIntercept",
        .arm64ResetIntercept: "HVMSG_ARM64_RESET_INTERCEPT",
        .apicInitSIPIIntercept: "HvMessageTypeX64ApicInitSipiIntercept",
        .apicWriteIntercept: "HvMessageTypeX64ApicWriteIntercept",
        .proxyInterruptIntercept: "HvMessageTypeX64ProxyInterruptIntercept",
        .isolationControlRegisterIntercept: "HvMessageTypeX64IsolationCtrlRegIntercept",
        .snpGuestRequestIntercept: "HvMessageTypeX64SnpGuestRequestIntercept",
        .exceptionTrapIntercept: "HvMessageTypeX64ExceptionTrapIntercept",
        .sevVMGExitIntercept: "HVMSG_X64_SEV_VMGEXIT_INTERCEPT",
    ]
}
