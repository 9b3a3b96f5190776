/// How guest memory is mapped (HV_MAP_GPA_FLAGS, TLFS, "Guest Physical Address Spaces").
package struct MapGPAFlags: OptionSet, Hashable, Sendable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    package static let readable = MapGPAFlags(rawValue: 0x1)
    package static let writable = MapGPAFlags(rawValue: 0x2)
    package static let kernelExecutable = MapGPAFlags(rawValue: 0x4)
    package static let userExecutable = MapGPAFlags(rawValue: 0x8)
    package static let executable: MapGPAFlags = [.kernelExecutable, .userExecutable]
    package static let permissions: MapGPAFlags = [.readable, .writable, .executable]
    /// The permissions may be lowered later (virtual secure mode).
    package static let adjustable = MapGPAFlags(rawValue: 0x8000)
    /// The range is known but every access to it intercepts; the source pages are ignored.
    package static let noAccess = MapGPAFlags(rawValue: 0x1_0000)
    package static let notCached = MapGPAFlags(rawValue: 0x20_0000)
    /// Each repetition maps 2 MiB instead of 4 KiB.
    package static let largePage = MapGPAFlags(rawValue: 0x8000_0000)
    /// Every bit with a meaning.
    package static let known: MapGPAFlags = [.permissions, .adjustable, .noAccess, .notCached, .largePage]
}

/// How guest memory is unmapped.
package struct UnmapGPAFlags: OptionSet, Hashable, Sendable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    /// Each repetition unmaps 2 MiB instead of 4 KiB.
    package static let largePage = UnmapGPAFlags(rawValue: 0x2)
    /// Every bit with a meaning.
    package static let known: UnmapGPAFlags = [.largePage]
}

/// What a partition is created with (HV_PARTITION_CREATION_FLAGS).
package struct PartitionCreationFlags: OptionSet, Hashable, Sendable {
    package let rawValue: UInt64
    package init(rawValue: UInt64) { self.rawValue = rawValue }

    package static let smtEnabledGuest = PartitionCreationFlags(rawValue: 0x1)
    package static let nestedVirtualizationCapable = PartitionCreationFlags(rawValue: 0x2)
    package static let gpaSuperPagesEnabled = PartitionCreationFlags(rawValue: 0x10)
    /// Without the hypervisor's guest interfaces; the root handles what the guest does.
    package static let exoPartition = PartitionCreationFlags(rawValue: 0x100)
    package static let lapicEnabled = PartitionCreationFlags(rawValue: 0x2000)
    package static let interceptMessagePageEnabled = PartitionCreationFlags(rawValue: 0x8_0000)
    package static let x2apicCapable = PartitionCreationFlags(rawValue: 0x40_0000)
    /// Every bit with a known meaning.
    package static let known: PartitionCreationFlags = [
        .smtEnabledGuest, .nestedVirtualizationCapable, .gpaSuperPagesEnabled, .exoPartition, .lapicEnabled,
        .interceptMessagePageEnabled, .x2apicCapable,
    ]
}
