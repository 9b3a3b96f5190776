import PartitionManager

/// What a front end can ask of networks. Errors are `ServiceError`. A change is durable when its call returns.
package protocol NetworkAPI: Sendable {
    /// In the order of ids. `after` is the id after which to go on.
    func listNetworks(
        after: String?, limit: Int, labels: [String: String]
    ) -> (networks: [NetworkView], more: Bool)
    func network(_ id: String) throws(ServiceError) -> NetworkView
    /// The host was asked to make it when this returns; how that went its status says.
    func createNetwork(_ request: NetworkRequest) async throws(ServiceError) -> NetworkView
    func updateNetwork(
        _ id: String, _ patch: NetworkPatch, ifRevision: UInt64?
    ) async throws(ServiceError) -> NetworkView
    func deleteNetwork(_ id: String, ifRevision: UInt64?) async throws(ServiceError)
    /// Calls `changed` (from any thread) whenever there is another network or one is otherwise, until cancelled.
    func observeNetworks(changed: @escaping @Sendable () -> Void) -> Observation
    /// The networks whose guests are to find their metadata, with their bridges.
    var servedMetadata: [String: String] { get }
    /// What a guest asks its metadata service. Does not wait.
    func answerMetadata(_ request: MetadataRequest) -> MetadataAnswer
}
