/// What a statistics page counts (HV_STATS_OBJECT_TYPE). Unknown types survive a round trip and print as numbers.
package struct StatisticsObject: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    package static let hypervisor = StatisticsObject(rawValue: 1)
    package static let logicalProcessor = StatisticsObject(rawValue: 2)
    package static let partition = StatisticsObject(rawValue: 0x1_0001)
    package static let virtualProcessor = StatisticsObject(rawValue: 0x1_0002)

    package var description: String {
        switch self {
        case .hypervisor: "hypervisor"
        case .logicalProcessor: "logical_processor"
        case .partition: "partition"
        case .virtualProcessor: "vp"
        default: "statistics object 0x" + String(rawValue, radix: 16)
        }
    }
}

/// A counter of a statistics page: its raw value is its index there. The page has 512 counters of 8 bytes; those without
/// a name here are reserved, or of a hypervisor newer than the tables. Names are those of Linux's tables, without the
/// prefix and with a small first letter.
package protocol StatisticsCounter: RawRepresentable<Int>, CaseIterable, Hashable, Sendable {
    static var object: StatisticsObject { get }
    /// How the counter's name begins in Linux's tables.
    static var prefix: String { get }
}

extension StatisticsCounter {
    /// As in Linux's tables: `VpTotalRunTime`.
    package var name: String {
        let name = String(describing: self)
        return Self.prefix + name.prefix(1).uppercased() + name.dropFirst()
    }

    /// Where the counter stands in its page.
    package var byteOffset: Int { 8 * rawValue }
}

/// The bytes and the counters of a statistics page (HV_STATS_PAGE).
package enum StatisticsPageLayout {
    package static let size = 4096
    /// Counters, of which the first has no meaning.
    package static let count = 512
}

/// What the hypervisor as a whole counts.
package enum HypervisorCounter: Int, StatisticsCounter {
    package static let object = StatisticsObject.hypervisor
    package static let prefix = "Hv"

    case logicalProcessors = 1, partitions, totalPages, virtualProcessors, monitoredNotifications
    case modernStandbyEntries = 6, platformIdleTransitions, hypervisorStartupCost
    case iOSpacePages = 10, nonEssentialPagesForDump, subsumedPages
}

/// What is counted for each logical processor. Times are in units of 100 ns.
package enum LogicalProcessorCounter: Int, StatisticsCounter {
    package static let object = StatisticsObject.logicalProcessor
    package static let prefix = "Lp"

    case globalTime = 1, totalRunTime, hypervisorRunTime, hardwareInterrupts, contextSwitches
    case interProcessorInterrupts = 6, schedulerInterrupts, timerInterrupts, interProcessorInterruptsSent
    case processorHalts = 10, monitorTransitionCost, contextSwitchTime, c1TransitionsCount, c1RunTime
    case c2TransitionsCount = 15, c2RunTime, c3TransitionsCount, c3RunTime, rootVpIndex, idleSequenceNumber
    case globalTscCount = 21, activeTscCount, idleAccumulation, referenceCycleCount0, actualCycleCount0
    case referenceCycleCount1 = 26, actualCycleCount1, proximityDomainId, postedInterruptNotifications
    case branchPredictorFlushes = 30, l1DataCacheFlushes, immediateL1DataCacheFlushes, mbFlushes
    case counterRefreshSequenceNumber = 34, counterRefreshReferenceTime, idleAccumulationSnapshot
    case activeTscCountSnapshot = 37, hwpRequestContextSwitches
    case schLocalRunListSize = 48, reserveGroupId, runningPriority, perfmonInterruptCount
}

/// What is counted for each partition.
package enum PartitionCounter: Int, StatisticsCounter {
    package static let object = StatisticsObject.partition
    package static let prefix = "Pt"

    case virtualProcessors = 1
    case tlbSize = 3, addressSpaces, depositedPages, gpaPages, gpaSpaceModifications, virtualTlbFlushEntires
    case recommendedTlbSize = 9, gpaPages4K, gpaPages2M, gpaPages1G, gpaPages512G, devicePages4K, devicePages2M
    case devicePages1G = 16, devicePages512G, attachedDevices, deviceInterruptMappings, ioTlbFlushes, ioTlbFlushCost
    case deviceInterruptErrors = 22, deviceDmaErrors, deviceInterruptThrottleEvents, skippedTimerTicks, partitionId
    case nestedTlbSize = 27, recommendedNestedTlbSize, nestedTlbFreeListSize, nestedTlbTrimmedPages, pagesShattered
    case pagesRecombined = 32, hwpRequestValue, autoSuspendEnableTime, autoSuspendTriggerTime, autoSuspendDisableTime
    case hypervisorStateTransferGeneration = 45, numberofActiveChildPartitions
}

/// What is counted for each virtual processor. Times are in units of 100 ns.
package enum VPCounter: Int, StatisticsCounter {
    package static let object = StatisticsObject.virtualProcessor
    package static let prefix = "Vp"

    case totalRunTime = 1, hypervisorRunTime, remoteNodeRunTime, normalizedRunTime, idealCpu
    case hypercallsCount = 7, hypercallsTime, pageInvalidationsCount, pageInvalidationsTime
    case controlRegisterAccessesCount = 11, controlRegisterAccessesTime, ioInstructionsCount, ioInstructionsTime
    case hltInstructionsCount = 15, hltInstructionsTime, mwaitInstructionsCount, mwaitInstructionsTime
    case cpuidInstructionsCount = 19, cpuidInstructionsTime, msrAccessesCount, msrAccessesTime, otherInterceptsCount
    case otherInterceptsTime = 24, externalInterruptsCount, externalInterruptsTime, pendingInterruptsCount
    case pendingInterruptsTime = 28, emulatedInstructionsCount, emulatedInstructionsTime, debugRegisterAccessesCount
    case debugRegisterAccessesTime = 32, pageFaultInterceptsCount, pageFaultInterceptsTime, guestPageTableMaps
    case largePageTlbFills = 36, smallPageTlbFills, reflectedGuestPageFaults, apicMmioAccesses, ioInterceptMessages
    case memoryInterceptMessages = 41, apicEoiAccesses, otherMessages, pageTableAllocations
    case logicalProcessorMigrations = 45, addressSpaceEvictions, addressSpaceSwitches, addressDomainFlushes
    case addressSpaceFlushes = 49, globalGvaRangeFlushes, localGvaRangeFlushes, pageTableEvictions
    case pageTableReclamations = 53, pageTableResets, pageTableValidations, apicTprAccesses, pageTableWriteIntercepts
    case syntheticInterrupts = 58, virtualInterrupts, apicIpisSent, apicSelfIpisSent, gpaSpaceHypercalls
    case logicalProcessorHypercalls = 63, longSpinWaitHypercalls, otherHypercalls, syntheticInterruptHypercalls
    case virtualInterruptHypercalls = 67, virtualMmuHypercalls, virtualProcessorHypercalls, hardwareInterrupts
    case nestedPageFaultInterceptsCount = 71, nestedPageFaultInterceptsTime, pageScans, logicalProcessorDispatches
    case waitingForCpuTime = 75, extendedHypercalls, extendedHypercallInterceptMessages, mbecNestedPageTableSwitches
    case otherReflectedGuestExceptions = 79, globalIoTlbFlushes, globalIoTlbFlushCost, localIoTlbFlushes
    case localIoTlbFlushCost = 83, hypercallsForwardedCount, hypercallsForwardingTime, pageInvalidationsForwardedCount
    case pageInvalidationsForwardingTime = 87, controlRegisterAccessesForwardedCount
    case controlRegisterAccessesForwardingTime = 89, ioInstructionsForwardedCount, ioInstructionsForwardingTime
    case hltInstructionsForwardedCount = 92, hltInstructionsForwardingTime, mwaitInstructionsForwardedCount
    case mwaitInstructionsForwardingTime = 95, cpuidInstructionsForwardedCount, cpuidInstructionsForwardingTime
    case msrAccessesForwardedCount = 98, msrAccessesForwardingTime, otherInterceptsForwardedCount
    case otherInterceptsForwardingTime = 101, externalInterruptsForwardedCount, externalInterruptsForwardingTime
    case pendingInterruptsForwardedCount = 104, pendingInterruptsForwardingTime, emulatedInstructionsForwardedCount
    case emulatedInstructionsForwardingTime = 107, debugRegisterAccessesForwardedCount
    case debugRegisterAccessesForwardingTime = 109, pageFaultInterceptsForwardedCount
    case pageFaultInterceptsForwardingTime = 111, vmclearEmulationCount, vmclearEmulationTime, vmptrldEmulationCount
    case vmptrldEmulationTime = 115, vmptrstEmulationCount, vmptrstEmulationTime, vmreadEmulationCount
    case vmreadEmulationTime = 119, vmwriteEmulationCount, vmwriteEmulationTime, vmxoffEmulationCount
    case vmxoffEmulationTime = 123, vmxonEmulationCount, vmxonEmulationTime, nestedVMEntriesCount, nestedVMEntriesTime
    case nestedSLATSoftPageFaultsCount = 128, nestedSLATSoftPageFaultsTime, nestedSLATHardPageFaultsCount
    case nestedSLATHardPageFaultsTime = 131, invEptAllContextEmulationCount, invEptAllContextEmulationTime
    case invEptSingleContextEmulationCount = 134, invEptSingleContextEmulationTime, invVpidAllContextEmulationCount
    case invVpidAllContextEmulationTime = 137, invVpidSingleContextEmulationCount, invVpidSingleContextEmulationTime
    case invVpidSingleAddressEmulationCount = 140, invVpidSingleAddressEmulationTime, nestedTlbPageTableReclamations
    case nestedTlbPageTableEvictions = 143, flushGuestPhysicalAddressSpaceHypercalls
    case flushGuestPhysicalAddressListHypercalls = 145, postedInterruptNotifications, postedInterruptScans
    case totalCoreRunTime = 148, maximumRunTime, hwpRequestContextSwitches, waitingForCpuTimeBucket0
    case waitingForCpuTimeBucket1 = 152, waitingForCpuTimeBucket2, waitingForCpuTimeBucket3, waitingForCpuTimeBucket4
    case waitingForCpuTimeBucket5 = 156, waitingForCpuTimeBucket6, vmloadEmulationCount, vmloadEmulationTime
    case vmsaveEmulationCount = 160, vmsaveEmulationTime, gifInstructionEmulationCount, gifInstructionEmulationTime
    case emulatedErrataSvmInstructions = 164
    case contentionTime = 173, wakeUpTime, schedulingPriority, rdpmcInstructionsCount, rdpmcInstructionsTime
    case perfmonPmuMsrAccessesCount = 178, perfmonLbrMsrAccessesCount, perfmonIptMsrAccessesCount
    case perfmonInterruptCount = 181, vtl1DispatchCount, vtl2DispatchCount, vtl2DispatchBucket0, vtl2DispatchBucket1
    case vtl2DispatchBucket2 = 186, vtl2DispatchBucket3, vtl2DispatchBucket4, vtl2DispatchBucket5, vtl2DispatchBucket6
    case vtl1RunTime = 191, vtl2RunTime, iommuHypercalls, cpuGroupHypercalls, vsmHypercalls, eventLogHypercalls
    case deviceDomainHypercalls = 197, depositHypercalls, svmHypercalls, busLockAcquisitionCount, loadAvg
    case rootDispatchThreadBlocked = 202, idleCpuTime, waitingForCpuTimeBucket7, waitingForCpuTimeBucket8
    case waitingForCpuTimeBucket9 = 206, waitingForCpuTimeBucket10, waitingForCpuTimeBucket11
    case waitingForCpuTimeBucket12 = 209, hierarchicalSuspendTime, expressSchedulingAttempts, expressSchedulingCount
    case busLockAcquisitionTime = 213
}
