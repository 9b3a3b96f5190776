import HypercallABI

/// Device domains: what a device may reach through the IOMMU.
package protocol DeviceCallHandler: Sendable {}
