import HypercallABI

extension CallCatalogue {
    /// Ports, connections, messages and events (TLFS, "Inter-Partition Communication").
    static let synIC: [CallDefinition] = []
}
