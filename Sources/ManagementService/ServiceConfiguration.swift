import PartitionManager

/// What a server was started with.
package struct ServiceConfiguration: Sendable {
    package var manager: ManagerConfiguration
    /// Which hypervisor was taken, and why.
    package var hypervisor: HypervisorResource
    package var version: String
    /// What stands before `/proc` for the host's inventory; empty: this machine.
    package var hostRoot = ""
    package var admission = AdmissionPolicy()

    package init(manager: ManagerConfiguration, hypervisor: HypervisorResource, version: String) {
        self.manager = manager
        self.hypervisor = hypervisor
        self.version = version
    }
}
