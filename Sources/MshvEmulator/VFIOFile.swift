import CLinux
import CMshv
import Glibc
import LinuxSystem
import Synchronization

extension EmulatedPartition {
    /// MSHV_CREATE_DEVICE, which rust-vmm has and Linux does not yet: a place to tell VFIO files to.
    func createDevice(_ argument: UInt64, _ install: Installer) throws(Errno) -> Int32 {
        var request = try UserMemory.load(mshv_create_device(), at: argument)
        guard request.type == VFIONumbers.deviceType else { throw Errno(ENODEV) }
        if request.flags & VFIONumbers.testOnly != 0 { return 0 }
        return try state.withLock { state throws(Errno) in
            let descriptor = try install(VFIOFile(self, memory: try MemoryFile(name: "mshv_vfio", count: 0)))
            request.fd = UInt32(bitPattern: descriptor)
            // As the driver: where this fails, the descriptor stays.
            try UserMemory.store(request, at: argument)
            return 0
        }
    }
}

/// MSHV_DEV_TYPE_VFIO and what belongs to it.
private enum VFIONumbers {
    static let deviceType: UInt32 = 0
    static let testOnly: UInt32 = 1
    static let fileGroup: UInt32 = 1
    static let fileAttributes: ClosedRange<UInt64> = 1...2
}

/// The descriptor that MSHV_CREATE_DEVICE makes. No device can be attached: that takes an IOMMU that the hypervisor
/// commands.
final class VFIOFile: EmulatedFile {
    let kind = FileKind.vfio
    let memory: MemoryFile
    /// It keeps its partition, as every descriptor made from one.
    private let partition: EmulatedPartition

    init(_ partition: EmulatedPartition, memory: MemoryFile) {
        self.partition = partition
        self.memory = memory
    }

    func ioctl(_ request: UInt32, _ argument: UInt64, _ install: Installer) throws(Errno) -> Int32 {
        switch UInt(request) {
        case HV_MSHV_GENERIC_DEVICE_HAS_ATTR:
            _ = try attribute(argument)
        case HV_MSHV_GENERIC_DEVICE_SET_ATTR:
            let fd = try UserMemory.load(Int32(0), at: try attribute(argument).addr)
            guard hv_fcntl_int(fd, F_GETFD, 0) >= 0 else { throw Errno(EBADF) }
            throw Errno(EINVAL)
        default: throw Errno(ENOTTY)
        }
        return 0
    }

    func released() {}

    private func attribute(_ argument: UInt64) throws(Errno) -> mshv_device_attr {
        let attribute = try UserMemory.load(mshv_device_attr(), at: argument)
        guard attribute.group == VFIONumbers.fileGroup, VFIONumbers.fileAttributes.contains(attribute.attr) else {
            throw Errno(ENXIO)
        }
        return attribute
    }
}
