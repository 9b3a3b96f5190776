import Hypervisor
import LinuxSystem
import Log
import Synchronization

/// What a manager needs to know.
package struct ManagerConfiguration: Sendable {
    package var stateDirectory: String
    package var runDirectory: String
    /// How many guests may be starting at the same time.
    package var concurrentLaunches = 8
    /// How many guests are looked for at the same time when the server starts.
    package var concurrentAdoptions = 32
    /// Seconds that a hard stop may take before it counts as failed.
    package var stopTimeout: Double = 30
    /// Seconds that a guest has to power off when the client does not say.
    package var shutdownTimeout: Double = 60
    /// Seconds that a guest has to eject a disk when the client does not say.
    package var detachTimeout: Double = 60

    package init(stateDirectory: String, runDirectory: String) {
        self.stateDirectory = stateDirectory
        self.runDirectory = runDirectory
    }
}

/// What the controllers of all VMs share.
final class ManagerCore: Sendable {
    let configuration: ManagerConfiguration
    let launcher: any GuestLauncher
    let store: StateStore
    let vms = VMRegistry()
    let storage: StorageRegistry
    let networks: NetworkRegistry
    let operations: OperationRegistry
    let events: EventLog
    let launches: LaunchGate
    let files: BlockingPool
    let operationIDs: OperationIdentifiers
    private let lastPartitionID: Atomic<UInt64>
    private let ending = Atomic<Bool>(false)
    /// Whether the server is ending: no guest is launched any more.
    var isEnding: Bool { ending.load(ordering: .acquiring) }

    init(
        configuration: ManagerConfiguration, launcher: any GuestLauncher, store: StateStore, state: StoredState
    ) throws(Errno) {
        self.configuration = configuration
        self.launcher = launcher
        self.store = store
        storage = StorageRegistry(
            stateDirectory: configuration.stateDirectory, images: state.images, volumes: state.volumes)
        networks = NetworkRegistry(state.networks)
        operations = OperationRegistry(state.operations.map(\.resource), limit: StateStore.keptOperations)
        events = EventLog(state.events, lastSequence: state.lastSequence, limit: StateStore.keptEvents)
        launches = LaunchGate(limit: configuration.concurrentLaunches)
        files = try BlockingPool(name: "vm-files", threads: 2)
        operationIDs = OperationIdentifiers(after: state.operations.last?.id)
        lastPartitionID = Atomic(state.lastPartitionID)
    }

    /// A partition id that was never used here. 1 is the root's, so the first is 2.
    func nextPartitionID() -> UInt64 { lastPartitionID.add(1, ordering: .relaxed).newValue }

    func end() { ending.store(true, ordering: .releasing) }

    func directory(of id: String) -> String { configuration.stateDirectory + "/vms/" + id }
    func runDirectory(of id: String) -> String { configuration.runDirectory + "/vms/" + id }

    /// Makes a VM's directories on a thread that may wait for the disk.
    ///
    /// - Parameter clean: whether what an earlier VM of this id left is removed first.
    func makeDirectories(of id: String, clean: Bool) async throws(ServiceError) {
        let paths = [directory(of: id), runDirectory(of: id)]
        let failure: ServiceError? = await files.run {
            for path in paths {
                do throws(Errno) {
                    if clean { try DirectoryTree.remove(path) }
                    try DirectoryTree.create(path)
                } catch {
                    return ServiceError(
                        .unavailable, "The VM's directory \(path) can't be made: \(error). Nothing was changed.")
                }
            }
            return nil
        }
        if let failure { throw failure }
    }

    /// Removes what a deleted VM leaves and gives its id free. What can't be removed now is removed at the next start.
    func removeFiles(of id: String) async {
        let paths = [directory(of: id), runDirectory(of: id)]
        let failure = await files.run { ManagerCore.remove(paths) }
        if let failure {
            Log.warning(
                "the directories of a deleted VM could not be removed", ["vm": id, "error": failure.description])
        } else {
            _ = try? await store.write { transaction throws(StoreError) in try transaction.endRemoval(of: id) }
        }
        vms.release(id)
    }

    static func remove(_ paths: [String]) -> Errno? {
        var failure: Errno?
        for path in paths {
            do { try DirectoryTree.remove(path) } catch { failure = error }
        }
        return failure
    }
}

/// Lets only so many guests start at the same time, in the order of asking.
final class LaunchGate: Sendable {
    private struct State {
        var free: Int
        var waiting: [CheckedContinuation<Void, Never>] = []
        var first = 0
    }

    private let state: Mutex<State>

    init(limit: Int) { state = Mutex(State(free: max(limit, 1))) }

    func enter() async {
        await withCheckedContinuation { continuation in
            let enters = state.withLock { state in
                if state.free > 0 {
                    state.free -= 1
                    return true
                }
                state.waiting.append(continuation)
                return false
            }
            if enters { continuation.resume() }
        }
    }

    func leave() {
        let next: CheckedContinuation<Void, Never>? = state.withLock { state in
            guard state.first < state.waiting.count else {
                state.waiting.removeAll(keepingCapacity: true)
                state.first = 0
                state.free += 1
                return nil
            }
            defer { state.first += 1 }
            return state.waiting[state.first]
        }
        next?.resume()
    }
}
