import LinuxSystem

extension VMResource {
    /// - Throws: `.preconditionFailed` where `revision` is given and is not the VM's.
    package func check(revision expected: UInt64?) throws(ServiceError) {
        guard let expected, expected != revision else { return }
        throw ServiceError(
            .preconditionFailed,
            "The VM has changed: its revision is \(revision), not \(expected). Read it again and decide anew.")
    }
}

/// What a client's request does to a VM before any work is done.
extension VMDraft {
    /// Begins `verb`, or adds it as done when its result holds already.
    ///
    /// - Parameter isRestart: whether the restart policy asks, not a client.
    /// - Throws: `.operationConflict`, `.wrongState`.
    mutating func begin(
        _ verb: OperationResource.Verb, id: String, timeout: Double?, isRestart: Bool = false, core: ManagerCore
    ) throws(ServiceError) -> StoredOperation {
        var operation = StoredOperation(
            resource: OperationResource(
                id: id, verb: verb, vmID: record.id, status: .running, error: nil, createdAt: realtimeNanoseconds(),
                endedAt: nil),
            timeout: verb == .shutdown ? timeout ?? core.configuration.shutdownTimeout : nil)
        if let active {
            guard LifecycleRules.supersedes(verb, active.verb) else {
                throw ServiceError(
                    .operationConflict,
                    "Operation \(active.id) (\(active.verb.rawValue)) is under way on this VM: wait for its end first.")
            }
            undoAttach()
            endActive(ServiceError(.wrongState, "Superseded by operation \(id) (\(verb.rawValue))."))
        }
        switch LifecycleRules.decide(verb, in: record.state) {
        case .refused(let why): throw ServiceError(.wrongState, why)
        case .holds:
            // Who stops a VM that waits for its restart wants none.
            if verb == .stop || verb == .shutdown { cancelRestart() }
            addDone(operation)
            if let done = operations.last { operation = done }
            return operation
        case .proceed: break
        }
        // Power off is stronger, and leaves devices where they were.
        if verb == .stop || verb == .delete {
            endEjections(ServiceError(.wrongState, "Superseded by operation \(id) (\(verb.rawValue))."))
        }
        if let desired = LifecycleRules.desired(by: verb) { record.desired = desired }
        if let state = LifecycleRules.stateDuring(verb), state != record.state {
            record.state = state
            record.reason = StateReason(code: "requested", message: "The operation \(verb.rawValue) is under way.")
        }
        if verb == .start {
            record.restarts = RestartState(count: isRestart ? record.restarts.count : 0)
            record.run = RunRecord(
                runID: Identifiers.random(digits: 32), partitionID: core.nextPartitionID(),
                startedAt: realtimeNanoseconds(), bootMemory: record.specification.memorySize)
        }
        begin(operation)
        return operation
    }

    /// A guest was found again: what it is now, and the end of the operations that are done by that.
    mutating func adopt(isPaused: Bool) {
        record.run?.isPaused = isPaused
        switch active?.verb {
        case .start:
            noteStarted()
            endActive(nil)
        // Taken up again: they decide by themselves.
        case .stop, .shutdown, .delete, .reset, .importImage, .createVolume: break
        case .pause, .resume, .attachDisk, .detachDisk, .attachNetworkInterface, .detachNetworkInterface, nil:
            let state: VMState = isPaused ? .paused : .running
            if record.state != state {
                record.state = state
                record.reason = StateReason(
                    code: "adopted", message: "Found in this state when the server started again.")
            }
        }
    }

    /// What waits for its restart stays as it is.
    mutating func cancelRestart() {
        guard record.restarts.next != nil else { return }
        record.desired = .stopped
        record.restarts = RestartState()
    }

    /// A start is done.
    mutating func noteStarted() {
        record.state = .running
        record.reason =
            record.restarts.count == 0
            ? StateReason(code: "requested", message: "Started as requested.")
            : StateReason(
                code: "restarted", message: "Started again by its restart policy, restart \(record.restarts.count).")
    }
}
