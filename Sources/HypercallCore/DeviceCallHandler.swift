import HypercallABI

/// Devices, and device domains: what a device may reach through the IOMMU.
package protocol DeviceCallHandler: Sendable {
    func attachDevice(_ input: AttachDeviceInput) throws(HypercallStatus)
    func detachDevice(_ input: PartitionDeviceInput) throws(HypercallStatus)
    func iommuCapabilities(of partition: PartitionID) throws(HypercallStatus) -> IOMMUCapabilities
    func logicalDeviceProperty(_ input: LogicalDevicePropertyInput) throws(HypercallStatus) -> UInt64
    /// - Returns: as many bytes as were asked for.
    func mmioRead(_ input: MMIOReadInput) throws(HypercallStatus) -> [UInt8]
    func mmioWrite(_ input: MMIOWriteInput) throws(HypercallStatus)
    func createDeviceDomain(_ input: CreateDeviceDomainInput) throws(HypercallStatus)
    func deleteDeviceDomain(_ domain: DeviceDomainName) throws(HypercallStatus)
    func attachDeviceDomain(_ input: AttachDeviceDomainInput) throws(HypercallStatus)
    func detachDeviceDomain(_ input: PartitionDeviceInput) throws(HypercallStatus)
    func mapDeviceGPAPages(_ input: MapDeviceGPAPagesInput, pages: [UInt64]) -> RepOutcome
    func unmapDeviceGPAPages(_ input: UnmapDeviceGPAPagesInput, count: Int) -> RepOutcome
}
