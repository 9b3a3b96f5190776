import Hypervisor
import Synchronization

/// What may be read of a VM at any time without waiting for whoever works on it.
package final class VMEntry: Sendable {
    private struct State {
        var resource: VMResource
        var driver: (any GuestDriver)?
        /// Of the last run, when there is no guest now.
        var lastStatistics: GuestStatistics?
    }

    package let id: String
    private let state: Mutex<State>
    /// Told of new console bytes, of the guest's end and of the VM's.
    package let console = ObserverList()

    init(_ resource: VMResource) {
        id = resource.id
        state = Mutex(State(resource: resource))
    }

    package var resource: VMResource { state.withLock { $0.resource } }
    /// The guest; nil when there is none.
    package var driver: (any GuestDriver)? { state.withLock { $0.driver } }

    /// The counters of the current run, or of the last one of this server's time.
    package var statistics: GuestStatistics? {
        let (driver, last) = state.withLock { ($0.driver, $0.lastStatistics) }
        return driver?.statistics() ?? last
    }

    /// Shows a committed change.
    func publish(_ resource: VMResource) { state.withLock { $0.resource = resource } }

    func attach(_ driver: any GuestDriver) {
        let process = driver.processID
        state.withLock { state in
            state.driver = driver
            state.resource.processID = process
            state.lastStatistics = nil
        }
    }

    func detach() {
        guard let driver else { return }
        let statistics = driver.statistics()
        state.withLock { state in
            state.driver = nil
            state.resource.processID = nil
            state.lastStatistics = statistics
        }
        console.notify()
    }
}

/// The VMs there are, in the order of their ids.
package final class VMRegistry: Sendable {
    private struct State {
        var controllers: [VMController] = []
        /// Ids that are being created, or deleted with files still to be removed.
        var reserved: Set<String> = []
    }

    private let state = Mutex(State())

    package subscript(id: String) -> VMController? {
        let controllers = state.withLock { $0.controllers }
        let index = VMRegistry.firstIndex(notBefore: id, in: controllers)
        return index < controllers.count && controllers[index].id == id ? controllers[index] : nil
    }

    package var count: Int { state.withLock { $0.controllers.count } }
    /// All of them, in the order of ids.
    package var all: [VMController] { state.withLock { $0.controllers } }

    /// Up to `limit` resources after the id `after`, of those that `matches` takes, and whether there are more.
    /// Nobody is held up: the list is a copy and each resource is read by itself.
    package func list(
        after: String?, limit: Int, matching matches: (VMResource) -> Bool
    ) -> (vms: [VMResource], more: Bool) {
        guard limit > 0 else { return ([], false) }
        let controllers = all
        var index = after.map { VMRegistry.firstIndex(notBefore: $0, in: controllers) } ?? 0
        if let after, index < controllers.count, controllers[index].id == after { index += 1 }
        var found: [VMResource] = []
        while index < controllers.count {
            let resource = controllers[index].entry.resource
            if matches(resource) {
                if found.count == limit { return (found, true) }
                found.append(resource)
            }
            index += 1
        }
        return (found, false)
    }

    /// Takes `id` for a VM that is being created.
    ///
    /// - Throws: `.alreadyExists`.
    func reserve(_ id: String) throws(ServiceError) {
        let isFree = state.withLock { state in
            let index = VMRegistry.firstIndex(notBefore: id, in: state.controllers)
            guard index == state.controllers.count || state.controllers[index].id != id else { return false }
            return state.reserved.insert(id).inserted
        }
        if !isFree {
            throw ServiceError(
                .alreadyExists, "There is a VM with the id '\(id)' (or it is being created or deleted just now).",
                field: "/id", expected: "an id that no other VM has")
        }
    }

    func release(_ id: String) { state.withLock { _ = $0.reserved.remove(id) } }

    /// Shows a VM; its id is no longer only reserved.
    func insert(_ controller: VMController) {
        state.withLock { state in
            state.reserved.remove(controller.id)
            let index = VMRegistry.firstIndex(notBefore: controller.id, in: state.controllers)
            state.controllers.insert(controller, at: index)
        }
    }

    /// Shows a VM no more. Its id stays reserved until `release`.
    func remove(_ id: String) {
        state.withLock { state in
            let index = VMRegistry.firstIndex(notBefore: id, in: state.controllers)
            guard index < state.controllers.count, state.controllers[index].id == id else { return }
            state.controllers.remove(at: index)
            state.reserved.insert(id)
        }
    }

    private static func firstIndex(notBefore id: String, in controllers: [VMController]) -> Int {
        var low = 0
        var high = controllers.count
        while low < high {
            let middle = low + (high - low) / 2
            if controllers[middle].id < id { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
