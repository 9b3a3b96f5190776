import Glibc
import Hypervisor
import KvmEngine
import LinuxSystem

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
            let found = hasMshv ? "/dev/mshv is there" : "/dev/mshv is not there"
            throw HypervisorError(
                "the mshv port is not part of this release (\(found)): use --hypervisor kvm, simulated or auto")
        case .kvm:
            let description = try probe()
            return HypervisorChoice(
                launcher: try workers(workerPath, description), requested: requested,
                reason: "asked for; \(description.detail)")
        case .simulated:
            return HypervisorChoice(launcher: try SimulatedLauncher(), requested: requested, reason: "asked for")
        case .auto:
            let mshv = hasMshv ? "/dev/mshv is there, but this release has no port to it; " : ""
            do throws(HypervisorError) {
                let description = try probe()
                return HypervisorChoice(
                    launcher: try workers(workerPath, description), requested: requested,
                    reason: "\(mshv)\(description.detail)")
            } catch {
                return HypervisorChoice(
                    launcher: try SimulatedLauncher(), requested: requested,
                    reason: "\(mshv)KVM does not work here (\(error)), so guests are simulated")
            }
        }
    }

    private static var hasMshv: Bool { access("/dev/mshv", F_OK) == 0 }

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

    /// The engine itself is made in each worker; the probe's is closed again.
    private static func probe() throws(HypervisorError) -> HypervisorDescription {
        try HypervisorProbe.probeKVM().get().1
    }
}
