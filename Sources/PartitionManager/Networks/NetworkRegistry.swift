import NetworkBackends
import Synchronization
import VirtualNetworks

/// All networks, in memory, as they are in the store, with the interfaces that are in them and how they are on the host.
/// Every question of the kind "may this be used or removed" is asked and answered under one lock.
package final class NetworkRegistry: Sendable {
    private struct State {
        var networks: [String: NetworkResource] = [:]
        /// Those that are being made, changed or (true) removed: no other change may begin.
        var busy: [String: Bool] = [:]
        var members: [String: [NetworkMember]] = [:]
        var statuses: [String: NetworkStatus] = [:]
        /// Called, outside the lock, when networks or their members have changed.
        var changed: @Sendable () -> Void = {}
    }

    private let state: Mutex<State>

    init(_ networks: [NetworkResource]) {
        var state = State()
        for network in networks { state.networks[network.id] = network }
        self.state = Mutex(state)
    }

    // MARK: Reading

    package func network(_ id: String) -> NetworkResource? { state.withLock { $0.networks[id] } }
    package var networks: [NetworkResource] { state.withLock { $0.networks.values.sorted { $0.id < $1.id } } }

    package func view(_ id: String) -> NetworkView? { state.withLock { Self.view(id, $0) } }
    package var views: [NetworkView] {
        state.withLock { state in state.networks.keys.sorted().compactMap { Self.view($0, state) } }
    }

    private static func view(_ id: String, _ state: borrowing State) -> NetworkView? {
        guard let network = state.networks[id] else { return nil }
        return NetworkView(
            network: network, status: state.statuses[id] ?? NetworkStatus(.pending), members: state.members[id] ?? [])
    }

    /// The interface that has `address` in a network.
    package func member(of network: String, at address: IPv4Address) -> NetworkMember? {
        state.withLock { $0.members[network]?.first { $0.address == address } }
    }

    /// What the host is to be made to.
    func wish() -> NetworkEngine.Wish {
        state.withLock { state in
            let networks = state.networks.values.sorted { $0.id < $1.id }.map(\.definition)
            var reservations: [String: [NetworkReservation]] = [:]
            for (id, members) in state.members {
                reservations[id] = members.compactMap { member in
                    member.address.map {
                        NetworkReservation(
                            vm: member.vm, interface: member.interface, mac: member.mac, address: $0,
                            allowsSpoofing: member.allowsSpoofing)
                    }
                }
            }
            return NetworkEngine.Wish(networks: networks, reservations: reservations)
        }
    }

    // MARK: Changes of networks

    func observe(_ changed: @escaping @Sendable () -> Void) { state.withLock { $0.changed = changed } }

    private func tell() { state.withLock { $0.changed }() }

    /// Holds an id, and what `make` plans for it, until `release`. `make` sees all other networks and nobody adds one
    /// meanwhile.
    func reserve(
        _ id: String, _ make: ([NetworkResource]) throws(ServiceError) -> NetworkResource
    ) throws(ServiceError) -> NetworkResource {
        try state.withLock { state throws(ServiceError) in
            guard state.networks[id] == nil, state.busy[id] == nil else {
                throw ServiceError(
                    .alreadyExists,
                    "There is a network with the id '\(id)' (or it is being made or deleted just now).", field: "/id",
                    expected: "an id that is free")
            }
            guard state.networks.count < NetworkDefinition.maximumCount else {
                throw ServiceError(
                    .insufficientResources, "There are \(state.networks.count) networks, as many as there can be.")
            }
            let network = try make(Array(state.networks.values))
            // Its names and addresses are taken from now on; VMs can have it when it is stored.
            state.busy[id] = true
            state.networks[id] = network
            return network
        }
    }

    /// A network that was not stored after all.
    func forget(_ id: String) {
        state.withLock { state in
            state.networks[id] = nil
            state.busy[id] = nil
        }
        tell()
    }

    func release(_ id: String) { state.withLock { $0.busy[id] = nil } }

    /// Holds a network for a change of it. `isRemoval`: refused where VMs are in it.
    func beginChange(
        _ id: String, ifRevision revision: UInt64?, isRemoval: Bool
    ) throws(ServiceError) -> NetworkResource {
        try state.withLock { state throws(ServiceError) in
            guard let network = state.networks[id] else { throw Self.unknown(id) }
            if let revision, revision != network.revision {
                throw ServiceError(
                    .preconditionFailed,
                    "The network has changed: its revision is \(network.revision), not \(revision). Read it again and "
                        + "decide anew.")
            }
            let users = Set((state.members[id] ?? []).map(\.vm)).sorted()
            if isRemoval, !users.isEmpty {
                let shown = users.prefix(10).map { "'\($0)'" }.joined(separator: ", ")
                let more = users.count > 10 ? " and \(users.count - 10) more" : ""
                throw ServiceError(
                    .wrongState,
                    "The network '\(id)' is in use: VM\(users.count == 1 ? "" : "s") \(shown)\(more) "
                        + "\(users.count == 1 ? "has" : "have") an interface in it. Change or delete "
                        + "\(users.count == 1 ? "that VM" : "those VMs") first.")
            }
            guard state.busy[id] == nil else {
                throw ServiceError(
                    .operationConflict, "The network '\(id)' is being changed or deleted by another request.")
            }
            state.busy[id] = isRemoval
            return network
        }
    }

    func put(_ network: NetworkResource) {
        state.withLock { $0.networks[network.id] = network }
        tell()
    }

    func remove(_ id: String) {
        state.withLock { state in
            state.networks[id] = nil
            state.members[id] = nil
            state.statuses[id] = nil
        }
        tell()
    }

    /// - Returns: those whose state is another than before, with their old state.
    func put(_ statuses: [String: NetworkStatus]) -> [(id: String, old: NetworkStatus, new: NetworkStatus)] {
        state.withLock { state in
            var changes: [(id: String, old: NetworkStatus, new: NetworkStatus)] = []
            for (id, status) in statuses.sorted(by: { $0.key < $1.key }) where state.networks[id] != nil {
                let old = state.statuses[id] ?? NetworkStatus(.pending)
                if (old.state, old.reason) != (status.state, status.reason) { changes.append((id, old, status)) }
                state.statuses[id] = status
            }
            return changes
        }
    }

    // MARK: VMs and their interfaces

    /// Puts the interfaces of `vm` into their networks beside those that it has there. All or none.
    ///
    /// - Returns: the interfaces with what follows from their networks: the bridge, the MTU, and an address that is theirs
    ///   for as long as they are in the network.
    /// - Throws: `.invalidArgument` for a network that is not there, `.insufficientResources` for one that is full.
    func claim(_ interfaces: [NetworkSource], vm: String) throws(ServiceError) -> [NetworkSource] {
        try state.withLock { state throws(ServiceError) in
            var members = state.members
            var result = interfaces
            for (index, interface) in interfaces.enumerated() {
                guard let id = interface.network, let mac = interface.mac else { continue }
                let field = "/networkInterfaces/\(index)/network"
                guard let network = state.networks[id], state.busy[id] != true else {
                    throw ServiceError(
                        .invalidArgument,
                        "Network interface '\(interface.id)': there is no network with the id '\(id)'.", field: field,
                        expected: "the id of a network")
                }
                var address: IPv4Address?
                if let addressing = network.definition.addressing {
                    let known = members[id]?.first { $0.vm == vm && $0.mac == mac }?.address
                    let taken = Set((members[id] ?? []).compactMap(\.address))
                    address =
                        known
                        ?? addressing.range.free(for: mac) { $0 == addressing.gateway || taken.contains($0) }
                    guard address != nil else {
                        throw ServiceError(
                            .insufficientResources,
                            "Network interface '\(interface.id)': all \(addressing.range.count) addresses of the network "
                                + "'\(id)' are taken.", field: field, expected: "a network with addresses left")
                    }
                }
                result[index].address = address
                Self.resolve(&result[index], network.definition)
                Self.add(result[index], vm: vm, to: &members)
            }
            state.members = members
            return result
        }
    }

    /// Makes `interfaces` those that `vm` has; none where it is gone.
    func settle(_ interfaces: [NetworkSource], vm: String) {
        let isChanged = state.withLock { state in
            var members = state.members.compactMapValues { list in
                let others = list.filter { $0.vm != vm }
                return others.isEmpty ? nil : others
            }
            for interface in interfaces { Self.add(interface, vm: vm, to: &members) }
            defer { state.members = members }
            return members != state.members
        }
        if isChanged || interfaces.contains(where: { $0.network != nil }) { tell() }
    }

    /// The interface with what follows from its network as it is now. One that is not known leaves it as it is.
    func resolved(_ interface: NetworkSource) -> NetworkSource {
        guard let id = interface.network, let network = network(id) else { return interface }
        var interface = interface
        Self.resolve(&interface, network.definition)
        return interface
    }

    private static func resolve(_ interface: inout NetworkSource, _ network: NetworkDefinition) {
        interface.tap =
            network.mode == .macvtap
            ? NetworkSource.Tap(parent: network.bridge) : NetworkSource.Tap(bridge: network.bridge)
    }

    private static func add(_ interface: NetworkSource, vm: String, to members: inout [String: [NetworkMember]]) {
        guard let id = interface.network, let mac = interface.mac else { return }
        let member = NetworkMember(
            vm: vm, interface: interface.id, mac: mac, address: interface.address,
            allowsSpoofing: interface.allowsSpoofing)
        var list = members[id] ?? []
        list.removeAll { $0.vm == vm && $0.mac == mac }
        // Few are added out of order: a stable order keeps what dnsmasq is told the same from server to server.
        let place = list.firstIndex { ($0.vm, $0.interface) > (vm, interface.id) } ?? list.count
        list.insert(member, at: place)
        members[id] = list
    }

    static func unknown(_ id: String) -> ServiceError {
        ServiceError(.notFound, "There is no network with the id '\(id)'.")
    }
}
