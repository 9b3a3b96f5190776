import CLinux
import Glibc
import HypercallABI
import Hypervisor
import LinuxSystem

/// The processor engine on `/dev/kvm`: a partition is a KVM VM with the local APICs in the kernel (split irqchip), a
/// virtual processor a vCPU that runs on the thread that calls it.
package final class KvmEngine: ProcessorEngine {
    package let description: HypervisorDescription
    let device: FileDescriptor
    /// Bytes of a vCPU's shared page range.
    let runSize: Int
    /// The highest number of memory slots of a VM.
    let slotLimit: UInt32
    /// What CPUID may show, before it is made a processor's own.
    let supportedCPUID: [CPUIDEntry]
    let hasTSCDeadlineTimer: Bool
    let canDisablePMU: Bool
    let hasExceptionPayload: Bool
    /// Bytes of a vCPU's XSAVE area.
    let xsaveSize: Int

    /// Opens `/dev/kvm` and checks that it can do all this engine asks for.
    ///
    /// - Throws: `HypervisorError` that says which of it is missing and what would help.
    package convenience init() throws(HypervisorError) {
        try self.init(
            description: HypervisorDescription(
                kind: .kvm, detail: "KVM (API version 12) at /dev/kvm, not probed", isEmulated: false))
    }

    /// The same, described by somebody who has looked closer.
    init(description: HypervisorDescription) throws(HypervisorError) {
        self.description = description
        do {
            device = try FileDescriptor(opening: Self.path, O_RDWR)
        } catch {
            throw Self.cannotOpen(error)
        }
        let version: Int32
        do {
            version = try device.ioctl(HV_KVM_GET_API_VERSION)
        } catch {
            throw HypervisorError("\(Self.path) does not answer KVM's requests: \(error)")
        }
        guard version == KVM_API_VERSION else {
            throw HypervisorError("\(Self.path) has KVM API version \(version); version \(KVM_API_VERSION) is needed")
        }
        for (number, name) in Self.neededCapabilities where Self.capability(number, of: device) <= 0 {
            throw HypervisorError(
                "this kernel's KVM lacks the capability \(name), which is needed; Linux 4.7 or later on x86-64 has it")
        }
        slotLimit = UInt32(clamping: Self.capability(KVM_CAP_NR_MEMSLOTS, of: device))
        hasTSCDeadlineTimer = Self.capability(KVM_CAP_TSC_DEADLINE_TIMER, of: device) > 0
        canDisablePMU = Self.capability(KVM_CAP_PMU_CAPABILITY, of: device) & KVM_PMU_CAP_DISABLE != 0
        hasExceptionPayload = Self.capability(KVM_CAP_EXCEPTION_PAYLOAD, of: device) > 0
        xsaveSize = max(MemoryLayout<kvm_xsave>.size, Int(Self.capability(KVM_CAP_XSAVE2, of: device)))
        do {
            let size = Int(try device.ioctl(HV_KVM_GET_VCPU_MMAP_SIZE))
            guard size >= MemoryLayout<kvm_run>.size else {
                throw Errno(EINVAL)
            }
            runSize = size
            supportedCPUID = try CPUIDEntry.supported(by: device)
        } catch {
            throw HypervisorError("\(Self.path) does not tell its vCPU size or its CPUID: \(error)")
        }
        if hv_kvm_install_kick_handler() != 0 {
            throw HypervisorError("cannot handle signal \(hv_kvm_kick_signal()), which stops processors: \(Errno.last)")
        }
    }

    package func createPartition(
        _ configuration: EnginePartitionConfiguration
    ) throws(HypervisorError) -> any EnginePartition {
        guard (1...Self.mostProcessors).contains(configuration.vpCount) else {
            throw HypervisorError(
                "partition \(configuration.partitionID) asks for \(configuration.vpCount) virtual processors; "
                    + "KVM partitions have 1 to \(Self.mostProcessors)")
        }
        return try KvmPartition(engine: self, configuration: configuration)
    }

    static let path = "/dev/kvm"
    /// APIC ids are 8 bits in the tables the guest gets, and 255 is the broadcast.
    static let mostProcessors = 254

    private static let neededCapabilities: [(Int32, String)] = [
        (KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY"),
        (KVM_CAP_NR_MEMSLOTS, "KVM_CAP_NR_MEMSLOTS"),
        (KVM_CAP_READONLY_MEM, "KVM_CAP_READONLY_MEM"),
        (KVM_CAP_SPLIT_IRQCHIP, "KVM_CAP_SPLIT_IRQCHIP"),
        (KVM_CAP_X2APIC_API, "KVM_CAP_X2APIC_API"),
        (KVM_CAP_SIGNAL_MSI, "KVM_CAP_SIGNAL_MSI"),
        (KVM_CAP_IRQ_ROUTING, "KVM_CAP_IRQ_ROUTING"),
        (KVM_CAP_EXT_CPUID, "KVM_CAP_EXT_CPUID"),
        (KVM_CAP_MP_STATE, "KVM_CAP_MP_STATE"),
        (KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT"),
        (KVM_CAP_SET_TSS_ADDR, "KVM_CAP_SET_TSS_ADDR"),
        (KVM_CAP_SET_IDENTITY_MAP_ADDR, "KVM_CAP_SET_IDENTITY_MAP_ADDR"),
        (KVM_CAP_DEBUGREGS, "KVM_CAP_DEBUGREGS"),
        (KVM_CAP_XCRS, "KVM_CAP_XCRS"),
        (KVM_CAP_VCPU_EVENTS, "KVM_CAP_VCPU_EVENTS"),
    ]

    private static func capability(_ number: Int32, of device: borrowing FileDescriptor) -> Int32 {
        // An error means "no" here: the caller says what is missing.
        (try? device.ioctl(HV_KVM_CHECK_EXTENSION, UInt(number))) ?? 0
    }

    private static func cannotOpen(_ error: Errno) -> HypervisorError {
        switch error.code {
        case ENOENT, ENODEV, ENXIO:
            HypervisorError(
                "there is no usable \(path) (\(error)): the kernel module kvm_intel or kvm_amd is not loaded, or this "
                    + "machine's processor or firmware does not offer virtualization")
        case EACCES, EPERM:
            HypervisorError(
                "no permission to open \(path) for reading and writing (\(error)): run as a member of the group kvm, "
                    + "for example after `usermod -aG kvm USER` and a new login")
        default:
            HypervisorError("cannot open \(path): \(error)")
        }
    }
}
