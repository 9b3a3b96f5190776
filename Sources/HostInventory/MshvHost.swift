import CLinux
import CMshv
import Glibc
import HypercallABI
import LinuxSystem

/// What this machine offers of the Microsoft hypervisor: CPUID's word, and the driver's.
package struct MshvHost: Sendable, Equatable {
    package enum Device: Sendable, Equatable {
        /// `/dev/mshv` does not exist.
        case missing
        /// It is there and can't be opened, and why.
        case inaccessible(String)
        case usable
    }

    /// The two interfaces that Linux's driver has had.
    package enum Generation: String, Sendable {
        /// That of the first mainline release: it deposits one page and returns `EAGAIN`, and can't take processor
        /// features away from a guest.
        case first
        /// The later one, with processor feature banks in its create arguments and hypercalls about the root itself.
        case later
    }

    /// Nil on bare hardware.
    package var identity: HypervisorIdentity?
    package var device: Device
    /// Nil where the driver can't be asked.
    package var generation: Generation?
    /// As the driver names it when it is loaded ("root scheduler", "core scheduler", ...); nil where the kernel's log
    /// does not have it (any more) or can't be read.
    package var scheduler: String?

    package init(
        identity: HypervisorIdentity? = nil, device: Device = .missing, generation: Generation? = nil,
        scheduler: String? = nil
    ) {
        self.identity = identity
        self.device = device
        self.generation = generation
        self.scheduler = scheduler
    }

    /// CPUID's vendor; nil on bare hardware.
    package var vendor: String? { identity?.vendor }
    /// "root", "l1vh", "guest", "foreign" (a hypervisor other than Microsoft's) or "none" (bare hardware).
    package var role: String { identity?.role.rawValue ?? "none" }
    /// The hypervisor's version; nil where it is not Microsoft's.
    package var version: String? { identity?.version?.description }
    /// The most processors a partition may have, as far as the hypervisor tells.
    package var maximumVPs: UInt32? { identity.flatMap { $0.maximumVPs > 0 ? $0.maximumVPs : nil } }
    /// Whether the hypervisor itself runs on another one.
    package var isNested: Bool { identity?.isNested ?? false }

    /// Whether this operating system may make partitions of the Microsoft hypervisor.
    package var isParent: Bool { identity.map { $0.role == .root || $0.role == .l1vh } ?? false }
}

extension HostInventory {
    /// What CPUID answers on this machine (subleaf 0).
    package static let processorLeaves: @Sendable (UInt32) -> CPUIDRegisters = { leaf in
        let result = hv_cpuid(leaf, 0)
        return CPUIDRegisters(eax: result.eax, ebx: result.ebx, ecx: result.ecx, edx: result.edx)
    }

    /// Asks CPUID, opens `/dev/mshv` for a moment, and looks through the kernel's log. Changes nothing.
    package func mshv(
        leaves: (UInt32) -> CPUIDRegisters = HostInventory.processorLeaves
    ) -> MshvHost {
        var host = MshvHost(identity: HypervisorIdentity(leaves: leaves))
        do throws(Errno) {
            let device = try FileDescriptor(opening: root + "/dev/mshv", O_RDWR)
            host.device = .usable
            host.generation = Self.generation(device)
        } catch {
            host.device = error.code == ENOENT ? .missing : .inaccessible(error.description)
        }
        if host.isParent || host.device != .missing { host.scheduler = scheduler() }
        return host
    }

    /// A hypercall request without an input, which no driver makes: the later one refuses it (`EINVAL`), the first one
    /// does not know the request on this descriptor (`ENOTTY`). Anything else is no driver that is known.
    private static func generation(_ device: borrowing FileDescriptor) -> MshvHost.Generation? {
        var request = mshv_root_hvcall()
        do throws(Errno) {
            try device.ioctl(HV_MSHV_DEVICE_ROOT_HVCALL, &request)
            return nil
        } catch {
            switch error.code {
            case EINVAL: return .later
            case ENOTTY: return isMshv(device) ? .first : nil
            default: return nil
            }
        }
    }

    /// Whether a file knows how to make partitions, asked with flags that no driver takes.
    private static func isMshv(_ device: borrowing FileDescriptor) -> Bool {
        var request = mshv_create_partition(pt_flags: .max, pt_isolation: .max)
        do throws(Errno) {
            try device.ioctl(HV_MSHV_DEVICE_CREATE_PARTITION, &request)
            return false
        } catch {
            return error.code == EINVAL
        }
    }

    /// What the driver says of the scheduler in the kernel's log: nothing else tells it.
    private func scheduler() -> String? {
        guard let log = try? FileDescriptor(opening: root + "/dev/kmsg", O_RDONLY | O_NONBLOCK) else { return nil }
        var buffer = [UInt8](repeating: 0, count: 8192)
        let marker = "Hypervisor using "
        var found: String?
        // A read gives one record; a log of a busy machine has some ten thousand. The newest word counts.
        for _ in 0..<200_000 {
            let count = Glibc.read(log.raw, &buffer, buffer.count)
            // EPIPE: records were overwritten before they were read; the next read goes on behind them.
            if count < 0, errno == EPIPE || errno == EINTR { continue }
            guard count > 0 else { break }
            for line in buffer[..<count].split(separator: UInt8(ascii: "\n")) {
                let text = String(decoding: line, as: UTF8.self)
                guard text.contains("mshv"), let start = text.firstRange(of: marker)?.upperBound else { continue }
                let name = text[start...]
                if name.contains("scheduler") { found = String(name) }
            }
        }
        return found
    }
}
