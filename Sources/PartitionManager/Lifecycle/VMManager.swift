import DeviceSources
import Hypervisor
import LinuxSystem
import Log
import Synchronization
import WorkerProtocol

/// All VMs of a host: their lifecycle, their operations and events, and the store under them.
package final class VMManager: Sendable {
    private let core: ManagerCore
    private let phase = Atomic<Int>(Phase.loaded.rawValue)

    private enum Phase: Int {
        /// The store has been read; guests have not been looked for.
        case loaded
        case ready
        case ending
    }

    package var vms: VMRegistry { core.vms }
    package var operations: OperationRegistry { core.operations }
    package var events: EventLog { core.events }
    package var store: StateStore { core.store }
    package var hypervisor: HypervisorDescription { core.launcher.hypervisor }
    package let installID: String
    package let storage: StorageManager
    package let networks: NetworkManager
    /// Deleted VMs whose directories were removed by this start.
    private let removals: [String]

    /// The VM's own directory under the state directory.
    package func directory(of id: String) -> String { core.directory(of: id) }

    /// Where programs of the host connect with a guest's, while that runs and has the device for it.
    package func vsockSocket(of id: String) -> String { core.runDirectory(of: id) + "/" + VMFiles.vsockSocket }

    /// Reads the state of `configuration.stateDirectory`: from now on VMs, operations and events are shown as they were
    /// stored. Blocks; for the start of a program.
    ///
    /// - Throws: `StoreError`, `.locked` when an other server uses the directory.
    package init(configuration: ManagerConfiguration, launcher: any GuestLauncher) throws(StoreError) {
        let core: ManagerCore
        let state: StoredState
        try VMManager.makeRunDirectory(configuration.runDirectory)
        let store: StateStore
        (store, state) = try StateStore.open(directory: configuration.stateDirectory)
        do throws(Errno) {
            core = try ManagerCore(configuration: configuration, launcher: launcher, store: store, state: state)
        } catch {
            throw StoreError(.other, "no thread for the VMs' files: \(error)")
        }
        self.core = core
        installID = state.installID
        let running = state.operations.filter { $0.resource.status == .running }
        let underWay = Dictionary(grouping: running.filter { !$0.verb.isAboutStorage }, by: \.resource.vmID)
        storage = try StorageManager(core: core, interrupted: running.filter(\.verb.isAboutStorage))
        networks = try NetworkManager(core: core, install: state.installID)
        for var record in state.vms {
            // Where the volumes are now: the state directory may have been moved.
            record.specification.disks = record.specification.disks.map(core.storage.resolved)
            core.storage.settle(record.specification.disks, vm: record.id)
            record.specification.networkInterfaces = record.specification.networkInterfaces.map(core.networks.resolved)
            core.networks.settle(record.specification.networkInterfaces, vm: record.id)
            core.vms.insert(VMController(record, underWay: underWay[record.id] ?? [], core: core))
        }
        // Before an id can be used again.
        removals = state.removals.filter { id in
            core.vms[id] != nil || ManagerCore.remove([core.directory(of: id), core.runDirectory(of: id)]) == nil
        }
    }

    /// The workers are found by their sockets there: who could put others in their place would be obeyed.
    private static func makeRunDirectory(_ path: String) throws(StoreError) {
        let foreignness: String?
        do throws(Errno) {
            try DirectoryTree.create(path)
            foreignness = try DirectoryTree.foreignness(of: path)
        } catch {
            throw StoreError(.inputOutput, "the run directory \(path) can't be made: \(error)")
        }
        if let foreignness {
            throw StoreError(
                .inputOutput, "the run directory \(path) \(foreignness): name one of its own with --run-dir")
        }
    }

    /// Whether all guests have been found again and requests are taken.
    package var isReady: Bool { phase.load(ordering: .acquiring) == Phase.ready.rawValue }

    /// Finds the guests of earlier servers again, and takes up what was under way. Requests are taken when it returns.
    package func start() async {
        // Guests that are started again need their networks; those that run have them.
        await networks.start()
        let controllers = core.vms.all
        await withTaskGroup(of: Void.self) { group in
            var next = 0
            func addNext() {
                guard next < controllers.count else { return }
                let controller = controllers[next]
                next += 1
                group.addTask { await controller.recover() }
            }
            for _ in 0..<max(core.configuration.concurrentAdoptions, 1) { addNext() }
            while await group.next() != nil { addNext() }
        }
        await storage.start()
        for id in removals {
            _ = try? await core.store.write { transaction throws(StoreError) in try transaction.endRemoval(of: id) }
        }
        _ = phase.compareExchange(
            expected: Phase.loaded.rawValue, desired: Phase.ready.rawValue, ordering: .acquiringAndReleasing)
        Log.info("the manager is ready", ["vms": String(controllers.count), "store": core.store.path])
    }

    /// Ends the server's part. Guests go on; operations that are under way are taken up by the next server.
    package func shutdown() async {
        phase.store(Phase.ending.rawValue, ordering: .releasing)
        core.end()
        await core.store.close()
        core.files.close()
        storage.close()
        networks.close()
    }

    /// Ends as if the process had been killed: what is not durable now never will be.
    package func abandon() async {
        phase.store(Phase.ending.rawValue, ordering: .releasing)
        core.end()
        await core.store.close(discarding: true)
        core.files.close()
        storage.close()
        networks.close()
    }

    package func checkReady() throws(ServiceError) {
        switch Phase(rawValue: phase.load(ordering: .acquiring)) {
        case .ready: return
        case .loaded, nil:
            throw ServiceError(.unavailable, "The server is finding its guests again; ask once /readyz says so.")
        case .ending: throw ServiceError(.unavailable, "The server is ending; ask again when it is back.")
        }
    }

    // MARK: Requests

    /// Defines a VM. `specification.id` is set and all of it has been validated.
    package func create(_ specification: VMSpecification, id: String) async throws(ServiceError) -> VMResource {
        try checkReady()
        try core.vms.reserve(id)
        var specification = specification
        do throws(ServiceError) {
            // From here on its volumes and networks stay what they are.
            try core.storage.claim(specification.disks, vm: id)
            specification.networkInterfaces = try core.networks.claim(specification.networkInterfaces, vm: id)
        } catch {
            core.storage.settle([], vm: id)
            core.vms.release(id)
            throw error
        }
        specification.disks = specification.disks.map(core.storage.resolved)
        let record = VMRecord(id: id, specification: specification, now: realtimeNanoseconds())
        let controller = VMController(record, underWay: [], core: core)
        do throws(ServiceError) {
            try await core.makeDirectories(of: id, clean: true)
            try await insert(controller, record)
        } catch {
            core.storage.settle([], vm: id)
            core.networks.settle([], vm: id)
            core.vms.release(id)
            throw error
        }
        core.networks.settle(specification.networkInterfaces, vm: id)
        return controller.entry.resource
    }

    private func insert(_ controller: VMController, _ record: VMRecord) async throws(ServiceError) {
        let core = core
        let event = PendingEvent(
            time: record.createdAt, type: "vm.created", vmID: record.id, details: [("state", record.state.rawValue)])
        do throws(StoreError) {
            try await core.store.write(
                { transaction throws(StoreError) in
                    try transaction.putVM(record)
                    return try transaction.appendEvent(event)
                },
                committed: { event in
                    core.vms.insert(controller)
                    core.events.append([event])
                    core.events.notify()
                })
        } catch {
            throw ServiceError(error)
        }
    }

    /// - Throws: `.notFound`.
    package func controller(_ id: String) throws(ServiceError) -> VMController {
        guard let controller = core.vms[id] else { throw VMController.notFound(id) }
        return controller
    }

    /// Changes the specification of VM `id` to what `body` makes of the VM as it is.
    package func update(
        _ id: String, ifRevision revision: UInt64?,
        _ body: @Sendable (VMResource) throws(ServiceError) -> VMSpecification
    ) async throws(ServiceError) -> VMResource {
        try checkReady()
        return try await controller(id).update(ifRevision: revision, body)
    }

    package func delete(
        _ id: String, force: Bool, ifRevision revision: UInt64?
    ) async throws(ServiceError) -> OperationResource? {
        try checkReady()
        return try await controller(id).delete(force: force, ifRevision: revision)
    }

    package func begin(
        _ verb: OperationResource.Verb, vm id: String, timeout: Double?
    ) async throws(ServiceError) -> OperationResource {
        try checkReady()
        guard verb != .delete else { throw ServiceError(.invalidArgument, "A VM is deleted with DELETE, not a verb.") }
        if let kind = verb.deviceKind {
            throw ServiceError(
                .invalidArgument, "A \(kind.words) comes and goes at the VM's \(kind.words)s, not by a verb.")
        }
        return try await controller(id).begin(verb, timeout: timeout)
    }

    // MARK: Devices that come and go

    /// Attaches a device, which was validated, to VM `id`.
    package func attach(_ device: DeviceSource, to id: String) async throws(ServiceError) -> OperationResource {
        try checkReady()
        return try await controller(id).attach(device)
    }

    /// - Parameter timeout: seconds that the guest has to eject it; nil: the default.
    package func detach(
        _ device: DeviceName, of id: String, force: Bool, timeout: Double?
    ) async throws(ServiceError) -> OperationResource {
        try checkReady()
        return try await controller(id).detach(
            DeviceDetach(name: device, force: force, timeout: timeout ?? core.configuration.detachTimeout))
    }

    package func limit(
        _ device: DeviceName, of id: String, _ limit: DeviceLimit?
    ) async throws(ServiceError) -> DeviceSource {
        try checkReady()
        return try await controller(id).limit(device, limit)
    }
}
