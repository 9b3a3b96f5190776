import Hypervisor

/// What the user asked a VM to be; `VMRecord.state` is what it is.
package enum DesiredState: String, Sendable {
    case stopped, running, paused, deleted
}

/// The current run of a VM: stored before its guest is launched, so that after a crash there is always a name by which
/// to find it, and never two guests.
package struct RunRecord: Sendable, Equatable {
    package var runID: String
    package var partitionID: UInt64
    /// Nanoseconds since 1970.
    package var startedAt: UInt64
    /// Bytes of memory that the guest booted with: what it has beyond was plugged.
    package var bootMemory: UInt64
    package var isPaused = false
    /// Processors that the guest has. Not stored: a guest that is found again tells.
    package var presentVPs: Int?

    package init(runID: String, partitionID: UInt64, startedAt: UInt64, bootMemory: UInt64) {
        self.runID = runID
        self.partitionID = partitionID
        self.startedAt = startedAt
        self.bootMemory = bootMemory
    }
}

/// A VM as the state store keeps it.
package struct VMRecord: Sendable, Equatable {
    package var id: String
    package var specification: VMSpecification
    package var desired: DesiredState
    package var state: VMState
    package var reason: StateReason
    package var run: RunRecord?
    /// Nanoseconds since 1970.
    package var createdAt: UInt64
    package var updatedAt: UInt64
    package var revision: UInt64
    package var restarts = RestartState()

    /// A VM that was just defined.
    package init(id: String, specification: VMSpecification, now: UInt64) {
        self.id = id
        self.specification = specification
        self.specification.id = id
        desired = .stopped
        state = .defined
        reason = StateReason(code: "created", message: "Created and not started yet.")
        createdAt = now
        updatedAt = now
        revision = 1
    }

    init(
        id: String, specification: VMSpecification, desired: DesiredState, state: VMState, reason: StateReason,
        run: RunRecord?, createdAt: UInt64, updatedAt: UInt64, revision: UInt64
    ) {
        self.id = id
        self.specification = specification
        self.desired = desired
        self.state = state
        self.reason = reason
        self.run = run
        self.createdAt = createdAt
        self.updatedAt = updatedAt
        self.revision = revision
    }

    /// The record as the API shows it.
    package func resource(
        hypervisor: HypervisorDescription, processID: Int32?, operationID: String?
    ) -> VMResource {
        var resource = VMResource(
            specification: specification, id: id, state: state, stateReason: reason, partitionID: run?.partitionID,
            hypervisor: hypervisor, createdAt: createdAt, updatedAt: updatedAt, startedAt: run?.startedAt,
            processID: run == nil ? nil : processID, revision: revision, operationID: operationID)
        resource.restarts = restarts
        resource.bootMemory = run?.bootMemory
        resource.presentVPs = run?.presentVPs
        return resource
    }
}

/// An operation as the state store keeps it.
package struct StoredOperation: Sendable, Equatable {
    package var resource: OperationResource
    /// Seconds that a shutdown or the detaching of a disk gives the guest, from `createdAt`.
    package var timeout: Double?
    /// Whether a disk is taken away without asking the guest.
    package var isForced = false

    package init(resource: OperationResource, timeout: Double?) {
        self.resource = resource
        self.timeout = timeout
    }

    package var id: String { resource.id }
    package var verb: OperationResource.Verb { resource.verb }
}

/// An event without its sequence, which the store gives.
package struct PendingEvent: Sendable {
    package var time: UInt64
    package var type: String
    package var vmID: String
    package var details: [(name: String, value: String)]

    package init(time: UInt64, type: String, vmID: String, details: [(name: String, value: String)]) {
        self.time = time
        self.type = type
        self.vmID = vmID
        self.details = details
    }
}
