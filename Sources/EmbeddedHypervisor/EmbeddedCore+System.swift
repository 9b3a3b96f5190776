import HypercallABI
import HypercallCore
import Synchronization

/// Calls about the machine and about the caller itself, the root.
extension EmbeddedCore {
    /// The name by which every call here knows the root: HV_PARTITION_ID_SELF.
    func getPartitionID() throws(HypercallStatus) -> PartitionID { .own }

    /// The partition with the lowest id above `previous`, whether there is still a partition with that id or not;
    /// `PartitionID.invalid` where there is none. Only the root has children; `invalidPartitionId` for a parent that is
    /// not there.
    func getNextChildPartition(_ input: NextChildPartitionInput) throws(HypercallStatus) -> PartitionID {
        guard input.parent == .own else {
            _ = try partition(input.parent)
            return .invalid
        }
        return allPartitions.first { $0.id.rawValue > input.previous.rawValue }?.id ?? .invalid
    }

    /// `invalidParameter` for an event nobody knows, a step of a crash nobody knows, and an argument where there is
    /// none. A root that crashes may stop all partitions, which then have HV_PARTITION_PROPERTY_SUSPEND set; there is
    /// no machine to save, so its other steps change nothing, and neither does it that all processors have started.
    func notifyPartitionEvent(_ input: NotifyPartitionEventInput) throws(HypercallStatus) {
        switch input.event {
        case .rootCrashDump:
            guard let action = CrashDumpAction(rawValue: input.argument) else {
                throw HypercallStatus.invalidParameter
            }
            guard action == .suspendAllVPs else { return }
            for partition in allPartitions {
                // One that was deleted meanwhile has nothing to stop.
                try? partition.with { state throws(HypercallStatus) in try state.setProperty(.suspend, to: 1) }
            }
        case .allLogicalProcessorsStarted:
            guard input.argument == 0 else { throw HypercallStatus.invalidParameter }
        default: throw HypercallStatus.invalidParameter
        }
    }

    /// `unknownProperty`; `accessDenied` for the sleep states, which are only set; `featureUnavailable` for the area of
    /// crash dumps; `invalidParameter` for an argument that the property does not have. The scheduler is the root's. No
    /// encrypted partitions can be made: the number of them, and the state of SEV-SNP, are 0.
    func getSystemProperty(_ input: GetSystemPropertyInput) throws(HypercallStatus) -> UInt64 {
        switch input.property {
        case .sleepState: throw HypercallStatus.accessDenied
        case .crashDumpArea: throw HypercallStatus.featureUnavailable
        case .schedulerType:
            guard input.argument == 0 else { throw HypercallStatus.invalidParameter }
            return SchedulerType.root.rawValue
        case .dynamicProcessorFeature:
            guard DynamicProcessorFeature(rawValue: input.argument) != nil else {
                throw HypercallStatus.invalidParameter
            }
            return 0
        default: throw HypercallStatus.unknownProperty
        }
    }

    /// `unknownProperty`; `accessDenied` for a property that is only read, and for a sleep state once they are locked;
    /// `propertyValueOutOfRange` for a sleep state nobody knows. The host's kernel puts the machine to sleep, so that
    /// nothing else comes of it.
    func setSystemProperty(_ input: SetSystemPropertyInput) throws(HypercallStatus) {
        switch input.property {
        case .sleepState:
            guard (1...SleepStateInfo.lock).contains(input.sleep.state) else {
                throw HypercallStatus.propertyValueOutOfRange
            }
            try isSleepLocked.withLock { isLocked throws(HypercallStatus) in
                if isLocked { throw HypercallStatus.accessDenied }
                isLocked = input.sleep.state == SleepStateInfo.lock
            }
        case .schedulerType, .dynamicProcessorFeature, .crashDumpArea: throw HypercallStatus.accessDenied
        default: throw HypercallStatus.unknownProperty
        }
    }
}
