import DeviceSettings
import Hypervisor
import PartitionManager
import Synchronization

/// Context identifiers that requests under way want: two that come at the same time never get the same one.
final class VsockClaims: Sendable {
    private let pending = Mutex<[String: UInt64]>([:])

    /// Calls `body` with the claim standing.
    ///
    /// - Returns: the VM that has the identifier; `body`'s result where there is none.
    func with<Result: Sendable>(
        _ cid: UInt64, vm: String, isTaken: (_ others: [String: UInt64]) throws(ServiceError) -> Void,
        _ body: () async throws(ServiceError) -> Result
    ) async throws(ServiceError) -> Result {
        try pending.withLock { claims throws(ServiceError) in
            try isTaken(claims.filter { $0.key != vm })
            claims[vm] = cid
        }
        defer { pending.withLock { _ = $0.removeValue(forKey: vm) } }
        return try await body()
    }
}

extension ManagementService {
    /// Calls `body` while no other VM can get the guest's context identifier.
    ///
    /// - Throws: `.alreadyExists` with the VM that has it; what `body` throws.
    func claimingCID<Result: Sendable>(
        of vsock: VsockSettings?, vm: String, _ body: () async throws(ServiceError) -> Result
    ) async throws(ServiceError) -> Result {
        guard let cid = vsock?.cid else { return try await body() }
        return try await vsockClaims.with(cid, vm: vm) { others throws(ServiceError) in
            let defined = manager.vms.all.map(\.entry.resource)
                .first { $0.id != vm && $0.specification.deviceSettings.vsock?.cid == cid }?.id
            guard let other = defined ?? others.first(where: { $0.value == cid })?.key else { return }
            throw ServiceError(
                .alreadyExists, "The context identifier \(cid) is taken: VM '\(other)' has it.", field: "/vsock/cid",
                expected: "an identifier that no other VM has")
        } _: {
            () async throws(ServiceError) in
            try await body()
        }
    }

    /// The VM with what is known of its devices now.
    func withDevices(_ vm: VMResource) -> VMResource {
        let devices = vm.specification.deviceSettings
        guard devices.balloon != nil || devices.vsock != nil else { return vm }
        var vm = vm
        if devices.balloon != nil, vm.startedAt != nil {
            vm.balloon = manager.vms[vm.id]?.entry.statistics?.balloon
        }
        if let vsock = devices.vsock, vsock.backend != .vhost, !manager.hypervisor.isSimulated {
            vm.vsockSocket = manager.vsockSocket(of: vm.id)
        }
        return vm
    }
}
