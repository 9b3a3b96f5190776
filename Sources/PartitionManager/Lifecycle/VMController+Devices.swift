import BlockStorage
import DeviceSources
import LinuxSystem
import Log

/// Devices that come and go. The worker has the true set of them: what it tells is followed.
extension VMController {
    /// Attaches a device: the operation is durable when this returns.
    func attach(_ device: DeviceSource) async throws(ServiceError) -> OperationResource {
        try await begin { (draft) throws(ServiceError) in
            var device = device
            if case .disk(let disk) = device { device = .disk(core.storage.resolved(disk)) }
            let operation = try draft.beginAttach(device, id: core.operationIDs.next())
            switch device {
            case .disk(let disk):
                try core.storage.claim(draft.record.specification.disks, vm: id)
                // From here on its volume stays what it is.
                draft.resolveDisk(disk.id, core.storage.resolved)
            case .networkInterface:
                let interfaces = draft.record.specification.networkInterfaces
                draft.record.specification.networkInterfaces = try core.networks.claim(interfaces, vm: id)
            }
            return operation
        }
    }

    /// Detaches a device: the operation is durable when this returns, and ends when the guest has ejected it.
    func detach(_ detach: DeviceDetach) async throws(ServiceError) -> OperationResource {
        try await begin { (draft) throws(ServiceError) in try draft.beginDetach(detach, id: core.operationIDs.next()) }
    }

    private func begin(
        _ body: (inout VMDraft) throws(ServiceError) -> StoredOperation
    ) async throws(ServiceError) -> OperationResource {
        let operation = try await change(body)
        if operation.resource.status == .running { Task { await self.perform(operation) } }
        return operation.resource
    }

    /// Changes what a device may do, now and in later runs.
    ///
    /// - Throws: `.notFound`; `.guestFailed` where the run under way could not be told: it is told when it is found again.
    func limit(_ name: DeviceName, _ limit: DeviceLimit?) async throws(ServiceError) -> DeviceSource {
        let device = try await change { (draft) throws(ServiceError) in
            guard var device = draft.record.specification.device(name) else {
                throw ServiceError(
                    .notFound, "VM '\(draft.record.id)' has no \(name.kind.words) with the id '\(name.id)'.")
            }
            device.limit = limit
            draft.record.specification.replace(device)
            return device
        }
        // One that is being attached is looked at again when the guest has it.
        guard let driver, active?.resource.device != name else { return device }
        do throws(GuestError) {
            try await driver.limit(name, limit)
        } catch {
            throw ServiceError(
                .guestFailed,
                "The rate limit is stored and holds from the next start; the guest that runs now "
                    + "could not be given it: \(error).")
        }
        return device
    }

    func performAttach(_ operation: StoredOperation) async {
        guard isActive(operation), let driver, let name = operation.resource.device,
            let device = record.specification.device(name)
        else { return }
        do throws(GuestError) {
            try await driver.attach(device)
        } catch {
            // The end of the guest, where that is why, is on its way and tells more.
            _ = await wait(until: deadline(0.5), for: { !isActive(operation) })
            // A worker that did not answer in time may have it by now.
            if isActive(operation) { try? await driver.detach(name, force: true) }
            return await fail(
                operation, ServiceError(.guestFailed, "The \(name) could not be attached: \(error)."))
        }
        // What the worker told before it had the device is not about it.
        await readMail()
        await record { draft in if draft.active?.id == operation.id { draft.endActive(nil) } }
        // Changed meanwhile, when the guest could not be told.
        guard let now = record.specification.device(name), now.limit != device.limit else { return }
        try? await driver.limit(name, now.limit)
    }

    func performDetach(_ operation: StoredOperation) async {
        guard isActive(operation), let driver, let name = operation.resource.device else { return }
        let timeout = operation.timeout ?? core.configuration.detachTimeout
        // From the operation's beginning, which may be before a restart of the server.
        let passed = Double(realtimeNanoseconds().subtractingClamped(operation.resource.createdAt)) / 1e9
        let deadline = deadline(max(timeout - passed, operation.isForced ? core.configuration.detachTimeout : 0))
        do throws(GuestError) {
            try await driver.detach(name, force: operation.isForced)
        } catch {
            // Where the device or the guest has gone already, its news is on its way.
            if await wait(until: self.deadline(0.5), for: { !isActive(operation) }) { return }
            return await fail(
                operation,
                ServiceError(.guestFailed, "The \(name) could not be detached and stays attached: \(error)."))
        }
        if await wait(until: deadline, for: { !isActive(operation) }) { return }
        await giveUpDetach(of: name, operation, driver, timeout)
    }

    private func giveUpDetach(
        of name: DeviceName, _ operation: StoredOperation, _ driver: any GuestDriver, _ timeout: Double
    ) async {
        var answer: GuestError?
        do throws(GuestError) { try await driver.keep(name) } catch { answer = error }
        // Ejected in the last moment: its news is on its way.
        if answer != nil, await wait(until: deadline(0.5), for: { !isActive(operation) }) { return }
        let detail =
            operation.isForced
            ? "The \(name) was taken from the guest, but what it had under way did not end within \(timeout) s; it goes "
                + "when that does."
            : "The guest did not eject the \(name) within \(timeout) s; it stays attached. Try again when the guest "
                + "answers, or use force=true to take it away."
        await fail(operation, ServiceError(.deadlineExceeded, detail))
    }

    // MARK: The guest's news

    func deviceWasEjected(_ name: DeviceName) async {
        // One that was taken back before it was the VM's is no news.
        guard record.specification.device(name) != nil else { return }
        Log.info("a device is gone from a guest", ["vm": self.id, "device": name.description])
        await record { $0.deviceIsGone(name) }
    }

    /// Follows the worker's own list of one kind: what the guest ejected while nobody listened is gone, what it has and
    /// should not have is taken away.
    func reconcile(_ present: [DeviceSource], _ kind: DeviceKind) async {
        let attaching = active.flatMap { $0.verb.isAttach ? $0.resource.device : nil }
        for device in record.specification.devices(kind) where device.name != attaching {
            guard let found = present.first(where: { $0.name == device.name }) else {
                await deviceWasEjected(device.name)
                continue
            }
            if found.limit != device.limit { try? await driver?.limit(device.name, device.limit) }
        }
        // What cloud-init reads is no disk of the specification.
        for device in present
        where device.name != .disk(CloudInit.diskID) && record.specification.device(device.name) == nil {
            Log.warning(
                "a guest has a device that is not its VM's: it is taken away",
                ["vm": id, "device": device.name.description])
            try? await driver?.detach(device.name, force: true)
        }
    }
}
