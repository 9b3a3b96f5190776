import LinuxSystem
import ManagementService
import NetworkBackends
import PartitionManager
import VirtualNetworks

/// Networks that are not there.
extension FakeService {
    static func network(_ id: String) -> NetworkView {
        var definition = NetworkDefinition(id: id, mode: .nat, bridge: "hv-\(id)", mtu: 1500)
        if let subnet = IPv4Subnet("10.9.0.0/24"), let range = NetworkDefinition.Addressing.wholeRange(of: subnet) {
            definition.addressing = .init(subnet: subnet, range: range, domain: "\(id).internal")
        }
        let member = NetworkMember(
            vm: "a", interface: "net0", mac: MACAddress(derivedFrom: "n", vm: "a", interface: "net0"),
            address: IPv4Address("10.9.0.2"), allowsSpoofing: false)
        return NetworkView(
            network: NetworkResource(
                definition: definition, labels: ["a": "b"], createdAt: 1, updatedAt: 2, revision: 3),
            status: NetworkStatus(.failed, reason: "it is a fake"), members: [member])
    }

    func listNetworks(
        after: String?, limit: Int, labels: [String: String]
    ) -> (networks: [NetworkView], more: Bool) { ([], false) }

    func network(_ id: String) throws(ServiceError) -> NetworkView {
        throw ServiceError(.notFound, "There is no network '\(id)'.")
    }

    func createNetwork(_ request: NetworkRequest) async throws(ServiceError) -> NetworkView { Self.network(request.id) }

    func updateNetwork(
        _ id: String, _ patch: NetworkPatch, ifRevision: UInt64?
    ) async throws(ServiceError) -> NetworkView { try network(id) }

    func deleteNetwork(_ id: String, ifRevision: UInt64?) async throws(ServiceError) { _ = try network(id) }

    func observeNetworks(changed: @escaping @Sendable () -> Void) -> Observation { Observation {} }
    var servedMetadata: [String: String] { [:] }
    func answerMetadata(_ request: MetadataRequest) -> MetadataAnswer { MetadataAnswer(404, "") }
}
