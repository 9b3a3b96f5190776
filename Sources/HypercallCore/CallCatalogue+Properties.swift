import HypercallABI

extension CallCatalogue {
    /// Properties that are more than 64 bits, and those of the system.
    static let properties: [CallDefinition] = []
}
