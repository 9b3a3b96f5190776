import BlockStorage
import DeviceSources
import Hypervisor
import NetworkBackends
import PartitionManager

/// Devices of VMs that exist already.
extension ManagementService {
    package func device(_ device: DeviceName, of id: String) throws(ServiceError) -> DeviceSource {
        guard let found = try vm(id).specification.device(device) else {
            throw ServiceError(.notFound, "VM '\(id)' has no \(device.kind.words) with the id '\(device.id)'.")
        }
        return found
    }

    package func attach(_ device: DeviceSource, to id: String) async throws(ServiceError) -> OperationResource {
        let vm = try vm(id)
        do throws(ServiceError) {
            switch device {
            case .disk(let disk): return try await attach(disk, to: vm)
            case .networkInterface(let interface): return try await attach(interface, to: vm)
            }
        } catch {
            // These speak of the first of a VM's devices of the kind.
            let prefix = "/\(device.name.kind.rawValue)s/0"
            guard let field = error.field, field.hasPrefix(prefix) else { throw error }
            throw ServiceError(
                error.kind, error.detail, field: String(field.dropFirst(prefix.count)), expected: error.expected)
        }
    }

    private func attach(_ disk: DiskSource, to vm: VMResource) async throws(ServiceError) -> OperationResource {
        var alone = vm
        alone.specification.disks = [disk]
        alone.specification = try resolvingVolumes(alone.specification)
        let resolved = alone.specification.disks.first ?? disk
        try Validation.check(resolved, field: "/disks/0")
        try await checkDisks(alone.specification)
        try await checkImageIsFree(resolved, of: vm)
        if !LifecycleRules.isOff(vm.state) { try await checkDisksAreFree(alone) }
        return try await manager.attach(.disk(disk), to: vm.id)
    }

    private func attach(
        _ interface: NetworkSource, to vm: VMResource
    ) async throws(ServiceError) -> OperationResource {
        var alone = vm
        alone.specification.networkInterfaces = withAddresses([interface], vm: vm.id)
        let planned = alone
        try Validation.check(networkInterfaces: planned.specification.networkInterfaces)
        let interfaces = planned.specification.networkInterfaces
        return try await claimingAddresses(of: interfaces, vm: vm.id) { () async throws(ServiceError) in
            // Of a VM that is off the taps are claimed at its start.
            guard let whole = interfaces.first, !LifecycleRules.isOff(planned.state) else {
                return try await manager.attach(.networkInterface(interfaces.first ?? interface), to: planned.id)
            }
            return try await claimingTaps(of: planned) { () async throws(ServiceError) in
                try await manager.attach(.networkInterface(whole), to: planned.id)
            }
        }
    }

    /// - Throws: `.wrongState` where another disk of the VM has the image, unless both only read it.
    private func checkImageIsFree(_ disk: DiskSource, of vm: VMResource) async throws(ServiceError) {
        let others = vm.specification.disks.filter { !($0.isReadOnly && disk.isReadOnly) && $0.id != disk.id }
        let user = await imageReader.run { () -> DiskSource? in
            let identity = ImageInspection.identity(of: disk.path)
            return others.first { other in
                other.path == disk.path || (identity != nil && ImageInspection.identity(of: other.path) == identity)
            }
        }
        guard let user else { return }
        throw ServiceError(
            .wrongState,
            "The image \(disk.path) is in use: the VM has it as its disk '\(user.id)'; only disks that are all read-only "
                + "can share one.", field: "/path", expected: "an image of its own")
    }

    package func detach(
        _ device: DeviceName, of id: String, force: Bool, timeout: Double?
    ) async throws(ServiceError) -> OperationResource {
        if let timeout {
            guard timeout.isFinite, timeout > 0, timeout <= 86_400 else {
                throw ServiceError(
                    .invalidArgument, "The timeout is more than 0 and at most 86400 seconds.", field: "/timeout",
                    expected: "0 < timeout <= 86400")
            }
        }
        return try await manager.detach(device, of: id, force: force, timeout: timeout)
    }

    package func limit(
        _ device: DeviceName, of id: String, _ limit: DeviceLimit?
    ) async throws(ServiceError) -> DeviceSource {
        var checked = try self.device(device, of: id)
        checked.limit = limit
        switch checked {
        case .disk(let disk): try Validation.check(disk, field: "")
        case .networkInterface(let interface): try Validation.check(interface, field: "")
        }
        return try await manager.limit(device, of: id, limit)
    }
}
