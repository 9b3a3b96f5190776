import HypercallABI

extension CallCatalogue {
    /// Virtual interrupts and those of devices.
    static let interrupts: [CallDefinition] = []
}
