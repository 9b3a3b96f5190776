import BootLoader
import DeviceSettings
import HostInventory
import Hypervisor
import LinuxSystem
import PartitionManager

/// The one implementation of `ManagementAPI`: checks what clients ask and hands it to the manager.
package final class ManagementService: ManagementAPI {
    /// Looks at the files of a boot source: whether they can be booted with so much memory.
    package typealias BootValidator = @Sendable (BootSource, _ memorySize: UInt64) throws(BootError) -> Void

    /// For the tests below the API's own words.
    package let manager: VMManager
    let configuration: ServiceConfiguration
    private let console: any ConsoleLogReader
    private let validateBoot: BootValidator
    let inventory: HostInventory
    let hostAtStart: Host
    let metadata: MetadataService
    let addressClaims = PendingClaims<NetworkClaim>()
    let tapClaims = PendingClaims<NetworkClaim>()
    let commitments = PendingClaims<Admission.Commitment>()
    let vsockClaims = VsockClaims()
    private let mshvAtStart: MshvResource
    private let startedAt = realtimeNanoseconds()
    /// Images are large and their disk may be slow: they have a thread, so that consoles need not wait for them.
    let imageReader: BlockingPool
    private let consoleReader: BlockingPool

    /// Reads the stored state; all reading calls answer from then on. Blocks: for the start of a program.
    ///
    /// - Throws: `StoreError`, `.locked` when an other server uses the state directory.
    package init(
        configuration: ServiceConfiguration, launcher: any GuestLauncher, console: any ConsoleLogReader,
        validateBoot: @escaping BootValidator
    ) throws(StoreError) {
        self.configuration = configuration
        self.console = console
        self.validateBoot = validateBoot
        inventory = HostInventory(root: configuration.hostRoot)
        hostAtStart = inventory.read()
        mshvAtStart = MshvResource(inventory.mshv())
        do throws(Errno) {
            imageReader = try BlockingPool(name: "images", threads: 1)
            consoleReader = try BlockingPool(name: "console-log", threads: 1)
        } catch {
            throw StoreError(.other, "no thread for reading images and consoles: \(error)")
        }
        manager = try VMManager(configuration: configuration.manager, launcher: launcher)
        metadata = MetadataService(
            vms: manager.vms, networks: manager.networks.registry, isSimulated: manager.hypervisor.isSimulated)
    }

    /// Finds guests again and takes up what was under way; `isReady` when it returns.
    package func start() async { await manager.start() }

    /// Ends the server's part: what was accepted is durable, guests go on.
    package func shutdown() async {
        await manager.shutdown()
        imageReader.close()
        consoleReader.close()
    }

    /// As if the process had been killed, for tests of what comes after.
    package func abandon() async {
        await manager.abandon()
        imageReader.close()
        consoleReader.close()
    }

    // MARK: Host

    package var isReady: Bool { manager.isReady }

    package func host() -> HostResource {
        HostResource(
            hostname: hostAtStart.hostname, kernelRelease: hostAtStart.kernelRelease, machineID: hostAtStart.machineID,
            processorModel: hostAtStart.processorModel, processorCount: hostAtStart.processorCount,
            memoryTotal: hostAtStart.memoryTotal, memoryAvailable: inventory.memory().available,
            hypervisor: configuration.hypervisor, mshv: mshvAtStart, version: configuration.version,
            startedAt: startedAt, vmCount: manager.vms.count, topology: inventory.topology())
    }

    package func hostDevices() -> HostDevices { inventory.devices() }

    // MARK: VMs

    package func createVM(
        _ specification: VMSpecification, validateOnly: Bool
    ) async throws(ServiceError) -> VMResource {
        let specification = try resolvingVolumes(specification)
        try Validation.check(specification)
        try checkHost(specification)
        try checkCloudInit(specification)
        if let id = specification.id, manager.vms[id] != nil {
            throw ServiceError(
                .alreadyExists, "There is a VM with the id '\(id)' already.", field: "/id",
                expected: "an id that no other VM has")
        }
        try await checkImages(specification)
        try await checkDisks(specification)
        let id = specification.id ?? newID()
        var whole = specification
        whole.networkInterfaces = withAddresses(specification.networkInterfaces, vm: id)
        let planned = whole
        return try await claimingAddresses(of: planned.networkInterfaces, vm: id) { () async throws(ServiceError) in
            try await claimingCID(of: planned.deviceSettings.vsock, vm: id) { () async throws(ServiceError) in
                if validateOnly {
                    try await admitting(planned, vm: id) { () async throws(ServiceError) in }
                    try manager.storage.registry.checkClaim(planned.disks)
                    return VMRecord(id: id, specification: planned, now: realtimeNanoseconds())
                        .resource(hypervisor: manager.hypervisor, processID: nil, operationID: nil)
                }
                return withDevices(try await manager.create(planned, id: id))
            }
        }
    }

    private func newID() -> String {
        while true {
            let id = Identifiers.vm()
            if manager.vms[id] == nil { return id }
        }
    }

    package func listVMs(
        after: String?, limit: Int, labels: [String: String], state: VMState?
    ) -> (vms: [VMResource], more: Bool) {
        let (vms, more) = manager.vms.list(after: after, limit: limit) { vm in
            (state == nil || vm.state == state)
                && labels.allSatisfy { vm.specification.labels[$0.key] == $0.value }
        }
        return (vms.map(withDevices), more)
    }

    package func vm(_ id: String) throws(ServiceError) -> VMResource {
        withDevices(try manager.controller(id).entry.resource)
    }

    package func updateVM(
        _ id: String, _ patch: VMPatch, ifRevision: UInt64?
    ) async throws(ServiceError) -> VMResource {
        // First outside the VM's own turn, because images are looked at.
        let vm = try vm(id)
        try vm.check(revision: ifRevision)
        var whole = patch
        whole.networkInterfaces = patch.networkInterfaces.map { withAddresses($0, vm: id) }
        let patch = whole
        let planned = try resolvingVolumes(patch.applied(to: vm))
        try Validation.check(planned)
        if patch.machineField != nil {
            try checkHost(planned)
            if patch.cloudInit != nil { try checkCloudInit(planned) }
            try await checkImages(planned)
            if patch.disks != nil { try await checkDisks(planned) }
        }
        guard !LifecycleRules.isOff(vm.state), patch.memorySize != nil || patch.vpCount != nil else {
            return try await apply(patch, vsock: planned.deviceSettings.vsock, to: id, ifRevision: ifRevision)
        }
        return try await admitting(planned, vm: id, before: vm.specification) { () async throws(ServiceError) in
            try await apply(patch, vsock: planned.deviceSettings.vsock, to: id, ifRevision: ifRevision)
        }
    }

    private func apply(
        _ patch: VMPatch, vsock: VsockSettings?, to id: String, ifRevision: UInt64?
    ) async throws(ServiceError) -> VMResource {
        // An other patch may have come between: the whole is checked again. Images are checked again at start.
        try await claimingAddresses(of: patch.networkInterfaces ?? [], vm: id) { () async throws(ServiceError) in
            try await claimingCID(of: vsock, vm: id) { () async throws(ServiceError) in
                let vm = try await manager.update(id, ifRevision: ifRevision) { (vm) throws(ServiceError) in
                    let specification = try resolvingVolumes(patch.applied(to: vm))
                    try Validation.check(specification)
                    return specification
                }
                return withDevices(vm)
            }
        }
    }

    package func deleteVM(
        _ id: String, force: Bool, ifRevision: UInt64?
    ) async throws(ServiceError) -> OperationResource? {
        try await manager.delete(id, force: force, ifRevision: ifRevision)
    }

    package func begin(
        _ verb: OperationResource.Verb, vm id: String, timeout: Double?
    ) async throws(ServiceError) -> OperationResource {
        if let timeout {
            guard verb == .shutdown else {
                throw ServiceError(
                    .invalidArgument, "Only shutdown takes a timeout; \(verb.rawValue) does not.", field: "/timeout")
            }
            guard timeout.isFinite, timeout > 0, timeout <= 86_400 else {
                throw ServiceError(
                    .invalidArgument, "The timeout is more than 0 and at most 86400 seconds.", field: "/timeout",
                    expected: "0 < timeout <= 86400")
            }
        }
        if verb == .start {
            let vm = try vm(id)
            // A VM that can't start now gets the reason for that, not for its image.
            if LifecycleRules.isOff(vm.state) {
                try await checkImages(vm.specification)
                try await checkDisks(vm.specification)
                try checkCloudInit(vm.specification)
                try await checkDisksAreFree(vm)
                try await checkNetworks(vm)
                return try await admitting(vm.specification, vm: id) { () async throws(ServiceError) in
                    try await claimingTaps(of: vm) { () async throws(ServiceError) in
                        try await manager.begin(verb, vm: id, timeout: timeout)
                    }
                }
            }
        }
        return try await manager.begin(verb, vm: id, timeout: timeout)
    }

    // MARK: Checks that look at the host

    private func checkImages(_ specification: VMSpecification) async throws(ServiceError) {
        let (source, size, validate) = (specification.bootSource, specification.memorySize, validateBoot)
        let failure: BootError? = await imageReader.run {
            do throws(BootError) {
                try validate(source, size)
                return nil
            } catch {
                return error
            }
        }
        if let failure { throw ServiceError(.invalidImage, failure.reason, field: "/boot/\(failure.field)") }
    }

    // MARK: Operations

    package func listOperations(
        vm: String?, after: String?, limit: Int
    ) -> (operations: [OperationResource], more: Bool) {
        manager.operations.list(vm: vm, after: after, limit: limit)
    }

    package func operation(_ id: String) throws(ServiceError) -> OperationResource {
        guard let operation = manager.operations[id] else {
            throw ServiceError(
                .notFound,
                "There is no operation with the id '\(id)'; the last \(StateStore.keptOperations) that ended are kept.")
        }
        return operation
    }

    package func waitForOperation(_ id: String, timeout: Double) async throws(ServiceError) -> OperationResource {
        let now = try operation(id)
        guard now.status == .running else { return now }
        let seconds = timeout.isFinite ? max(0, min(timeout, 86_400)) : 0
        await manager.operations.waitForEnd(of: id, nanoseconds: UInt64(seconds * 1e9))
        return try operation(id)
    }

    // MARK: Console

    package func readConsole(vm id: String, offset: Int64, limit: Int) async throws(ServiceError) -> ConsoleChunk {
        _ = try manager.controller(id)
        let (console, directory) = (console, manager.directory(of: id))
        let result: Result<ConsoleChunk, ConsoleLogError> = await consoleReader.run {
            do throws(ConsoleLogError) {
                return .success(try console.read(vmDirectory: directory, offset: offset, limit: max(0, limit)))
            } catch {
                return .failure(error)
            }
        }
        switch result {
        case .success(let chunk): return chunk
        case .failure(let error):
            throw ServiceError(.internal, "The console log of VM '\(id)' can't be read: \(error).")
        }
    }

    package func writeConsole(vm id: String, _ bytes: [UInt8]) async throws(ServiceError) -> Int {
        let entry = try manager.controller(id).entry
        guard let driver = entry.driver else {
            throw ServiceError(
                .wrongState,
                "The VM is \(entry.resource.state.rawValue): a console takes input while its guest runs or is paused.")
        }
        do throws(GuestError) {
            return try await driver.writeConsole(bytes)
        } catch {
            throw ServiceError(.guestFailed, "The guest's console did not take the bytes: \(error).")
        }
    }

    package func observeConsole(
        vm id: String, changed: @escaping @Sendable () -> Void
    ) throws(ServiceError) -> Observation {
        Observation(onCancel: try manager.controller(id).entry.console.add(changed))
    }

    // MARK: Events and metrics

    package func events(after sequence: UInt64, limit: Int) -> [EventRecord] {
        manager.events.events(after: sequence, limit: limit)
    }

    package var lastEventSequence: UInt64 { manager.events.lastSequence }

    package func observeEvents(changed: @escaping @Sendable () -> Void) -> Observation {
        Observation(onCancel: manager.events.observe(changed))
    }

    package func metrics() -> MetricsSnapshot {
        var snapshot = MetricsSnapshot(
            host: host(), vms: manager.vms.all.map { ($0.entry.resource, $0.entry.statistics) },
            operations: manager.operations.counts, eventsTotal: manager.events.lastSequence)
        snapshot.storage = manager.storage.summary
        snapshot.networks = manager.networks.registry.views
        snapshot.metadataAnswers = metadata.answers
        return snapshot
    }
}
