import HypercallABI

/// What names a device domain.
struct DomainKey: Hashable {
    var owner: PartitionID
    var id: UInt32
}

/// A device domain of second-stage translation: which of its owner's pages devices reach, and where.
struct DeviceDomain {
}
