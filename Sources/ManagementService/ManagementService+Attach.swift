import BlockStorage
import Hypervisor
import PartitionManager

/// Disks of VMs that exist already.
extension ManagementService {
    package func disk(_ disk: String, of id: String) throws(ServiceError) -> DiskSource {
        guard let found = try vm(id).specification.disks.first(where: { $0.id == disk }) else {
            throw ServiceError(.notFound, "VM '\(id)' has no disk with the id '\(disk)'.")
        }
        return found
    }

    package func attachDisk(_ disk: DiskSource, to id: String) async throws(ServiceError) -> OperationResource {
        let vm = try vm(id)
        var alone = vm
        alone.specification.disks = [disk]
        do throws(ServiceError) {
            alone.specification = try resolvingVolumes(alone.specification)
            let disk = alone.specification.disks.first ?? disk
            try Validation.check(disk, field: "/disks/0")
            try await checkDisks(alone.specification)
            try await checkImageIsFree(disk, of: vm)
            if !LifecycleRules.isOff(vm.state) { try await checkDisksAreFree(alone) }
        } catch {
            // These speak of the first of a VM's disks.
            let prefix = "/disks/0"
            guard let field = error.field, field.hasPrefix(prefix) else { throw error }
            throw ServiceError(
                error.kind, error.detail, field: String(field.dropFirst(prefix.count)), expected: error.expected)
        }
        return try await manager.attachDisk(disk, to: id)
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

    package func detachDisk(
        _ disk: String, of id: String, force: Bool, timeout: Double?
    ) async throws(ServiceError) -> OperationResource {
        if let timeout {
            guard timeout.isFinite, timeout > 0, timeout <= 86_400 else {
                throw ServiceError(
                    .invalidArgument, "The timeout is more than 0 and at most 86400 seconds.", field: "/timeout",
                    expected: "0 < timeout <= 86400")
            }
        }
        return try await manager.detachDisk(disk, of: id, force: force, timeout: timeout)
    }

    package func limitDisk(
        _ disk: String, of id: String, _ limit: DiskSource.RateLimit?
    ) async throws(ServiceError) -> DiskSource {
        var checked = try self.disk(disk, of: id)
        checked.rateLimit = limit
        try Validation.check(checked, field: "")
        return try await manager.limitDisk(disk, of: id, limit)
    }
}
