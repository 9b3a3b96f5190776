import HypercallABI

/// What names a device domain.
struct DomainKey: Hashable {
    var owner: PartitionID
    var id: UInt32

    /// In which devices reach nothing. It is never made and never deleted.
    var isNull: Bool { id == DeviceDomainName.nullID }
}

/// A device domain of second-stage translation: which of the root's pages devices reach, and where.
struct DeviceDomain {
    /// By page of the device's address; the sources are the root's pages, also those of a partition's memory.
    var pages = GuestPhysicalMap()
}
