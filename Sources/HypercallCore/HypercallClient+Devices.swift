import HypercallABI

extension HypercallClient {
    // MARK: Devices

    package func attachDevice(_ input: AttachDeviceInput) throws(HypercallFailure) {
        try simple(.attachDevice, input) { _ in }
    }

    package func detachDevice(_ device: DeviceID, from partition: PartitionID) throws(HypercallFailure) {
        try simple(.detachDevice, PartitionDeviceInput(partition: partition, device: device)) { _ in }
    }

    /// What the IOMMU of a partition's devices can do.
    package func iommuCapabilities(of partition: PartitionID) throws(HypercallFailure) -> IOMMUCapabilities {
        try simple(.getIommuCapabilities, IOMMUCapabilitiesInput(partition: partition)) {
            output throws(HypercallStatus) in
            try IOMMUCapabilities(decoding: output)
        }
    }

    package func logicalDeviceProperty(_ input: LogicalDevicePropertyInput) throws(HypercallFailure) -> UInt64 {
        try simple(.getLogicalDeviceProperty, input) { output throws(HypercallStatus) in
            try output.read(UInt64.self, at: 0)
        }
    }

    /// - Returns: as many bytes as were asked for, at most 64.
    package func mmioRead(_ input: MMIOReadInput) throws(HypercallFailure) -> [UInt8] {
        try simple(.mmioRead, input) { output throws(HypercallStatus) in
            try output.bytes(Int(min(input.count, MMIOReadInput.maximumBytes)), at: 0)
        }
    }

    package func mmioWrite(_ input: MMIOWriteInput) throws(HypercallFailure) { try simple(.mmioWrite, input) { _ in } }

    // MARK: Domains

    package func createDeviceDomain(_ input: CreateDeviceDomainInput) throws(HypercallFailure) {
        try simple(.createDeviceDomain, input) { _ in }
    }

    package func deleteDeviceDomain(_ domain: DeviceDomainName) throws(HypercallFailure) {
        try simple(.deleteDeviceDomain, domain) { _ in }
    }

    package func attachDevice(_ device: DeviceID, to domain: DeviceDomainName) throws(HypercallFailure) {
        try simple(.attachDeviceDomain, AttachDeviceDomainInput(domain: domain, device: device)) { _ in }
    }

    /// Puts a device back into the default domain.
    package func detachDeviceDomain(_ device: DeviceID, of partition: PartitionID) throws(HypercallFailure) {
        try simple(.detachDeviceDomain, PartitionDeviceInput(partition: partition, device: device)) { _ in }
    }

    /// Lets the devices of a domain reach pages of its partition, from a device address on.
    package func mapDeviceGPAPages(_ input: MapDeviceGPAPagesInput, pages: [UInt64]) throws(HypercallFailure) {
        try repeated(.mapDeviceGpaPages, count: pages.count) { done in
            var input = input
            input.address &+= 4096 &* UInt64(done)
            return input
        } element: { index, bytes throws(HypercallStatus) in
            try bytes.write(pages[index], at: 0)
        }
    }

    package func unmapDeviceGPAPages(_ input: UnmapDeviceGPAPagesInput, count: Int) throws(HypercallFailure) {
        try repeated(.unmapDeviceGpaPages, count: count) { done in
            var input = input
            input.address &+= 4096 &* UInt64(done)
            return input
        }
    }
}
