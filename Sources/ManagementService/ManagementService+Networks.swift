import HostInventory
import Hypervisor
import NetworkBackends
import PartitionManager

/// What a VM's network interfaces have to themselves on this node: their MAC addresses always, a tap while they run.
extension ManagementService {
    /// The interfaces, each with a MAC address: its own or a derived one.
    func withAddresses(_ interfaces: [NetworkSource], vm: String) -> [NetworkSource] {
        interfaces.map { interface in
            var interface = interface
            interface.mac =
                interface.mac ?? MACAddress(derivedFrom: hostAtStart.machineID ?? "", vm: vm, interface: interface.id)
            return interface
        }
    }

    /// Calls `body` while nobody else can get the interfaces' addresses.
    ///
    /// - Throws: `.alreadyExists` with the first address that another VM has; what `body` throws.
    func claimingAddresses<Result: Sendable>(
        of interfaces: [NetworkSource], vm: String, _ body: () async throws(ServiceError) -> Result
    ) async throws(ServiceError) -> Result {
        try await addressClaims.with(.init(vm: vm, interfaces: interfaces)) { others throws(ServiceError) in
            let defined = manager.vms.all.map(\.entry.resource).filter { $0.id != vm }
                .map { NetworkClaim(vm: $0.id, interfaces: $0.specification.networkInterfaces) }
            for (index, interface) in interfaces.enumerated() {
                for other in defined + others {
                    guard let taken = other.interfaces.first(where: { $0.mac == interface.mac }), let mac = taken.mac
                    else { continue }
                    throw ServiceError(
                        .alreadyExists,
                        "The MAC address \(mac) of network interface '\(interface.id)' is taken: VM '\(other.vm)' has "
                            + "it for its interface '\(taken.id)'.", field: "/networkInterfaces/\(index)/mac",
                        expected: "an address that no other VM has")
                }
            }
        } _: {
            () async throws(ServiceError) in
            try await body()
        }
    }

    /// Calls `body`, which starts the VM, while nobody else can get the taps that its interfaces name.
    ///
    /// - Throws: `.wrongState` with the VM that has one; what `body` throws.
    func claimingTaps<Result: Sendable>(
        of vm: VMResource, _ body: () async throws(ServiceError) -> Result
    ) async throws(ServiceError) -> Result {
        let interfaces = manager.hypervisor.isSimulated ? [] : vm.specification.networkInterfaces
        return try await tapClaims.with(.init(vm: vm.id, interfaces: interfaces)) { others throws(ServiceError) in
            let running = manager.vms.all.map(\.entry.resource)
                .filter { $0.id != vm.id && !LifecycleRules.isOff($0.state) }
                .map { NetworkClaim(vm: $0.id, interfaces: $0.specification.networkInterfaces) }
            for (index, interface) in interfaces.enumerated() {
                guard let name = interface.tap.name else { continue }
                for other in running + others {
                    guard let taken = other.interfaces.first(where: { $0.tap.name == name }) else { continue }
                    throw ServiceError(
                        .wrongState,
                        "The tap \(name) of network interface '\(interface.id)' is in use: VM '\(other.vm)' has it for "
                            + "its interface '\(taken.id)'.", field: "/networkInterfaces/\(index)/tap/name",
                        expected: "a tap that no running VM uses")
                }
            }
        } _: {
            () async throws(ServiceError) in
            try await body()
        }
    }
}
