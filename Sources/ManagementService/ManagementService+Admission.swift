import HostInventory
import Hypervisor
import PartitionManager

/// Which VMs this host takes.
extension ManagementService {
    private func admission() -> Admission {
        let memory = inventory.memory()
        return Admission(
            policy: configuration.admission, topology: inventory.topology(), memoryTotal: hostAtStart.memoryTotal,
            memoryAvailable: memory.available)
    }

    /// - Throws: `.insufficientResources` with everything for which this host can never run the VM.
    func checkHost(_ specification: VMSpecification) throws(ServiceError) {
        // A simulated guest has no memory and runs nowhere.
        guard !manager.hypervisor.isSimulated else { return }
        try Self.refuse(admission().permanent(specification))
    }

    /// Calls `body`, which starts the VM or lets it grow, while nobody else can be promised what it needs.
    ///
    /// - Parameter before: the VM as it runs; nil where it is to start.
    /// - Throws: `.insufficientResources` with everything that stands in the way; what `body` throws.
    func admitting<Result: Sendable>(
        _ specification: VMSpecification, vm: String, before: VMSpecification? = nil,
        _ body: () async throws(ServiceError) -> Result
    ) async throws(ServiceError) -> Result {
        guard !manager.hypervisor.isSimulated else { return try await body() }
        let admission = admission()
        return try await commitments.with(Admission.Commitment(specification, vm: vm)) { pending throws(ServiceError) in
            let running = manager.vms.all.map(\.entry.resource)
                .filter { resource in
                    resource.id != vm && !LifecycleRules.isOff(resource.state)
                        && !pending.contains { $0.vm == resource.id }
                }
                .map { Admission.Commitment($0.specification, vm: $0.id) }
            let blockers =
                (before == nil ? admission.permanent(specification) : [])
                + admission.present(
                    specification, others: running + pending,
                    before: before.map { Admission.Commitment($0, vm: vm) })
            try Self.refuse(blockers)
        } _: {
            () async throws(ServiceError) in
            try await body()
        }
    }

    private static func refuse(_ blockers: [ServiceError.Blocker]) throws(ServiceError) {
        guard let first = blockers.first else { return }
        var seen: Set<String> = []
        // What the host can never give need not be said once more as what it has not now.
        let blockers = blockers.filter { seen.insert($0.field).inserted }
        let detail =
            blockers.count == 1
            ? first.detail
            : "\(blockers.count) things stand in the way: " + blockers.map(\.detail).joined(separator: " ")
        var error = ServiceError(.insufficientResources, detail, field: first.field, expected: first.expected)
        error.blockers = blockers
        throw error
    }
}
