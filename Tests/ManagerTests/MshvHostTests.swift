import Glibc
import HostInventory
import HypercallABI
import LinuxSystem
import PartitionManager
import Testing

@Suite struct MshvHostTests {
    private let root = TemporaryDirectory()

    private func put(_ path: String, _ text: String) throws {
        try DirectoryTree.create(root.path + "/dev")
        try FileDescriptor(opening: root.path + path, O_WRONLY | O_CREAT | O_TRUNC).writeAll(Array(text.utf8))
    }

    /// The Microsoft hypervisor with these privileges.
    private func leaves(_ privileges: UInt32) -> (UInt32) -> CPUIDRegisters {
        { leaf in
            switch leaf {
            case 1: CPUIDRegisters(eax: 0, ebx: 0, ecx: 1 << 31, edx: 0)
            case 0x4000_0000: CPUIDRegisters(eax: 0x4000_000A, ebx: 0x7263_694D, ecx: 0x666F_736F, edx: 0x7648_2074)
            case 0x4000_0001: CPUIDRegisters(eax: 0x3123_7648, ebx: 0, ecx: 0, edx: 0)
            case 0x4000_0002: CPUIDRegisters(eax: 27744, ebx: 10 << 16, ecx: 0, edx: 1000)
            case 0x4000_0003: CPUIDRegisters(eax: 0, ebx: privileges, ecx: 0, edx: 0)
            case 0x4000_0005: CPUIDRegisters(eax: 240, ebx: 512, ecx: 0, edx: 0)
            default: .zero
            }
        }
    }

    @Test(arguments: [(1 | 1 << 12, "root"), (1, "l1vh"), (0, "guest")] as [(UInt32, String)])
    func whatThisSystemIs(_ privileges: UInt32, _ role: String) {
        let host = HostInventory(root: root.path).mshv(leaves: leaves(privileges))
        #expect(host.role == role && host.isParent == (role != "guest"))
        #expect(host.vendor == "Microsoft Hv" && host.version == "10.0.27744.1000-0" && host.maximumVPs == 240)
        #expect(host.device == .missing && host.generation == nil && host.scheduler == nil)
    }

    @Test func theSchedulerIsInTheKernelsLog() throws {
        try put(
            "/dev/kmsg",
            "6,100,1,-;Linux version\n6,900,2,-;misc mshv: Hypervisor using classic scheduler with SMT\n"
                + "6,901,3,-;misc mshv: Hypervisor using root scheduler\n SUBSYSTEM=misc\n")
        let host = HostInventory(root: root.path).mshv(leaves: leaves(1 | 1 << 12))
        #expect(host.scheduler == "root scheduler")
    }

    @Test func aFileIsNoDriver() throws {
        try put("/dev/mshv", "")
        let host = HostInventory(root: root.path).mshv(leaves: { _ in .zero })
        #expect(host.device == .usable && host.generation == nil && host.role == "none")
    }

    @Test func bareHardware() {
        #expect(HostInventory(root: root.path).mshv(leaves: { _ in .zero }) == MshvHost())
    }
}
