import HypercallABI

extension CallCatalogue {
    /// What a processor has beside its registers, what it does with intercepts, and addresses as it sees them.
    static let processorState: [CallDefinition] = []
}
