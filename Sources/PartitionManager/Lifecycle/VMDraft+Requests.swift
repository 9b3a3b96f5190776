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
    /// - Throws: `.operationConflict`, `.wrongState`.
    mutating func begin(
        _ verb: OperationResource.Verb, id: String, timeout: Double?, core: ManagerCore
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
            endActive(ServiceError(.wrongState, "Superseded by operation \(id) (\(verb.rawValue))."))
        }
        switch LifecycleRules.decide(verb, in: record.state) {
        case .refused(let why): throw ServiceError(.wrongState, why)
        case .holds:
            addDone(operation)
            if let done = operations.last { operation = done }
            return operation
        case .proceed: break
        }
        if let desired = LifecycleRules.desired(by: verb) { record.desired = desired }
        if let state = LifecycleRules.stateDuring(verb), state != record.state {
            record.state = state
            record.reason = StateReason(code: "requested", message: "The operation \(verb.rawValue) is under way.")
        }
        if verb == .start {
            record.run = RunRecord(
                runID: Identifiers.random(digits: 32), partitionID: core.nextPartitionID(),
                startedAt: realtimeNanoseconds())
        }
        begin(operation)
        return operation
    }

    /// A guest was found again: what it is now, and the end of the operations that are done by that.
    mutating func adopt(isPaused: Bool) {
        record.run?.isPaused = isPaused
        switch active?.verb {
        case .start:
            record.state = .running
            record.reason = StateReason(code: "requested", message: "Started as requested.")
            endActive(nil)
        // Taken up again: they decide by themselves.
        case .stop, .shutdown, .delete, .reset, .importImage, .createVolume: break
        case .pause, .resume, nil:
            let state: VMState = isPaused ? .paused : .running
            if record.state != state {
                record.state = state
                record.reason = StateReason(
                    code: "adopted", message: "Found in this state when the server started again.")
            }
        }
    }
}
