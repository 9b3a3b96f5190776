import DeviceSettings
import DeviceSources
import LinuxSystem
import Log

/// The operations: how they begin, what they do, and how they are taken up again after a crash.
extension VMController {
    /// Begins `verb`: the operation is durable when this returns, and its work goes on.
    package func begin(
        _ verb: OperationResource.Verb, timeout: Double?, isRestart: Bool = false
    ) async throws(ServiceError) -> OperationResource {
        let operation = try await change { (draft) throws(ServiceError) in
            try draft.begin(verb, id: core.operationIDs.next(), timeout: timeout, isRestart: isRestart, core: core)
        }
        if operation.resource.status == .running {
            Task { await self.perform(operation) }
        }
        return operation.resource
    }

    // `entry` shows the VM as it was last committed; within a change that is its newest state.

    /// Changes the specification, where the VM's revision is `revision` if that is given.
    package func update(
        ifRevision revision: UInt64?, _ body: (VMResource) throws(ServiceError) -> VMSpecification
    ) async throws(ServiceError) -> VMResource {
        try await change { (draft) throws(ServiceError) in
            try entry.resource.check(revision: revision)
            var specification = try body(entry.resource)
            try core.storage.claim(specification.disks, vm: id)
            do throws(ServiceError) {
                specification.networkInterfaces = try core.networks.claim(specification.networkInterfaces, vm: id)
            } catch {
                core.storage.settle(record.specification.disks, vm: id)
                throw error
            }
            // From here on its volumes and networks stay what they are.
            specification.disks = specification.disks.map(core.storage.resolved)
            draft.record.specification = specification
            if specification.restart.mode == .never { draft.cancelRestart() }
        }
        try await tellSizes()
        return entry.resource
    }

    /// Deletes the VM: at once when it is off (nil), else by an operation that stops it first.
    package func delete(force: Bool, ifRevision revision: UInt64?) async throws(ServiceError) -> OperationResource? {
        let operation: StoredOperation? = try await change { (draft) throws(ServiceError) in
            try entry.resource.check(revision: revision)
            if LifecycleRules.isOff(draft.record.state) && draft.active == nil {
                draft.remove()
                return nil
            }
            guard force else {
                throw ServiceError(
                    .wrongState,
                    "The VM is \(draft.record.state.rawValue): stop it first, or use force=true to stop and delete it.")
            }
            return try draft.begin(.delete, id: core.operationIDs.next(), timeout: nil, core: core)
        }
        guard let operation else {
            await core.removeFiles(of: id)
            return nil
        }
        Task { await self.perform(operation) }
        return operation.resource
    }

    // MARK: Work

    func isActive(_ operation: StoredOperation) -> Bool {
        active?.id == operation.id || ejections.contains { $0.id == operation.id }
    }

    func perform(_ operation: StoredOperation) async {
        switch operation.verb {
        case .start: await performStart(operation)
        case .stop, .delete: await performStop(operation)
        case .shutdown: await performShutdown(operation)
        case .pause, .resume, .reset: await performCommand(operation)
        case .attachDisk, .attachNetworkInterface: await performAttach(operation)
        case .detachDisk, .detachNetworkInterface: await performDetach(operation)
        // Not of a VM.
        case .importImage, .createVolume: break
        }
    }

    private func performStart(_ operation: StoredOperation) async {
        launchesUnderWay += 1
        await core.launches.enter()
        let result = await launchGuest(operation)
        core.launches.leave()
        switch result {
        case .success(let driver):
            attach(driver)
            await record { draft in
                // A stop that came meanwhile has taken over; it finds the guest when it goes on.
                guard draft.active?.id == operation.id else { return }
                draft.noteStarted()
                draft.record.run?.startedAt = realtimeNanoseconds()
                draft.endActive(nil)
            }
        case .failure(let failure):
            if isActive(operation) { await endRun(.failed(failure)) }
        case nil: break
        }
        launchesUnderWay -= 1
        wakeWatchers()
        await readMail()
    }

    /// Nil when an other operation took over, or the server ended, before the guest was launched.
    private func launchGuest(_ operation: StoredOperation) async -> Result<any GuestDriver, GuestFailure>? {
        guard isActive(operation), let run = record.run else { return nil }
        do throws(ServiceError) {
            try await core.makeDirectories(of: id, clean: false)
            try await makeSeed()
        } catch {
            return .failure(GuestFailure(code: "start-failed", message: error.detail))
        }
        guard isActive(operation), !core.isEnding else { return nil }
        do throws(GuestFailure) {
            return .success(
                try await core.launcher.launch(launch(of: run)) { [weak self] event in
                    self?.receive(event, of: run.runID)
                })
        } catch {
            return .failure(error)
        }
    }

    private func performStop(_ operation: StoredOperation) async {
        _ = await wait { !isLaunching }
        guard isActive(operation) else { return }
        guard let driver else {
            await endRun(.stopped)
            return
        }
        var failure: GuestError?
        do throws(GuestError) { try await driver.stop() } catch { failure = error }
        // A worker that can't be told to stop may be ending by itself: its end is waited for all the same.
        let seconds = failure == nil ? core.configuration.stopTimeout : min(5, core.configuration.stopTimeout)
        if await wait(until: deadline(seconds), for: { !isActive(operation) }) { return }
        let detail =
            failure.map { "The guest could not be stopped: \($0)." }
            ?? "The guest did not end within \(Int(seconds)) s of being stopped."
        await fail(operation, ServiceError(failure == nil ? .deadlineExceeded : .guestFailed, detail))
    }

    private func performShutdown(_ operation: StoredOperation) async {
        guard isActive(operation), let driver else { return }
        let timeout = operation.timeout ?? core.configuration.shutdownTimeout
        // From the operation's beginning, which may be before a restart of the server.
        let passed = Double(realtimeNanoseconds().subtractingClamped(operation.resource.createdAt)) / 1e9
        let deadline = deadline(timeout - passed)
        do throws(GuestError) {
            try await driver.pressPowerButton()
        } catch {
            await fail(
                operation, ServiceError(.guestFailed, "The guest's power button could not be pressed: \(error)."))
            return
        }
        if await wait(until: deadline, for: { !isActive(operation) }) { return }
        await fail(
            operation,
            ServiceError(
                .deadlineExceeded,
                "The guest did not power off within \(timeout) s of the power button; it goes on running. "
                    + "Use :stop to end it without its help, or :shutdown with a longer timeout."))
    }

    private func performCommand(_ operation: StoredOperation) async {
        guard isActive(operation), let driver else { return }
        do throws(GuestError) {
            switch operation.verb {
            case .pause: try await driver.pause()
            case .resume: try await driver.resume()
            default: try await driver.reset()
            }
        } catch {
            // The end of the guest, where that is why, is on its way and tells more.
            _ = await wait(until: deadline(0.5), for: { !isActive(operation) })
            await fail(
                operation, ServiceError(.guestFailed, "The guest could not \(operation.verb.rawValue): \(error)."))
            return
        }
        await record { draft in
            guard draft.active?.id == operation.id else { return }
            if operation.verb != .reset {
                let isPaused = operation.verb == .pause
                draft.record.run?.isPaused = isPaused
                draft.record.state = isPaused ? .paused : .running
                draft.record.reason = StateReason(
                    code: "requested", message: isPaused ? "Paused as requested." : "Resumed as requested.")
            }
            draft.endActive(nil)
        }
    }

    func fail(_ operation: StoredOperation, _ error: ServiceError) async {
        await record { $0.fail(operation.id, error) }
    }

    /// Monotonic nanoseconds, `seconds` from now.
    func deadline(_ seconds: Double) -> UInt64 {
        monotonicNanoseconds() + UInt64(max(0, min(seconds, 1e7)) * 1e9)
    }

    // MARK: After a restart

    /// Finds the guest of an earlier server's run and takes up the operation that was under way. Called once, before
    /// anything else.
    func recover() async {
        guard let run = record.run else {
            // Every operation that is under way has a run; this mends a store that says otherwise.
            if active != nil || !ejections.isEmpty {
                let error = ServiceError(.internal, "The server ended while this was under way.")
                await record { draft in
                    draft.endActive(error)
                    draft.endEjections(error)
                }
            }
            awaitRestart()
            return
        }
        launchesUnderWay += 1
        let adoption = await core.launcher.adopt(launch(of: run), isPaused: run.isPaused) { [weak self] event in
            self?.receive(event, of: run.runID)
        }
        switch adoption {
        case .running(let driver, let isPaused):
            attach(driver)
            await record { $0.adopt(isPaused: isPaused) }
            // A server that was killed may have stored a size that it did not come to tell.
            do throws(ServiceError) { try await tellSizes() } catch { Log.warning(error.detail, ["vm": id]) }
            Log.info("found a guest again", ["vm": id, "process": driver.processID.map { String($0) } ?? "none"])
        case .ended(.failed(let failure)) where active?.verb == .start && failure.code == "worker-lost":
            // Asked for and never launched, or lost with all its traces: the start goes on with a run of its own, so
            // that what the first one may still say is not taken for the new one's.
            await record { draft in draft.record.run?.runID = Identifiers.random(digits: 32) }
        case .ended(let end): await endRun(end)
        }
        launchesUnderWay -= 1
        wakeWatchers()
        await readMail()
        for operation in [active].compactMap(\.self) + ejections { Task { await self.perform(operation) } }
    }
}

extension UInt64 {
    /// The difference, 0 where it would be negative (a clock that was put back).
    func subtractingClamped(_ other: UInt64) -> UInt64 { self > other ? self - other : 0 }
}
