import Hypervisor
import LinuxSystem
import NetworkBackends
import PartitionManager
import VirtualNetworks

extension ManagementService {
    private var networks: NetworkManager { manager.networks }

    package func listNetworks(
        after: String?, limit: Int, labels: [String: String]
    ) -> (networks: [NetworkView], more: Bool) {
        let page = Self.page(networks.registry.views, after, limit, labels, id: \.network.id, labels: \.network.labels)
        return (page.items, page.more)
    }

    package func network(_ id: String) throws(ServiceError) -> NetworkView {
        guard let view = networks.registry.view(id) else {
            throw ServiceError(.notFound, "There is no network with the id '\(id)'.")
        }
        return view
    }

    package func createNetwork(_ request: NetworkRequest) async throws(ServiceError) -> NetworkView {
        try manager.checkReady()
        try Validation.check(request)
        try checkTools(request.mode)
        // Read before the lock is taken; a route that comes later is found by nobody.
        let routes = manager.hypervisor.isSimulated ? [] : SubnetChooser.hostRoutes()
        return try await networks.create(request.id) { others throws(ServiceError) in
            let now = realtimeNanoseconds()
            return NetworkResource(
                definition: try NetworkPlan(request, others.map(\.definition), routes).definition(),
                labels: request.labels, createdAt: now, updatedAt: now, revision: 1)
        }
    }

    package func updateNetwork(
        _ id: String, _ patch: NetworkPatch, ifRevision: UInt64?
    ) async throws(ServiceError) -> NetworkView {
        try manager.checkReady()
        return try await networks.update(id, patch, ifRevision: ifRevision) { network throws(ServiceError) in
            try Validation.check(labels: network.labels)
            try Validation.check(metadata: network.definition.metadata, mode: network.definition.mode)
        }
    }

    package func deleteNetwork(_ id: String, ifRevision: UInt64?) async throws(ServiceError) {
        try manager.checkReady()
        try await networks.delete(id, ifRevision: ifRevision)
    }

    package func observeNetworks(changed: @escaping @Sendable () -> Void) -> Observation {
        Observation(onCancel: networks.observe(changed))
    }

    package var servedMetadata: [String: String] { metadata.served }
    package func answerMetadata(_ request: MetadataRequest) -> MetadataAnswer { metadata.answer(request) }

    /// - Throws: `.wrongState` where a network of the VM's is not there on the host: its guest would have none.
    func checkNetworks(_ vm: VMResource) async throws(ServiceError) {
        let interfaces = vm.specification.networkInterfaces
        guard interfaces.contains(where: { $0.network != nil }) else { return }
        // Its addresses are known to dnsmasq before its guest asks.
        await networks.settle()
        for (index, interface) in interfaces.enumerated() {
            guard let id = interface.network, let view = networks.registry.view(id), view.status.state == .failed
            else { continue }
            throw ServiceError(
                .wrongState,
                "The network '\(id)' of network interface '\(interface.id)' has failed: "
                    + "\(view.status.reason ?? "no reason is known").",
                field: "/networkInterfaces/\(index)/network", expected: "a network that is ready")
        }
    }

    /// - Throws: `.notImplemented` with the package of the first program that this host lacks.
    private func checkTools(_ mode: NetworkDefinition.Mode) throws(ServiceError) {
        guard !manager.hypervisor.isSimulated else { return }
        let needed = mode.isMade ? NetworkTool.all : [NetworkTool.ip]
        guard let missing = needed.first(where: { $0.path == nil }) else { return }
        throw ServiceError(
            .notImplemented,
            "This host has no \(missing.name), which networks of this mode need (Debian: \(missing.package)).",
            field: "/mode", expected: mode.isMade ? "bridge, or the package" : "the package \(missing.package)")
    }
}

/// What a network becomes, among those that there are.
struct NetworkPlan {
    private let request: NetworkRequest
    private let others: [NetworkDefinition]
    private let routes: [SubnetChooser.Route]

    init(_ request: NetworkRequest, _ others: [NetworkDefinition], _ routes: [SubnetChooser.Route]) {
        self.request = request
        self.others = others
        self.routes = routes
    }

    func definition() throws(ServiceError) -> NetworkDefinition {
        let bridge = request.bridge ?? request.parent ?? NetworkDefinition.bridgeName(for: request.id)
        // Two may share a bridge of the host's, but one of ours is one network's.
        let isShared = !request.mode.isMade
        if let other = others.first(where: { $0.bridge == bridge && ($0.isMade || !isShared) }) {
            throw ServiceError(
                .alreadyExists, "The bridge \(bridge) is that of the network '\(other.id)'.", field: "/bridge",
                expected: "another name")
        }
        var definition = NetworkDefinition(id: request.id, mode: request.mode, bridge: bridge)
        definition.mtu = request.mtu
        definition.metadata = request.metadata
        if definition.isMade { definition.addressing = try addressing() }
        return definition
    }

    private func addressing() throws(ServiceError) -> NetworkDefinition.Addressing {
        let taken = others.compactMap { other in other.addressing.map { (other.id, $0.subnet) } }
        let subnet: IPv4Subnet
        if let wanted = request.subnet {
            subnet = wanted
            if let (id, other) = taken.first(where: { $0.1.overlaps(wanted) }) {
                throw ServiceError(
                    .alreadyExists, "The subnet \(wanted) overlaps \(other) of the network '\(id)'.", field: "/subnet",
                    expected: "a subnet of its own, or none: then a free one is chosen")
            }
            if let route = routes.first(where: { $0.subnet.overlaps(wanted) && !isOurs($0.interface) }) {
                throw ServiceError(
                    .alreadyExists,
                    "The subnet \(wanted) overlaps \(route.subnet), which this host reaches by \(route.interface).",
                    field: "/subnet", expected: "a subnet of its own, or none: then a free one is chosen")
            }
        } else {
            guard let free = SubnetChooser.choose(besides: taken.map(\.1) + routes.map(\.subnet)) else {
                throw ServiceError(
                    .insufficientResources,
                    "No /24 of 10.64.0.0/10 and 192.168.0.0/16 is free: name a subnet.", field: "/subnet")
            }
            subnet = free
        }
        return NetworkDefinition.Addressing(
            subnet: subnet, range: try range(of: subnet), domain: request.domain ?? "\(request.id).internal")
    }

    private func isOurs(_ interface: String) -> Bool { others.contains { $0.isMade && $0.bridge == interface } }

    private func range(of subnet: IPv4Subnet) throws(ServiceError) -> IPv4Range {
        guard let whole = NetworkDefinition.Addressing.wholeRange(of: subnet) else {
            throw ServiceError(.invalidArgument, "The subnet \(subnet) is too small.", field: "/subnet")
        }
        for (name, end) in [("start", request.rangeStart), ("end", request.rangeEnd)] {
            guard let end, !whole.contains(end) else { continue }
            throw ServiceError(
                .invalidArgument, "The address \(end) is none that an interface in \(subnet) can have.",
                field: "/dhcp/\(name)", expected: "\(whole.first) to \(whole.last)")
        }
        guard let range = IPv4Range(request.rangeStart ?? whole.first, request.rangeEnd ?? whole.last) else {
            throw ServiceError(
                .invalidArgument, "The range's start stands behind its end.", field: "/dhcp/start",
                expected: "at most the end")
        }
        return range
    }
}
