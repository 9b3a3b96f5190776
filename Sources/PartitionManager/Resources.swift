import BlockStorage
import DeviceSettings
import DeviceSources
import Hypervisor
import JSON
import NetworkBackends
import WorkerProtocol

/// A VM as a client asks for it. Every member has a default but the boot source.
package struct VMSpecification: Sendable, Equatable {
    /// `[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?`; nil: the server chooses.
    package var id: String?
    package var vpCount = 1
    /// Processors that it can have while it runs; nil where they neither come nor go.
    package var vpMaximum: Int?
    /// Bytes.
    package var memorySize: UInt64 = 256 << 20
    /// Bytes up to which the memory can grow while the guest runs; nil where it can't.
    package var memoryMaximum: UInt64?
    package var kernel = ""
    package var initrd: String?
    package var commandLine = ""
    /// `auto`, `bzimage`, `elf`, `pvh`, `flat`.
    package var bootFormat = "auto"
    package var loadAddress: UInt64?
    package var labels: [String: String] = [:]
    /// In the order in which the guest finds them.
    package var disks: [DiskSource] = []
    /// What the guest's cloud-init is given.
    package var cloudInit: CloudInit?
    /// In the order in which the guest finds them.
    package var networkInterfaces: [NetworkSource] = []
    package var deviceSettings = DeviceSettings()
    package var restart = RestartPolicy()
    package var placement = Placement()
    package var withheldFeatures = WithheldFeatures()
    /// Whether a core file is written when the guest crashes.
    package var dumpsCore = false
    /// Members that only the simulated hypervisor uses.
    package var simulation: SimulationModel?

    package init() {}
}

/// What a PATCH changes; nil leaves as it is. Labels follow RFC 7396: a nil value removes the label.
package struct VMPatch: Sendable, Equatable {
    package var labels: [String: String?]?
    package var vpCount: Int?
    package var vpMaximum: Int??
    package var memorySize: UInt64?
    package var memoryMaximum: UInt64??
    package var kernel: String?
    package var initrd: String??
    package var commandLine: String?
    package var bootFormat: String?
    package var loadAddress: UInt64??
    /// All of them, in place of those there were.
    package var disks: [DiskSource]?
    /// Some(nil): none any more.
    package var cloudInit: CloudInit??
    /// All of them, in place of those there were.
    package var networkInterfaces: [NetworkSource]?
    package var devices = DevicesPatch()
    package var restart: RestartPatch?
    package var dumpsCore: Bool?
    package var placement: PlacementPatch?
    /// All of them, in place of those there were.
    package var withheldFeatures: WithheldFeatures?
    package init() {}
}

/// A VM's state, as the API names it.
package enum VMState: String, Sendable, CaseIterable {
    case defined, starting, running, paused, stopping, stopped, failed
}

/// Why a VM is in its state.
package struct StateReason: Sendable, Equatable {
    /// Stable, for programs: `created`, `requested`, `restarted`, `guest-poweroff`, `guest-debug-exit`, `triple-fault`,
    /// `guest-panic`, `watchdog-expired`, `worker-killed`, `worker-exited`, `worker-lost`, `start-failed`, `hypervisor-error`, `adopted`.
    package var code: String
    package var message: String
    package var signal: Int32?
    package var exitStatus: Int32?
    package var lastLogLines: [String] = []
    /// Where the guest's core file is, on the host.
    package var coreDump: String?

    package init(code: String, message: String) {
        self.code = code
        self.message = message
    }
}

/// A VM as the API shows it.
package struct VMResource: Sendable, Equatable {
    package var specification: VMSpecification
    package var id: String
    package var state: VMState
    package var stateReason: StateReason
    /// Of the current run; nil when none.
    package var partitionID: UInt64?
    /// Bytes of memory with which the current run began; nil when none.
    package var bootMemory: UInt64?
    /// Processors that the guest has, as it was last told; nil where they neither come nor go, or it does not run.
    package var presentVPs: Int?
    package var hypervisor: HypervisorDescription
    /// Nanoseconds since 1970.
    package var createdAt: UInt64
    package var updatedAt: UInt64
    /// When the current run began, nanoseconds since 1970; nil when none.
    package var startedAt: UInt64?
    package var restarts = RestartState()
    /// How the guest's balloon is; nil where there is none or no guest.
    package var balloon: BalloonCounters?
    /// Where programs of the host connect with the guest's; nil where that can't be.
    package var vsockSocket: String?
    package var processID: Int32?
    /// Goes up with every change; the ETag.
    package var revision: UInt64
    /// The operation under way on it.
    package var operationID: String?

    package init(
        specification: VMSpecification, id: String, state: VMState, stateReason: StateReason, partitionID: UInt64?,
        hypervisor: HypervisorDescription, createdAt: UInt64, updatedAt: UInt64, startedAt: UInt64?,
        processID: Int32?, revision: UInt64, operationID: String?
    ) {
        self.specification = specification
        self.id = id
        self.state = state
        self.stateReason = stateReason
        self.partitionID = partitionID
        self.hypervisor = hypervisor
        self.createdAt = createdAt
        self.updatedAt = updatedAt
        self.startedAt = startedAt
        self.processID = processID
        self.revision = revision
        self.operationID = operationID
    }
}

/// A change that takes longer than a request.
package struct OperationResource: Sendable, Equatable {
    package enum Verb: String, Sendable, CaseIterable {
        case start, stop, shutdown, pause, resume, reset, delete
        case attachDisk, detachDisk, attachNetworkInterface, detachNetworkInterface
        // Of an image and of a volume.
        case importImage, createVolume

        /// Whether it is about an image or a volume, and no VM.
        package var isAboutStorage: Bool { self == .importImage || self == .createVolume }
    }
    package enum Status: String, Sendable { case running, succeeded, failed }

    package var id: String
    package var verb: Verb
    /// Empty where it is about no VM.
    package var vmID: String
    package var imageID: String?
    package var volumeID: String?
    package var status: Status
    /// Why it failed.
    package var error: ServiceError?
    package var createdAt: UInt64
    package var endedAt: UInt64?
    /// The device that is attached or detached.
    package var device: DeviceName?

    package init(
        id: String, verb: Verb, vmID: String, status: Status, error: ServiceError?, createdAt: UInt64, endedAt: UInt64?
    ) {
        self.id = id
        self.verb = verb
        self.vmID = vmID
        self.status = status
        self.error = error
        self.createdAt = createdAt
        self.endedAt = endedAt
    }
}

/// Something that happened, for `GET /v1/events`.
package struct EventRecord: Sendable, Equatable {
    /// Goes up by one with every event and over restarts of the server.
    package var sequence: UInt64
    /// Nanoseconds since 1970.
    package var time: UInt64
    /// `vm.created`, `vm.updated`, `vm.state-changed`, `vm.deleted`, `vm.rebooted`, `vm.crash-kernel-loaded`,
    /// `vm.watchdog-expired`,
    /// `vm.restart-scheduled`, `vm.disk-ejected`, `vm.network-interface-ejected`, `vm.processors-changed`,
    /// `operation.created`, `operation.ended`, `network.state-changed`, and `created`, `updated` and `deleted` of
    /// `image.`, `volume.` and `network.`.
    package var type: String
    /// Empty where it is about no VM.
    package var vmID: String
    /// Further members by type: `state`, `previousState`, `reason`, `operationId`, `status`, `disk`,
    /// `networkInterface`, `image`, `volume`, `network`, `action`.
    package var details: JSONObject

    package init(sequence: UInt64, time: UInt64, type: String, vmID: String, details: JSONObject) {
        self.sequence = sequence
        self.time = time
        self.type = type
        self.vmID = vmID
        self.details = details
    }
}

/// A request that cannot be done. One closed list of kinds; the front ends map each to their own status in one table.
package struct ServiceError: Error, Sendable, Equatable {
    package enum Kind: String, Sendable, CaseIterable {
        /// A field's value is wrong in itself.
        case invalidArgument = "invalid-argument"
        /// A field that is not known.
        case unknownField = "unknown-field"
        /// An image can't be booted: `field` says which.
        case invalidImage = "invalid-image"
        case notFound = "not-found"
        case alreadyExists = "already-exists"
        /// The VM's state does not allow it.
        case wrongState = "wrong-state"
        /// An operation is under way on the VM.
        case operationConflict = "operation-conflict"
        /// `If-Match` names an other revision.
        case preconditionFailed = "precondition-failed"
        /// The host has not what is asked for.
        case insufficientResources = "insufficient-resources"
        case notImplemented = "not-implemented"
        /// The server is ending or not yet ready.
        case unavailable = "unavailable"
        case deadlineExceeded = "deadline-exceeded"
        /// A guest or its worker failed.
        case guestFailed = "guest-failed"
        case `internal` = "internal"
    }

    package var kind: Kind
    /// What is wrong and what would be right, in sentences.
    package var detail: String
    /// A JSON pointer to the field at fault (`/vps/count`), where there is one.
    package var field: String?
    /// What would be right, where it can be said shortly: `1...254`.
    package var expected: String?
    /// Everything that stands in the way, where that is looked for as a whole.
    package var blockers: [Blocker] = []

    /// One of the reasons why something can't be done.
    package struct Blocker: Sendable, Equatable {
        package var field: String
        package var detail: String
        package var expected: String

        package init(field: String, detail: String, expected: String) {
            self.field = field
            self.detail = detail
            self.expected = expected
        }
    }

    package init(_ kind: Kind, _ detail: String, field: String? = nil, expected: String? = nil) {
        self.kind = kind
        self.detail = detail
        self.field = field
        self.expected = expected
    }
}
