import HypercallABI

extension CallCatalogue {
    /// Device domains: what a device may reach through the IOMMU.
    static let devices: [CallDefinition] = []
}
