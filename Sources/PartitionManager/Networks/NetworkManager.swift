import Hypervisor
import LinuxSystem
import Log
import NetworkBackends
import Synchronization
import VirtualNetworks

/// Networks: their rows, and what makes them on the host.
///
/// A row is written before anything is made on the host, and is gone before that is removed: what a crash leaves on the
/// host is either a row's or has our mark, and the next start takes it away.
package final class NetworkManager: Sendable {
    let core: ManagerCore
    /// Nil where guests are simulated: nothing is made on the host then.
    private let engine: NetworkEngine?
    private let observers = ObserverList()

    package var registry: NetworkRegistry { core.networks }

    init(core: ManagerCore, install: String) throws(StoreError) {
        self.core = core
        let registry = core.networks
        guard !core.launcher.hypervisor.isSimulated else {
            engine = nil
            return
        }
        let news = NewsBox()
        do throws(Errno) {
            engine = try NetworkEngine(
                directory: core.configuration.runDirectory + "/networks",
                lockDirectory: core.configuration.runDirectory + "/vms", install: install,
                wish: { registry.wish() }, changed: { news.deliver($0) })
        } catch {
            throw StoreError(.other, "no descriptors for the host's networks: \(error)")
        }
        news.manager.withLock { $0 = Weak(self) }
    }

    /// The engine's way to its owner, which is made after it.
    private final class NewsBox: Sendable {
        let manager = Mutex(Weak(nil))
        func deliver(_ statuses: [String: NetworkStatus]) { manager.withLock { $0.value }?.note(statuses) }
    }

    private struct Weak: Sendable {
        weak let value: NetworkManager?
        init(_ value: NetworkManager?) { self.value = value }
    }

    /// Finds the networks of earlier servers again, and makes what is missing.
    func start() async {
        guard let engine else {
            registry.observe { [weak self] in self?.simulate() }
            return simulate()
        }
        registry.observe { [weak self] in
            self?.engine?.wake()
            self?.observers.notify()
        }
        do throws(Errno) {
            try engine.start()
        } catch {
            let reason = "no thread could be started for the networks: \(error)"
            note(
                Dictionary(
                    uniqueKeysWithValues: registry.networks.map { ($0.id, NetworkStatus(.failed, reason: reason)) }))
            return
        }
        await engine.settle()
    }

    func close() { engine?.close() }

    private func simulate() {
        note(Dictionary(uniqueKeysWithValues: registry.networks.map { ($0.id, NetworkStatus(.ready)) }))
    }

    /// Waits until the host knows what was changed before this.
    package func settle() async { await engine?.settle() }

    /// Calls `changed` (from any thread) whenever a network or its state has changed, until the result is called.
    package func observe(_ changed: @escaping @Sendable () -> Void) -> @Sendable () -> Void { observers.add(changed) }

    /// Takes the engine's news, from its thread.
    private func note(_ statuses: [String: NetworkStatus]) {
        let changes = registry.put(statuses)
        guard !changes.isEmpty else { return }
        observers.notify()
        let events = changes.filter { $0.old.state != $0.new.state }.map { change in
            var details = [("network", change.id), ("status", change.new.state.rawValue)]
            if let reason = change.new.reason { details.append(("reason", reason)) }
            return PendingEvent(
                time: realtimeNanoseconds(), type: "network.state-changed", vmID: "", details: details)
        }
        guard !events.isEmpty, !core.isEnding else { return }
        Task {
            do throws(ServiceError) {
                try await self.commit(events) { _ throws(StoreError) in
                } published: {
                }
            } catch {
                Log.warning("an event of a network could not be stored", ["error": error.detail])
            }
        }
    }

    // MARK: Changes

    /// Makes a network. When this returns it is durable, and the host was asked to make it: its status says with which
    /// result.
    package func create(
        _ id: String, _ make: ([NetworkResource]) throws(ServiceError) -> NetworkResource
    ) async throws(ServiceError) -> NetworkView {
        let network = try registry.reserve(id, make)
        let registry = registry
        do throws(ServiceError) {
            try await commit([event("network.created", id)]) { transaction throws(StoreError) in
                try transaction.putNetwork(network)
            } published: {
                registry.release(id)
                registry.put(network)
            }
        } catch {
            registry.forget(id)
            throw error
        }
        await settle()
        return registry.view(id)
            ?? NetworkView(network: network, status: NetworkStatus(.pending), members: [])
    }

    package func update(
        _ id: String, _ patch: NetworkPatch, ifRevision revision: UInt64?,
        validate: (NetworkResource) throws(ServiceError) -> Void
    ) async throws(ServiceError) -> NetworkView {
        var network = try registry.beginChange(id, ifRevision: revision, isRemoval: false)
        defer { registry.release(id) }
        let before = network
        for (key, value) in patch.labels ?? [:] { network.labels[key] = value }
        if let metadata = patch.metadata { network.definition.metadata = metadata }
        try validate(network)
        if network != before {
            network.revision += 1
            network.updatedAt = realtimeNanoseconds()
            let (changed, registry) = (network, registry)
            try await commit([event("network.updated", id)]) { transaction throws(StoreError) in
                try transaction.putNetwork(changed)
            } published: {
                registry.put(changed)
            }
            await settle()
        }
        guard let view = registry.view(id) else { throw NetworkRegistry.unknown(id) }
        return view
    }

    /// Removes a network. What it had on the host is gone when this returns, if it can be.
    package func delete(_ id: String, ifRevision revision: UInt64?) async throws(ServiceError) {
        _ = try registry.beginChange(id, ifRevision: revision, isRemoval: true)
        defer { registry.release(id) }
        let registry = registry
        try await commit([event("network.deleted", id)]) { transaction throws(StoreError) in
            try transaction.deleteNetwork(id)
        } published: {
            registry.remove(id)
        }
        await settle()
    }

    private func event(_ type: String, _ id: String) -> PendingEvent {
        PendingEvent(time: realtimeNanoseconds(), type: type, vmID: "", details: [("network", id)])
    }

    /// Writes a change and its events in one transaction, and shows it when that is durable.
    private func commit(
        _ events: [PendingEvent],
        write: @escaping @Sendable (borrowing StoreTransaction) throws(StoreError) -> Void,
        published: @escaping @Sendable () -> Void
    ) async throws(ServiceError) {
        let core = core
        do throws(StoreError) {
            try await core.store.write(
                { transaction throws(StoreError) in
                    try write(transaction)
                    var records: [EventRecord] = []
                    for event in events { records.append(try transaction.appendEvent(event)) }
                    return records
                },
                committed: { records in
                    published()
                    core.events.append(records)
                    core.events.notify()
                })
        } catch {
            throw ServiceError(error)
        }
    }
}
