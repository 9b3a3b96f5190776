import BlockStorage
import LinuxSystem

/// A disk is detached: who asks for it and how.
struct DiskDetach: Sendable {
    var id: String
    var force: Bool
    /// Seconds that the guest has to eject it.
    var timeout: Double
}

/// What attaching and detaching does to a VM before and after the guest has its say. A disk is in the specification
/// from the moment its attaching is accepted until it is gone: what fails puts it back as it was.
extension VMDraft {
    /// Begins to attach `disk`, or has done so where there is no guest.
    ///
    /// - Throws: `.operationConflict`, `.alreadyExists`, `.wrongState`.
    mutating func beginAttach(_ disk: DiskSource, id: String) throws(ServiceError) -> StoredOperation {
        try checkNoOperation()
        guard record.specification.disks.allSatisfy({ $0.id != disk.id }) else {
            throw ServiceError(
                .alreadyExists, "The VM has a disk with the id '\(disk.id)' already.", field: "/id",
                expected: "an id that no other disk of the VM has")
        }
        // By its name only, for two that come at once; whether two names lead to one file was looked at before.
        let user = record.specification.disks.first { $0.path == disk.path && !($0.isReadOnly && disk.isReadOnly) }
        if let user {
            throw ServiceError(
                .wrongState, "The image \(disk.path) is in use: the VM has it as its disk '\(user.id)'.",
                field: "/path",
                expected: "an image of its own")
        }
        // One of them is what cloud-init reads.
        let most = DiskSource.maximumCount - (record.specification.cloudInit == nil ? 0 : 1)
        guard record.specification.disks.count < most else {
            throw ServiceError(.wrongState, "The VM has \(most) disks, which is the most: detach one of them first.")
        }
        guard record.specification.cloudInit == nil || disk.id != CloudInit.diskID else {
            throw ServiceError(
                .alreadyExists, "The id '\(disk.id)' is that of the disk that cloud-init reads.", field: "/id",
                expected: "another id")
        }
        let operation = diskOperation(.attachDisk, disk.id, id: id)
        guard !LifecycleRules.isOff(record.state) else {
            record.specification.disks.append(disk)
            return doneNow(operation)
        }
        if case .refused(let why) = LifecycleRules.decide(.attachDisk, in: record.state) {
            throw ServiceError(.wrongState, why)
        }
        record.specification.disks.append(disk)
        begin(operation)
        return operation
    }

    /// What a disk that was just added is by its volume.
    mutating func resolveDisk(_ id: String, _ resolve: (DiskSource) -> DiskSource) {
        guard let index = record.specification.disks.firstIndex(where: { $0.id == id }) else { return }
        record.specification.disks[index] = resolve(record.specification.disks[index])
    }

    /// Begins to detach a disk, or has done so where there is no guest.
    ///
    /// - Throws: `.notFound`, `.operationConflict`, `.wrongState`.
    mutating func beginDetach(_ detach: DiskDetach, id: String) throws(ServiceError) -> StoredOperation {
        guard record.specification.disks.contains(where: { $0.id == detach.id }) else {
            throw ServiceError(.notFound, "VM '\(record.id)' has no disk with the id '\(detach.id)'.")
        }
        var operation = diskOperation(.detachDisk, detach.id, id: id)
        operation.timeout = detach.timeout
        operation.isForced = detach.force
        if let active, active.verb == .detachDisk, active.resource.disk == detach.id, detach.force, !active.isForced {
            endActive(ServiceError(.wrongState, "Superseded by operation \(id), which takes the disk away by force."))
        }
        try checkNoOperation()
        guard !LifecycleRules.isOff(record.state) else {
            removeDisk(detach.id)
            return doneNow(operation)
        }
        if case .refused(let why) = LifecycleRules.decide(.detachDisk, in: record.state) {
            throw ServiceError(.wrongState, why)
        }
        guard detach.force || record.state != .paused else {
            throw ServiceError(
                .wrongState,
                "The VM is paused, and a guest that does not run can't eject a disk: resume it first, or use force=true."
            )
        }
        begin(operation)
        return operation
    }

    /// The disk is gone, whoever wanted it: the guest ejected it, or it was taken away.
    mutating func diskIsGone(_ id: String) {
        removeDisk(id)
        addEvent("vm.disk-ejected", [("disk", id)])
        guard let active, active.resource.disk == id else { return }
        endActive(
            active.verb == .detachDisk
                ? nil : ServiceError(.guestFailed, "The guest ejected the disk '\(id)' as soon as it had it."))
    }

    /// Before an operation on a disk ends without its result: a disk that was not attached is the VM's no more.
    mutating func undoAttach() {
        if let active, active.verb == .attachDisk, let disk = active.resource.disk { removeDisk(disk) }
    }

    /// Before the run's end is noted: with the guest goes a disk that was on its way, in either direction.
    mutating func endDiskOperation() {
        guard let active, let disk = active.resource.disk else { return }
        removeDisk(disk)
    }

    private mutating func removeDisk(_ id: String) { record.specification.disks.removeAll { $0.id == id } }

    private func checkNoOperation() throws(ServiceError) {
        guard let active else { return }
        let disk = active.resource.disk.map { " of disk '\($0)'" } ?? ""
        throw ServiceError(
            .operationConflict,
            "Operation \(active.id) (\(active.verb.rawValue)\(disk)) is under way on this VM: wait for its end first.")
    }

    private func diskOperation(_ verb: OperationResource.Verb, _ disk: String, id: String) -> StoredOperation {
        var resource = OperationResource(
            id: id, verb: verb, vmID: record.id, status: .running, error: nil, createdAt: realtimeNanoseconds(),
            endedAt: nil)
        resource.disk = disk
        return StoredOperation(resource: resource, timeout: nil)
    }

    private mutating func doneNow(_ operation: StoredOperation) -> StoredOperation {
        addDone(operation)
        return operations.last ?? operation
    }
}
