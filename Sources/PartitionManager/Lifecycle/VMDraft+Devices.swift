import BlockStorage
import DeviceSources
import LinuxSystem
import NetworkBackends

/// A device is detached: who asks for it and how.
struct DeviceDetach: Sendable {
    var name: DeviceName
    var force: Bool
    /// Seconds that the guest has to eject it.
    var timeout: Double
}

/// What attaching and detaching does to a VM before and after the guest has its say. A device is in the specification
/// from the moment its attaching is accepted until it is gone: what fails puts it back as it was.
extension VMDraft {
    /// Begins to attach `device`, or has done so where there is no guest.
    ///
    /// - Throws: `.operationConflict`, `.alreadyExists`, `.wrongState`.
    mutating func beginAttach(_ device: DeviceSource, id: String) throws(ServiceError) -> StoredOperation {
        try checkNoOperation()
        let name = device.name
        guard record.specification.device(name) == nil else {
            let going = ejections.first { $0.resource.device == name }
                .map { " Operation \($0.id) (\($0.verb.rawValue)) is taking it away." }
            throw ServiceError(
                .alreadyExists, "The VM has a \(name.kind.words) with the id '\(name.id)' already.\(going ?? "")",
                field: "/id", expected: "an id that no other \(name.kind.words) of the VM has")
        }
        switch device {
        case .disk(let disk): try checkAttach(disk)
        case .networkInterface(let interface): try checkAttach(interface)
        }
        // One of the disks is what cloud-init reads.
        let isSeeded = name.kind == .disk && record.specification.cloudInit != nil
        let most = name.kind.maximumCount - (isSeeded ? 1 : 0)
        guard record.specification.devices(name.kind).count < most else {
            throw ServiceError(
                .wrongState,
                "The VM has \(most) \(name.kind.words)s, which is the most: detach one of them first.")
        }
        let verb = OperationResource.Verb.attach(name.kind)
        let operation = deviceOperation(verb, name, id: id)
        guard !LifecycleRules.isOff(record.state) else {
            record.specification.add(device)
            return doneNow(operation)
        }
        if case .refused(let why) = LifecycleRules.decide(verb, in: record.state) {
            throw ServiceError(.wrongState, why)
        }
        record.specification.add(device)
        begin(operation)
        return operation
    }

    private func checkAttach(_ disk: DiskSource) throws(ServiceError) {
        // By its name only, for two that come at once; whether two names lead to one file was looked at before.
        let user = record.specification.disks.first { $0.path == disk.path && !($0.isReadOnly && disk.isReadOnly) }
        if let user {
            throw ServiceError(
                .wrongState, "The image \(disk.path) is in use: the VM has it as its disk '\(user.id)'.",
                field: "/path",
                expected: "an image of its own")
        }
        guard record.specification.cloudInit == nil || disk.id != CloudInit.diskID else {
            throw ServiceError(
                .alreadyExists, "The id '\(disk.id)' is that of the disk that cloud-init reads.", field: "/id",
                expected: "another id")
        }
    }

    private func checkAttach(_ interface: NetworkSource) throws(ServiceError) {
        for other in record.specification.networkInterfaces {
            if let mac = interface.mac, other.mac == mac {
                throw ServiceError(
                    .alreadyExists, "The MAC address \(mac) is taken: the VM has it for its interface '\(other.id)'.",
                    field: "/mac", expected: "an address that no other interface has")
            }
            if let tap = interface.tap.name, other.tap.name == tap {
                throw ServiceError(
                    .wrongState, "The tap \(tap) is in use: the VM has it for its interface '\(other.id)'.",
                    field: "/tap/name", expected: "a tap of its own")
            }
        }
    }

    /// What a disk that was just added is by its volume.
    mutating func resolveDisk(_ id: String, _ resolve: (DiskSource) -> DiskSource) {
        guard let index = record.specification.disks.firstIndex(where: { $0.id == id }) else { return }
        record.specification.disks[index] = resolve(record.specification.disks[index])
    }

    /// Begins to detach a device, or has done so where there is no guest.
    ///
    /// - Throws: `.notFound`, `.operationConflict`, `.wrongState`.
    mutating func beginDetach(_ detach: DeviceDetach, id: String) throws(ServiceError) -> StoredOperation {
        let name = detach.name
        guard record.specification.device(name) != nil else {
            throw ServiceError(.notFound, "VM '\(record.id)' has no \(name.kind.words) with the id '\(name.id)'.")
        }
        let verb = OperationResource.Verb.detach(name.kind)
        var operation = deviceOperation(verb, name, id: id)
        operation.timeout = detach.timeout
        operation.isForced = detach.force
        try checkNoOperation()
        if let waiting = ejections.first(where: { $0.resource.device == name }) {
            guard detach.force, !waiting.isForced else { throw conflict(waiting) }
            endEjections(
                of: name,
                ServiceError(
                    .wrongState, "Superseded by operation \(id), which takes the \(name.kind.words) away by force."))
        }
        guard !LifecycleRules.isOff(record.state) else {
            record.specification.remove(name)
            return doneNow(operation)
        }
        if case .refused(let why) = LifecycleRules.decide(verb, in: record.state) {
            throw ServiceError(.wrongState, why)
        }
        guard detach.force || record.state != .paused else {
            throw ServiceError(
                .wrongState,
                "The VM is paused, and a guest that does not run can't eject a \(name.kind.words): resume it first, or "
                    + "use force=true.")
        }
        begin(operation)
        return operation
    }

    /// The device is gone, whoever wanted it: the guest ejected it, or it was taken away.
    mutating func deviceIsGone(_ name: DeviceName) {
        record.specification.remove(name)
        addEvent("vm.\(name.kind.slug)-ejected", [(name.kind.rawValue, name.id)])
        endEjections(of: name, nil)
        if active?.resource.device == name {
            endActive(ServiceError(.guestFailed, "The guest ejected the \(name) as soon as it had it."))
        }
    }

    /// Before the operation under way ends without its result: a device that was not attached is the VM's no more.
    mutating func undoAttach() {
        if let active, active.verb.isAttach, let device = active.resource.device {
            record.specification.remove(device)
        }
    }

    /// Before the run's end is noted: with the guest go the devices that were on their way, in either direction.
    mutating func endDeviceOperations() {
        undoAttach()
        for operation in ejections {
            if let device = operation.resource.device { record.specification.remove(device) }
        }
        endEjections(nil)
    }

    private func checkNoOperation() throws(ServiceError) {
        if let active { throw conflict(active) }
    }

    private func conflict(_ other: StoredOperation) -> ServiceError {
        let device = other.resource.device.map { " of \($0)" } ?? ""
        return ServiceError(
            .operationConflict,
            "Operation \(other.id) (\(other.verb.rawValue)\(device)) is under way on this VM: wait for its end first.")
    }

    private func deviceOperation(
        _ verb: OperationResource.Verb, _ device: DeviceName, id: String
    ) -> StoredOperation {
        var resource = OperationResource(
            id: id, verb: verb, vmID: record.id, status: .running, error: nil, createdAt: realtimeNanoseconds(),
            endedAt: nil)
        resource.device = device
        return StoredOperation(resource: resource, timeout: nil)
    }

    private mutating func doneNow(_ operation: StoredOperation) -> StoredOperation {
        addDone(operation)
        return operations.last ?? operation
    }
}
