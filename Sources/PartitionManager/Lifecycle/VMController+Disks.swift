import BlockStorage
import LinuxSystem
import Log

/// Disks that come and go. The worker has the true set of them: what it tells is followed.
extension VMController {
    /// Attaches a disk: the operation is durable when this returns.
    func attachDisk(_ disk: DiskSource) async throws(ServiceError) -> OperationResource {
        try await begin { (draft) throws(ServiceError) in
            let operation = try draft.beginAttach(core.storage.resolved(disk), id: core.operationIDs.next())
            try core.storage.claim(draft.record.specification.disks, vm: id)
            // From here on its volume stays what it is.
            draft.resolveDisk(disk.id, core.storage.resolved)
            return operation
        }
    }

    /// Detaches a disk: the operation is durable when this returns, and ends when the guest has ejected the disk.
    func detachDisk(_ detach: DiskDetach) async throws(ServiceError) -> OperationResource {
        try await begin { (draft) throws(ServiceError) in try draft.beginDetach(detach, id: core.operationIDs.next()) }
    }

    private func begin(
        _ body: (inout VMDraft) throws(ServiceError) -> StoredOperation
    ) async throws(ServiceError) -> OperationResource {
        let operation = try await change(body)
        if operation.resource.status == .running { Task { await self.perform(operation) } }
        return operation.resource
    }

    /// Changes what a disk may do, now and in later runs.
    ///
    /// - Throws: `.notFound`; `.guestFailed` where the run under way could not be told: it is told when it is found again.
    func limitDisk(_ id: String, _ limit: DiskSource.RateLimit?) async throws(ServiceError) -> DiskSource {
        let disk = try await change { (draft) throws(ServiceError) in
            guard let index = draft.record.specification.disks.firstIndex(where: { $0.id == id }) else {
                throw ServiceError(.notFound, "VM '\(draft.record.id)' has no disk with the id '\(id)'.")
            }
            draft.record.specification.disks[index].rateLimit = limit
            return draft.record.specification.disks[index]
        }
        // One that is being attached or started has it from the specification.
        guard let driver, active?.resource.disk != id || active?.verb == .detachDisk else { return disk }
        do throws(GuestError) {
            try await driver.limitDisk(id, limit)
        } catch {
            throw ServiceError(
                .guestFailed,
                "The rate limit is stored and holds from the next start; the guest that runs now "
                    + "could not be given it: \(error).")
        }
        return disk
    }

    func performAttach(_ operation: StoredOperation) async {
        guard isActive(operation), let driver, let id = operation.resource.disk,
            let disk = record.specification.disks.first(where: { $0.id == id })
        else { return }
        do throws(GuestError) {
            try await driver.attachDisk(disk)
        } catch {
            // The end of the guest, where that is why, is on its way and tells more.
            _ = await wait(until: deadline(0.5), for: { !isActive(operation) })
            // A worker that did not answer in time may have it by now.
            if isActive(operation) { try? await driver.detachDisk(id, force: true) }
            return await fail(
                operation, ServiceError(.guestFailed, "The disk '\(id)' could not be attached: \(error)."))
        }
        // What the worker told before it had the disk is not about it.
        await readMail()
        await record { draft in if draft.active?.id == operation.id { draft.endActive(nil) } }
    }

    func performDetach(_ operation: StoredOperation) async {
        guard isActive(operation), let driver, let id = operation.resource.disk else { return }
        let timeout = operation.timeout ?? core.configuration.detachTimeout
        // From the operation's beginning, which may be before a restart of the server.
        let passed = Double(realtimeNanoseconds().subtractingClamped(operation.resource.createdAt)) / 1e9
        let deadline = deadline(max(timeout - passed, operation.isForced ? core.configuration.detachTimeout : 0))
        do throws(GuestError) {
            try await driver.detachDisk(id, force: operation.isForced)
        } catch {
            // Where the disk or the guest has gone already, its news is on its way.
            if await wait(until: self.deadline(0.5), for: { !isActive(operation) }) { return }
            return await fail(
                operation,
                ServiceError(.guestFailed, "The disk '\(id)' could not be detached and stays attached: \(error)."))
        }
        if await wait(until: deadline, for: { !isActive(operation) }) { return }
        await giveUpDetach(of: id, operation, driver, timeout)
    }

    private func giveUpDetach(
        of id: String, _ operation: StoredOperation, _ driver: any GuestDriver, _ timeout: Double
    ) async {
        var answer: GuestError?
        do throws(GuestError) { try await driver.keepDisk(id) } catch { answer = error }
        // Ejected in the last moment: its news is on its way.
        if answer != nil, await wait(until: deadline(0.5), for: { !isActive(operation) }) { return }
        let detail =
            operation.isForced
            ? "The disk '\(id)' was taken from the guest, but its last requests did not end within \(timeout) s; it goes "
                + "when they do."
            : "The guest did not eject the disk '\(id)' within \(timeout) s; it stays attached. Try again when the guest "
                + "answers, or use force=true to take it away."
        await fail(operation, ServiceError(.deadlineExceeded, detail))
    }

    // MARK: The guest's news

    func diskWasEjected(_ id: String) async {
        // One that was taken back before it was the VM's is no news.
        guard record.specification.disks.contains(where: { $0.id == id }) else { return }
        Log.info("a disk is gone from a guest", ["vm": self.id, "disk": id])
        await record { $0.diskIsGone(id) }
    }

    /// Follows the worker's own list: what the guest ejected while nobody listened is gone, what it has and should not
    /// have is taken away.
    func reconcileDisks(_ present: [DiskSource]) async {
        let attaching = active?.verb == .attachDisk ? active?.resource.disk : nil
        for disk in record.specification.disks where disk.id != attaching {
            guard let found = present.first(where: { $0.id == disk.id }) else {
                await diskWasEjected(disk.id)
                continue
            }
            if found.rateLimit != disk.rateLimit { try? await driver?.limitDisk(disk.id, disk.rateLimit) }
        }
        // What cloud-init reads is no disk of the specification.
        for disk in present
        where disk.id != CloudInit.diskID && !record.specification.disks.contains(where: { $0.id == disk.id }) {
            Log.warning("a guest has a disk that is not its VM's: it is taken away", ["vm": id, "disk": disk.id])
            try? await driver?.detachDisk(disk.id, force: true)
        }
    }
}
