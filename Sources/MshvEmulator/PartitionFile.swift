import CMshv
import Glibc
import HypercallABI
import LinuxSystem
import Synchronization

/// A partition's descriptor.
final class PartitionFile: EmulatedFile {
    let kind = FileKind.partition
    let memory: MemoryFile
    private let partition: EmulatedPartition

    init(_ partition: EmulatedPartition, memory: MemoryFile) {
        self.partition = partition
        self.memory = memory
    }

    func ioctl(_ request: UInt32, _ argument: UInt64, _ install: Installer) throws(Errno) -> Int32 {
        switch UInt(request) {
        case HV_MSHV_PARTITION_INITIALIZE: try partition.initialize()
        case HV_MSHV_PARTITION_CREATE_VP: return try partition.createProcessor(argument, install)
        case HV_MSHV_PARTITION_SET_GUEST_MEMORY: try partition.setGuestMemory(argument)
        case HV_MSHV_PARTITION_IRQFD: try partition.setIrqfd(argument)
        case HV_MSHV_PARTITION_IOEVENTFD: try partition.setIoeventfd(argument)
        case HV_MSHV_PARTITION_SET_MSI_ROUTING: try partition.setMSIRouting(argument)
        case HV_MSHV_PARTITION_GET_GPAP_ACCESS_BITMAP: try partition.readAccessBitmap(argument)
        case HV_MSHV_PARTITION_ROOT_HVCALL:
            try partition.state.withLock { _ throws(Errno) in
                try RootHypercall(emulator: partition.emulator, partition: partition.id, isPartitionDescriptor: true)
                    .perform(argument)
            }
        case HV_MSHV_PARTITION_CREATE_DEVICE: return try partition.createDevice(argument, install)
        default: throw Errno(ENOTTY)
        }
        return 0
    }

    /// What the program registered ends with the partition's own descriptors, also where a processor's keep it alive.
    func released() {
        partition.interrupts.removeAll()
        partition.notifications.removeAll()
    }
}
