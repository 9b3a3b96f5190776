import HypercallABI

extension CallCatalogue {
    /// Ports, connections, messages and events (TLFS 11).
    static let synIC: [CallDefinition] = []
}
