/// A partition's id (HV_PARTITION_ID, TLFS, "Feature and Interface Discovery"), as the hypervisor gave it.
package struct PartitionID: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    package let rawValue: UInt64
    package init(rawValue: UInt64) { self.rawValue = rawValue }

    /// "The calling partition itself" (HV_PARTITION_ID_SELF).
    package static let own = PartitionID(rawValue: UInt64.max)
    /// No partition (HV_PARTITION_ID_INVALID).
    package static let invalid = PartitionID(rawValue: 0)

    package var description: String { String(rawValue) }
}

/// A virtual processor's number within its partition (HV_VP_INDEX, TLFS, "Virtual Processor Management"), from 0.
package typealias VPIndex = UInt32
