/// HvCallDepositMemory (TLFS, "Guest Physical Address Spaces"): the input's head. The list is root page numbers, 8
/// bytes each.
package struct DepositMemoryInput: HypercallStructure, Hashable {
    package static let size = 8
    package static let elementSize = 8

    package var partition: PartitionID

    package init(partition: PartitionID) { self.partition = partition }

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        partition = PartitionID(rawValue: try bytes.read(UInt64.self, at: 0))
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.write(partition.rawValue, at: 0)
    }
}

/// HvCallWithdrawMemory (TLFS, "Guest Physical Address Spaces"): the input. The output is the list of root page
/// numbers, 8 bytes each.
package struct WithdrawMemoryInput: HypercallStructure, Hashable {
    package static let size = 16
    package static let outputElementSize = 8

    package var partition: PartitionID
    package var proximity: ProximityDomainInfo

    package init(partition: PartitionID, proximity: ProximityDomainInfo = .none) {
        self.partition = partition
        self.proximity = proximity
    }

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        partition = PartitionID(rawValue: try bytes.read(UInt64.self, at: 0))
        proximity = try ProximityDomainInfo(decoding: bytes.from(8))
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.write(partition.rawValue, at: 0)
        try proximity.encode(into: bytes.from(8))
    }
}

/// HvCallMapGpaPages (TLFS, "Guest Physical Address Spaces"): the input's head. The list is the source's root page
/// numbers, 8 bytes each.
///
/// The padding at 20 is not checked: Linux's driver leaves there what the call before left in the page.
package struct MapGPAPagesInput: HypercallStructure, Hashable {
    package static let size = 24
    package static let elementSize = 8

    package var partition: PartitionID
    /// The guest's page number for repetition 0, in pages of 4 KiB also where the repetitions are 2 MiB.
    package var gpaPage: UInt64
    package var flags: MapGPAFlags

    package init(partition: PartitionID, gpaPage: UInt64, flags: MapGPAFlags) {
        self.partition = partition
        self.gpaPage = gpaPage
        self.flags = flags
    }

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        partition = PartitionID(rawValue: try bytes.read(UInt64.self, at: 0))
        gpaPage = try bytes.read(UInt64.self, at: 8)
        flags = MapGPAFlags(rawValue: try bytes.read(UInt32.self, at: 16))
        _ = try bytes.read(UInt32.self, at: 20)
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.zero(Self.size)
        try bytes.write(partition.rawValue, at: 0)
        try bytes.write(gpaPage, at: 8)
        try bytes.write(flags.rawValue, at: 16)
    }
}

/// HvCallUnmapGpaPages (TLFS, "Guest Physical Address Spaces"): the input. A repeat call without a list.
///
/// The padding at 20 is not checked, for the reason given at `MapGPAPagesInput`.
package struct UnmapGPAPagesInput: HypercallStructure, Hashable {
    package static let size = 24

    package var partition: PartitionID
    /// The guest's page number for repetition 0, in pages of 4 KiB also where the repetitions are 2 MiB.
    package var gpaPage: UInt64
    package var flags: UnmapGPAFlags

    package init(partition: PartitionID, gpaPage: UInt64, flags: UnmapGPAFlags) {
        self.partition = partition
        self.gpaPage = gpaPage
        self.flags = flags
    }

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        partition = PartitionID(rawValue: try bytes.read(UInt64.self, at: 0))
        gpaPage = try bytes.read(UInt64.self, at: 8)
        flags = UnmapGPAFlags(rawValue: try bytes.read(UInt32.self, at: 16))
        _ = try bytes.read(UInt32.self, at: 20)
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.zero(Self.size)
        try bytes.write(partition.rawValue, at: 0)
        try bytes.write(gpaPage, at: 8)
        try bytes.write(flags.rawValue, at: 16)
    }
}
