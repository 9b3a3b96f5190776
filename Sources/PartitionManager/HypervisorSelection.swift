import DeviceSources
import Glibc
import HostInventory
import Hypervisor
import KvmEngine
import LinuxSystem
import MshvHypervisor

/// What `--hypervisor` may name.
package enum HypervisorRequest: String, Sendable, CaseIterable {
    case auto, mshv, kvm, simulated
}

/// The hypervisor a server took, and why.
package struct HypervisorChoice: Sendable {
    package let launcher: any GuestLauncher
    package let requested: HypervisorRequest
    /// One sentence.
    package let reason: String

    package var description: HypervisorDescription { launcher.hypervisor }
}

package enum HypervisorSelection {
    /// Finds out what this host can do and takes the best of it, or exactly what was asked for.
    ///
    /// - Parameters:
    ///   - workerPath: the program `hvroot-partition`.
    /// - Throws: `HypervisorError` when what was asked for does not work here, with the reason.
    package static func choose(
        _ requested: HypervisorRequest, workerPath: String
    ) throws(HypervisorError) -> HypervisorChoice {
        switch requested {
        case .mshv:
            let description = try probeMshv(HostInventory().mshv())
            return HypervisorChoice(
                launcher: try workers(workerPath, description), requested: requested,
                reason: "asked for; \(description.detail)")
        case .kvm:
            let description = try probeKVM()
            return HypervisorChoice(
                launcher: try workers(workerPath, description), requested: requested,
                reason: "asked for; \(description.detail)")
        case .simulated:
            return HypervisorChoice(launcher: try SimulatedLauncher(), requested: requested, reason: "asked for")
        case .auto: return try best(workerPath)
        }
    }

    /// The Microsoft hypervisor on its own root, else KVM, else none.
    private static func best(_ workerPath: String) throws(HypervisorError) -> HypervisorChoice {
        var reason = ""
        let host = HostInventory().mshv()
        if host.isParent {
            do throws(HypervisorError) {
                let description = try probeMshv(host)
                return HypervisorChoice(
                    launcher: try workers(workerPath, description), requested: .auto, reason: description.detail)
            } catch {
                reason = "this is a parent of the Microsoft hypervisor, but \(error); "
            }
        } else if host.device != .missing {
            reason = "\(KernelDescriptor.path) is there, but this machine is no root of the Microsoft hypervisor; "
        }
        do throws(HypervisorError) {
            let description = try probeKVM()
            return HypervisorChoice(
                launcher: try workers(workerPath, description), requested: .auto,
                reason: "\(reason)\(description.detail)")
        } catch {
            return HypervisorChoice(
                launcher: try SimulatedLauncher(), requested: .auto,
                reason: "\(reason)KVM does not work here (\(error)), so guests are simulated")
        }
    }

    private static func workers(
        _ path: String, _ description: HypervisorDescription
    ) throws(HypervisorError) -> WorkerLauncher {
        guard access(path, X_OK) == 0 else {
            throw HypervisorError("the worker program \(path) is not there or can't be executed: build it or name it")
        }
        do throws(Errno) {
            return try WorkerLauncher(workerPath: path, hypervisor: description)
        } catch {
            throw HypervisorError("no thread or descriptor to watch workers with: \(error)")
        }
    }

    private static func probeMshv(_ host: MshvHost) throws(HypervisorError) -> HypervisorDescription {
        switch host.device {
        case .missing:
            let who =
                host.isParent
                ? "the kernel's driver mshv_root is not loaded"
                : "this machine is no root of the Microsoft hypervisor"
            throw HypervisorError(
                "\(KernelDescriptor.path) is not there (\(who)): use --hypervisor kvm, simulated or auto")
        case .inaccessible(let reason): throw HypervisorError("\(KernelDescriptor.path) can't be opened: \(reason)")
        case .usable: return try MshvProbe.probe(isParent: host.isParent)
        }
    }

    /// The engine itself is made in each worker; the probe's is closed again.
    private static func probeKVM() throws(HypervisorError) -> HypervisorDescription {
        try HypervisorProbe.probeKVM().get().1
    }
}
