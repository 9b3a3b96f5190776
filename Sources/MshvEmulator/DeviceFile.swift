import CMshv
import Glibc
import HypercallABI
import LinuxSystem

/// A descriptor of `/dev/mshv`.
final class DeviceFile: EmulatedFile {
    let kind = FileKind.device
    let memory: MemoryFile
    private let requests: DeviceRequests

    init(_ emulator: MshvEmulator, memory: MemoryFile) {
        requests = DeviceRequests(emulator: emulator)
        self.memory = memory
    }

    func ioctl(_ request: UInt32, _ argument: UInt64, _ install: Installer) throws(Errno) -> Int32 {
        try requests.ioctl(request, argument, install)
    }

    func released() {}
}

/// The requests of `/dev/mshv` itself, which has no state.
struct DeviceRequests {
    let emulator: MshvEmulator

    func ioctl(_ request: UInt32, _ argument: UInt64, _ install: Installer) throws(Errno) -> Int32 {
        switch UInt(request) {
        case HV_MSHV_DEVICE_CREATE_PARTITION: return try createPartition(argument, install)
        case HV_MSHV_DEVICE_ROOT_HVCALL:
            try RootHypercall(emulator: emulator, partition: nil, isPartitionDescriptor: false).perform(argument)
            return 0
        default: throw Errno(ENOTTY)
        }
    }

    private static let knownFlags =
        HV_MSHV_PT_LAPIC | HV_MSHV_PT_X2APIC | HV_MSHV_PT_GPA_SUPER_PAGES | HV_MSHV_PT_CPU_AND_XSAVE_FEATURES
        | HV_MSHV_PT_NESTED_VIRTUALIZATION | HV_MSHV_PT_SMT_ENABLED_GUEST

    private func createPartition(_ argument: UInt64, _ install: Installer) throws(Errno) -> Int32 {
        let partition = try EmulatedPartition(emulator, try creation(argument))
        // Where there is no descriptor to be had, the partition's end comes with that of its last reference.
        return try install(PartitionFile(partition, memory: try MemoryFile(name: "mshv_partition", count: 0)))
    }

    /// Both generations of the argument: the second begins as the first, and a flag says that it is one.
    private func creation(_ argument: UInt64) throws(Errno) -> CreatePartitionInput {
        let first = try UserMemory.load(mshv_create_partition(), at: argument)
        try Self.check(first.pt_flags, first.pt_isolation)
        guard first.pt_flags & HV_MSHV_PT_CPU_AND_XSAVE_FEATURES != 0 else {
            // Everything there is; the hypervisor takes away what it does not have.
            return CreatePartitionInput(flags: Self.creationFlags(first.pt_flags))
        }
        let second = try UserMemory.load(mshv_create_partition_v2(), at: argument)
        // The program may have changed it between the two reads.
        try Self.check(second.pt_flags, second.pt_isolation)
        let isReservedZero = withUnsafeBytes(of: second.pt_rsvd) { $0.allSatisfy { $0 == 0 } }
        guard Int32(second.pt_num_cpu_fbanks) == Int32(MSHV_NUM_CPU_FEATURES_BANKS), isReservedZero,
            second.pt_rsvd1.0 == 0, second.pt_rsvd1.1 == 0
        else { throw Errno(EINVAL) }
        return CreatePartitionInput(
            flags: Self.creationFlags(second.pt_flags), disabledFeatures0: second.pt_cpu_fbanks.0,
            disabledFeatures1: second.pt_cpu_fbanks.1, disabledXsaveFeatures: second.pt_disabled_xsave)
    }

    private static func check(_ flags: UInt64, _ isolation: UInt64) throws(Errno) {
        // SEV-SNP's isolation is not in Linux's list, nor can KVM's partitions here have it.
        guard flags & ~knownFlags == 0, isolation == UInt64(MSHV_PT_ISOLATION_NONE) else { throw Errno(EINVAL) }
    }

    private static func creationFlags(_ flags: UInt64) -> PartitionCreationFlags {
        var creation: PartitionCreationFlags = [.exoPartition, .interceptMessagePageEnabled]
        if flags & HV_MSHV_PT_LAPIC != 0 { creation.insert(.lapicEnabled) }
        if flags & HV_MSHV_PT_X2APIC != 0 { creation.insert(.x2apicCapable) }
        if flags & HV_MSHV_PT_GPA_SUPER_PAGES != 0 { creation.insert(.gpaSuperPagesEnabled) }
        if flags & HV_MSHV_PT_NESTED_VIRTUALIZATION != 0 { creation.insert(.nestedVirtualizationCapable) }
        if flags & HV_MSHV_PT_SMT_ENABLED_GUEST != 0 { creation.insert(.smtEnabledGuest) }
        return creation
    }
}
