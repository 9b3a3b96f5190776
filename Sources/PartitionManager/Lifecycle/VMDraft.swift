import DeviceSources
import LinuxSystem

/// A change of one VM before it is committed: the record as it will be, the operations that begin or end with it and
/// the events that tell of it. All of it is written in one transaction or none.
struct VMDraft {
    private let before: VMRecord
    private let now: UInt64
    var record: VMRecord
    /// The operation under way.
    private(set) var active: StoredOperation?
    /// Detaches that wait for the guest.
    private(set) var ejections: [StoredOperation]
    private let operationBefore: String?
    /// Whether the VM is deleted by the change.
    private(set) var isRemoved = false
    private(set) var operations: [StoredOperation] = []
    private var otherEvents: [PendingEvent] = []

    init(_ record: VMRecord, active: StoredOperation?, ejections: [StoredOperation], now: UInt64) {
        before = record
        self.record = record
        self.active = active
        self.ejections = ejections
        operationBefore = (active ?? ejections.first)?.id
        self.now = now
    }

    /// Whether the VM itself, as the API shows it, changes.
    var touchesVM: Bool { record != before || operationID != operationBefore }
    /// The operation that the VM shows as under way.
    var operationID: String? { (active ?? ejections.first)?.id }
    var isEmpty: Bool { !touchesVM && !isRemoved && operations.isEmpty && otherEvents.isEmpty }

    // MARK: Operations

    /// Makes a new operation the one under way.
    mutating func begin(_ operation: StoredOperation) {
        if operation.verb.isDetach { ejections.append(operation) } else { active = operation }
        operations.append(operation)
        otherEvents.append(operationEvent("operation.created", operation.resource))
    }

    /// Adds an operation that was done when it began.
    mutating func addDone(_ operation: StoredOperation) {
        otherEvents.append(operationEvent("operation.created", operation.resource))
        end(operation, error: nil)
    }

    /// Ends the operation under way: nil is success.
    mutating func endActive(_ error: ServiceError?) {
        guard let operation = active else { return }
        active = nil
        end(operation, error: error)
    }

    /// Ends the detaches of `device`, or of all devices: nil is success.
    mutating func endEjections(of device: DeviceName? = nil, _ error: ServiceError?) {
        let ended = ejections.filter { device == nil || $0.resource.device == device }
        ejections.removeAll { operation in ended.contains { $0.id == operation.id } }
        for operation in ended { end(operation, error: error) }
    }

    private mutating func end(_ operation: StoredOperation, error: ServiceError?) {
        var ended = operation
        ended.resource.status = error == nil ? .succeeded : .failed
        ended.resource.error = error
        ended.resource.endedAt = now
        operations.append(ended)
        otherEvents.append(operationEvent("operation.ended", ended.resource))
    }

    // MARK: The VM

    /// The guest is gone: the VM's state and the end of the operation under way follow from how.
    mutating func endRun(_ end: GuestEnd) {
        let verb = active?.verb
        let outcome = LifecycleRules.outcome(of: end, during: verb)
        endDeviceOperations()
        planRestart(hasFailed: outcome.state == .failed, during: verb)
        record.run = nil
        record.state = outcome.state
        record.reason = outcome.reason
        if outcome.state == .stopped, record.desired != .deleted, record.restarts.next == nil {
            record.desired = .stopped
        }
        if verb == .delete { isRemoved = true }
        if let verb { endActive(LifecycleRules.error(of: verb, when: end, reason: outcome.reason)) }
    }

    /// Before the run's end is noted: whether another one follows by itself.
    private mutating func planRestart(hasFailed: Bool, during verb: OperationResource.Verb?) {
        switch verb {
        case .stop, .shutdown, .delete: return record.restarts = RestartState()
        case .start, .pause, .resume, .reset, .attachDisk, .detachDisk, .attachNetworkInterface,
            .detachNetworkInterface, .importImage,
            .createVolume, nil:
            break
        }
        guard record.desired == .running, let run = record.run else { return record.restarts = RestartState() }
        record.restarts = record.specification.restart.state(
            after: hasFailed, ran: record.state == .starting ? nil : now.subtractingClamped(run.startedAt),
            before: record.restarts, now: now)
        guard let next = record.restarts.next else { return }
        otherEvents.append(
            PendingEvent(
                time: now, type: "vm.restart-scheduled", vmID: record.id,
                details: [("restartAt", rfc3339(next))]))
    }

    /// An operation that is under way did not do what it should: the guest goes on as it was.
    mutating func fail(_ id: String, _ error: ServiceError) {
        if let index = ejections.firstIndex(where: { $0.id == id }) {
            end(ejections.remove(at: index), error: error)
        } else if active?.id == id {
            failActive(error)
        }
    }

    private mutating func failActive(_ error: ServiceError) {
        undoAttach()
        endActive(error)
        guard let run = record.run else { return }
        record.desired = run.isPaused ? .paused : .running
        let state: VMState = run.isPaused ? .paused : .running
        guard record.state != state else { return }
        record.state = state
        record.reason = StateReason(code: "requested", message: "Still \(state.rawValue): \(error.detail)")
    }

    mutating func remove() { isRemoved = true }

    mutating func addEvent(_ type: String, _ details: [(name: String, value: String)] = []) {
        otherEvents.append(PendingEvent(time: now, type: type, vmID: record.id, details: details))
    }

    // MARK: Events

    /// What is told of the change, the VM's own news before those of operations that ended with it.
    var events: [PendingEvent] {
        var events: [PendingEvent] = []
        if record.state != before.state {
            events.append(
                PendingEvent(
                    time: now, type: "vm.state-changed", vmID: record.id,
                    details: [
                        ("state", record.state.rawValue), ("previousState", before.state.rawValue),
                        ("reason", record.reason.code),
                    ]))
        }
        if record.specification != before.specification {
            events.append(PendingEvent(time: now, type: "vm.updated", vmID: record.id, details: []))
        }
        if isRemoved { events.append(PendingEvent(time: now, type: "vm.deleted", vmID: record.id, details: [])) }
        return events + otherEvents
    }

    private func operationEvent(_ type: String, _ operation: OperationResource) -> PendingEvent {
        PendingEvent(
            time: now, type: type, vmID: operation.vmID,
            details: [("operationId", operation.id), ("status", operation.status.rawValue)])
    }
}
