import HypercallABI

extension CallCatalogue {
    /// Statistics pages.
    static let statistics: [CallDefinition] = []
}
