import HypercallABI
import HypercallCore

/// A partition's properties (TLFS, "Partition Management"): the rules of `PropertyStore`, and what follows from a
/// change.
extension PartitionState {
    /// - Throws: `invalidPartitionId` for a partition that is gone, `unknownProperty`.
    func property(_ property: PartitionProperty) throws(HypercallStatus) -> UInt64 {
        try requireAlive()
        switch property {
        case .referenceTime: return registers.referenceTime
        case .guestOsId: return registers[.guestOsId] ?? 0
        default: return try properties.value(of: property)
        }
    }

    /// The reference time can be set while it stands still (HV_PARTITION_PROPERTY_TIME_FREEZE), else it is
    /// `invalidPartitionState`.
    ///
    /// - Throws: `invalidPartitionId` for a partition that is gone, and as `PropertyStore` says.
    mutating func setProperty(_ property: PartitionProperty, to value: UInt64) throws(HypercallStatus) {
        try requireAlive()
        if property == .referenceTime {
            guard registers.setReferenceTime(value) else { throw HypercallStatus.invalidPartitionState }
            return
        }
        let wasTracking = isTrackingAccess
        try properties.set(property, to: value, isInitialized: life != .created)
        if isTrackingAccess != wasTracking { trackAccess(!wasTracking) }
        switch property {
        case .suspend:
            for processor in processors.values { processor.setPartitionSuspend(value != 0) }
        case .timeFreeze: registers.freeze(value != 0)
        default: break
        }
    }
}
