import DeviceSources
import HostInventory
import JSON
import LinuxSystem
import PartitionManager

/// Everything a front end can ask. One implementation stands under REST and, later, gRPC. Errors are `ServiceError`.
/// A change is durable when its call returns.
package protocol ManagementAPI: StorageAPI, NetworkAPI {
    // Host
    func host() -> HostResource
    /// The PCI functions and mediated devices of this node, as they are now. Reads many small files.
    func hostDevices() -> HostDevices
    var isReady: Bool { get }

    // VMs
    /// `validateOnly` checks all and changes nothing.
    func createVM(_ specification: VMSpecification, validateOnly: Bool) async throws(ServiceError) -> VMResource
    /// In the order of ids. `after` is the id after which to go on.
    func listVMs(after: String?, limit: Int, labels: [String: String], state: VMState?) -> (
        vms: [VMResource], more: Bool
    )
    func vm(_ id: String) throws(ServiceError) -> VMResource
    func updateVM(_ id: String, _ patch: VMPatch, ifRevision: UInt64?) async throws(ServiceError) -> VMResource
    /// A VM that runs is refused unless `force`, which stops it first. Nil when the VM is gone at return.
    func deleteVM(_ id: String, force: Bool, ifRevision: UInt64?) async throws(ServiceError) -> OperationResource?

    /// Begins `verb`. For `shutdown`, `timeout` (seconds) is how long the guest has to power off.
    func begin(
        _ verb: OperationResource.Verb, vm id: String, timeout: Double?
    ) async throws(ServiceError) -> OperationResource

    // Devices that come and go
    /// - Throws: `.notFound` for the VM and for the device.
    func device(_ device: DeviceName, of id: String) throws(ServiceError) -> DeviceSource
    /// Gives a VM a device, whether it runs or not.
    func attach(_ device: DeviceSource, to id: String) async throws(ServiceError) -> OperationResource
    /// Takes a device from a VM. One that runs is asked to eject it and has `timeout` seconds (nil: the default), unless
    /// `force`.
    func detach(
        _ device: DeviceName, of id: String, force: Bool, timeout: Double?
    ) async throws(ServiceError) -> OperationResource
    /// Changes what a device may do, also while its VM runs.
    func limit(
        _ device: DeviceName, of id: String, _ limit: DeviceLimit?
    ) async throws(ServiceError) -> DeviceSource

    // Operations
    func listOperations(vm: String?, after: String?, limit: Int) -> (operations: [OperationResource], more: Bool)
    func operation(_ id: String) throws(ServiceError) -> OperationResource
    /// Waits until the operation has ended or `timeout` seconds have passed; the operation as it is then.
    func waitForOperation(_ id: String, timeout: Double) async throws(ServiceError) -> OperationResource

    // Console
    /// Up to `limit` bytes of the kept log from `offset` (an older offset than what is kept moves up), the offset of
    /// the first byte returned, and the offset after the last. A negative offset counts from the end.
    func readConsole(vm id: String, offset: Int64, limit: Int) async throws(ServiceError) -> ConsoleChunk
    func writeConsole(vm id: String, _ bytes: [UInt8]) async throws(ServiceError) -> Int
    /// Calls `changed` (from any thread) whenever the console has new bytes or the guest has ended, until cancelled.
    func observeConsole(vm id: String, changed: @escaping @Sendable () -> Void) throws(ServiceError) -> Observation

    // Events
    /// Up to `limit` kept events after `sequence`.
    func events(after sequence: UInt64, limit: Int) -> [EventRecord]
    /// The sequence of the newest event.
    var lastEventSequence: UInt64 { get }
    /// Calls `changed` (from any thread) whenever there is a new event, until cancelled.
    func observeEvents(changed: @escaping @Sendable () -> Void) -> Observation

    // Metrics
    /// All VMs with the counters of their current (or last) run. Never waits for a guest.
    func metrics() -> MetricsSnapshot
}

/// An observer's registration; it ends with `cancel` or when the value goes away.
package final class Observation: Sendable {
    private let onCancel: @Sendable () -> Void
    package init(onCancel: @escaping @Sendable () -> Void) { self.onCancel = onCancel }
    /// Idempotency is the callee's: it may be called again by `deinit`.
    package func cancel() { onCancel() }
    deinit { onCancel() }
}

/// Bytes of a console's kept log.
package struct ConsoleChunk: Sendable, Equatable {
    package var bytes: [UInt8]
    package var offset: UInt64
    package var nextOffset: UInt64
    package init(bytes: [UInt8], offset: UInt64, nextOffset: UInt64) {
        self.bytes = bytes
        self.offset = offset
        self.nextOffset = nextOffset
    }
}

/// The node, as `GET /v1/host` shows it.
package struct HostResource: Sendable, Equatable {
    package var hostname: String
    package var kernelRelease: String
    package var machineID: String?
    package var processorModel: String
    package var processorCount: Int
    package var memoryTotal: UInt64
    package var memoryAvailable: UInt64
    package var hypervisor: HypervisorResource
    /// What the machine offers of the Microsoft hypervisor, whatever is used.
    package var mshv: MshvResource
    package var version: String
    package var startedAt: UInt64
    package var vmCount: Int
    /// Processors and memory by NUMA nodes, as they are now.
    package var topology: HostTopology

    package init(
        hostname: String, kernelRelease: String, machineID: String?, processorModel: String, processorCount: Int,
        memoryTotal: UInt64, memoryAvailable: UInt64, hypervisor: HypervisorResource,
        mshv: MshvResource = MshvResource(), version: String, startedAt: UInt64, vmCount: Int,
        topology: HostTopology = HostTopology(processors: IndexList([0]), nodes: [], hugePages: [])
    ) {
        self.topology = topology
        self.hostname = hostname
        self.kernelRelease = kernelRelease
        self.machineID = machineID
        self.processorModel = processorModel
        self.processorCount = processorCount
        self.memoryTotal = memoryTotal
        self.memoryAvailable = memoryAvailable
        self.hypervisor = hypervisor
        self.mshv = mshv
        self.version = version
        self.startedAt = startedAt
        self.vmCount = vmCount
    }
}

/// Which hypervisor the server took, and why.
package struct HypervisorResource: Sendable, Equatable {
    package var kind: String
    package var detail: String
    package var isEmulated: Bool
    package var isSimulated: Bool
    /// What was asked for with `--hypervisor`.
    package var requested: String
    /// Why this one, in one sentence.
    package var reason: String

    package init(
        kind: String, detail: String, isEmulated: Bool, isSimulated: Bool, requested: String, reason: String
    ) {
        self.kind = kind
        self.detail = detail
        self.isEmulated = isEmulated
        self.isSimulated = isSimulated
        self.requested = requested
        self.reason = reason
    }
}

/// What `/metrics` is made from.
package struct MetricsSnapshot: Sendable {
    package var host: HostResource
    package var vms: [(vm: VMResource, statistics: GuestStatistics?)]
    package var operations: [(verb: String, status: String, count: UInt64)]
    package var eventsTotal: UInt64
    package var storage = StorageSummary()
    package var networks: [NetworkView] = []
    /// Answers of metadata services by status.
    package var metadataAnswers: [Int: UInt64] = [:]

    package init(
        host: HostResource, vms: [(vm: VMResource, statistics: GuestStatistics?)],
        operations: [(verb: String, status: String, count: UInt64)], eventsTotal: UInt64
    ) {
        self.host = host
        self.vms = vms
        self.operations = operations
        self.eventsTotal = eventsTotal
    }
}
