/// Bits of a hypervisor's CPUID leaves: the raw value is the bit's number.
package protocol CPUIDBit: RawRepresentable<UInt8>, CaseIterable, Hashable, Sendable {}

/// The bits that are set, those without a name included.
package struct CPUIDBits<Bit: CPUIDBit>: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt64
    package init(rawValue: UInt64) { self.rawValue = rawValue }

    package init(_ bits: [Bit]) {
        self.init(rawValue: bits.reduce(0) { $0 | (1 << UInt64($1.rawValue)) })
    }

    package func contains(_ bit: Bit) -> Bool { rawValue & (1 << UInt64(bit.rawValue)) != 0 }

    /// The named bits that are set, by number.
    package var named: [Bit] { Bit.allCases.filter(contains) }
}

/// What a partition may do (HV_PARTITION_PRIVILEGE_MASK): leaf 0x40000003, EAX in bits 0 to 31, EBX in bits 32 to 63.
/// The property `privilegeFlags` has the same bits.
package enum PartitionPrivilege: UInt8, CPUIDBit {
    case accessVpRuntimeMsr = 0, accessPartitionReferenceCounter, accessSynicMsrs, accessSyntheticTimerMsrs
    case accessApicMsrs = 4, accessHypercallMsrs, accessVpIndex, accessResetMsr, accessStatsMsr
    case accessPartitionReferenceTsc = 9, accessGuestIdleMsr, accessFrequencyMsrs, accessDebugMsrs
    case accessReenlightenmentCtrls = 13, accessRootSchedulerMsr, accessTscInvariantControls
    case createPartitions = 32, accessPartitionId, accessMemoryPool, adjustMessageBuffers, postMessages, signalEvents
    case createPort = 38, connectPort, accessStats
    case debugging = 43, cpuManagement, configureProfiler, accessVpExitTracing, enableExtendedGvaRangesFlushVaList
    case accessVsm = 48, accessVpRegisters
    case fastHypercallOutput = 51, enableExtendedHypercalls, startVirtualProcessor, isolation
}

/// Leaf 0x40000003, ECX; bits 0 to 3 are the deepest C state.
package enum HypervisorPowerFeature: UInt8, CPUIDBit {
    case hpetNeededForC3PowerStateDeprecated = 4, invariantMperfAvailable, supervisorShadowStackAvailable
    case archPmuAvailable = 7, exceptionTrapInterceptAvailable, hvVpDispatchInterruptInjectionAvailable
    case hvVpGhcbRootMappingAvailable = 10
}

/// Leaf 0x40000003, EDX.
package enum HypervisorFeature: UInt8, CPUIDBit {
    case mwaitAvailableDeprecated = 0, guestDebuggingAvailable, performanceMonitorsAvailable
    case cpuDynamicPartitioningAvailable = 3, xmmRegistersForFastHypercallAvailable, guestIdleAvailable
    case hypervisorSleepStateSupportAvailable = 6, numaDistanceQueryAvailable, frequencyRegsAvailable
    case syntheticMachineCheckAvailable = 9, guestCrashRegsAvailable, debugRegsAvailable, npiep1Available
    case disableHypervisorAvailable = 13, extendedGvaRangesForFlushVirtualAddressListAvailable
    case fastHypercallOutputAvailable = 15, svmFeaturesAvailable, sintPollingModeAvailable, hypercallMsrLockAvailable
    case directSyntheticTimers = 19, registerPatAvailable, registerBndcfgsAvailable, watchdogTimerAvailable
    case syntheticTimeUnhaltedTimerAvailable = 23, deviceDomainsAvailable, s1DeviceDomainsAvailable, lbrAvailable
    case iptAvailable = 27, crossVtlFlushAvailable, idleSpecCtrlAvailable, translateGvaFlagsAvailable
    case apicEoiInterceptAvailable = 31
}

/// Leaf 0x40000004, EAX: what a guest should use.
package enum HypervisorRecommendation: UInt8, CPUIDBit {
    case useHypercallForAddressSpaceSwitch = 0, useHypercallForLocalFlush
    case useHypercallForRemoteFlushAndLocalFlushEntire = 2, useApicMsrs, useHvRegisterForReset, useRelaxedTiming
    case useDmaRemappingDeprecated = 6, useInterruptRemappingDeprecated, useX2ApicMsrs, deprecateAutoEoi
    case useSyntheticClusterIpi = 10, useExProcessorMasks, nested, useIntForMbecSystemCalls, useVmcsEnlightenments
    case useSyncedTimeline = 15, coreSchedulerRequested, useDirectLocalFlushEntire, noNonArchitecturalCoreSharing
    case useX2Apic = 19, restoreTimeOnResume, useHypercallForMmioAccess, useGpaPinningHypercall, wakeVps
}

/// Leaf 0x40000006, EAX: what of the hardware the hypervisor uses; bits 10 to 13 are its level.
package enum HypervisorHardwareFeature: UInt8, CPUIDBit {
    case apicOverlayAssistInUse = 0, msrBitmapsInUse, architecturalPerformanceCountersInUse
    case secondLevelAddressTranslationInUse = 3, dmaRemappingInUse, interruptRemappingInUse
    case memoryPatrolScrubberPresent = 6, dmaProtectionInUse, hpetRequested, syntheticTimersVolatile
    case physicalDestinationModeRequired = 14, useVmfuncForAliasMapSwitch, hvRegisterForMemoryZeroingSupported
    case unrestrictedGuestSupported = 17, rdtAfeaturesSupported, rdtMfeaturesSupported, childPerfmonPmuSupported
    case childPerfmonLbrSupported = 21, childPerfmonIptSupported, apicEmulationSupported, childX2ApicRecommended
    case deviceAccessTrackingSupported = 26, hardwareGpaAccessTrackingSupported
}

/// Leaf 0x40000007, EAX: what a root does at its start.
package enum CPUManagementFeature: UInt8, CPUIDBit {
    case startLogicalProcessor = 0, createRootVirtualProcessor, performanceCounterSync
    case reservedIdentityBit = 31
}

/// Leaf 0x4000000A, EAX; bits 0 to 15 are versions of the enlightened VMCS.
package enum NestedFeature: UInt8, CPUIDBit {
    case nestedFlushVirtualHypercall = 17, flushGuestPhysicalHypercall, msrBitmap, virtualizationException, debugCtl
    case enlightenedNptTlb = 22
}

/// Leaf 0x40000082, EAX.
package enum VirtualizationStackProperty: UInt8, CPUIDBit {
    case isPortable = 0, debugDevicePresent, extendedIoapicRte, confidentialVmbusAvailable
}
