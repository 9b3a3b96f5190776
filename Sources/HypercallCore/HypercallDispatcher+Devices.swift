import HypercallABI

extension HypercallDispatcher {
    func devices(_ call: HypercallArguments) throws(HypercallStatus) -> RepOutcome {
        switch call.control.code {
        case .attachDevice: try handler.attachDevice(AttachDeviceInput(decoding: call.input))
        case .detachDevice: try handler.detachDevice(PartitionDeviceInput(decoding: call.input))
        case .getIommuCapabilities:
            let input = try IOMMUCapabilitiesInput(decoding: call.input)
            try handler.iommuCapabilities(of: input.partition).encode(into: call.output)
        case .getLogicalDeviceProperty:
            let value = try handler.logicalDeviceProperty(LogicalDevicePropertyInput(decoding: call.input))
            try call.output.zero(LogicalDevicePropertyInput.outputSize)
            try call.output.write(value, at: 0)
        case .mmioRead:
            let bytes = try handler.mmioRead(MMIOReadInput(decoding: call.input))
            try call.output.zero(MMIOReadInput.outputSize)
            try call.output.write(bytes, at: 0)
        case .mmioWrite: try handler.mmioWrite(MMIOWriteInput(decoding: call.input))
        case .createDeviceDomain: try handler.createDeviceDomain(CreateDeviceDomainInput(decoding: call.input))
        case .deleteDeviceDomain: try handler.deleteDeviceDomain(DeviceDomainName(decoding: call.input))
        case .attachDeviceDomain: try handler.attachDeviceDomain(AttachDeviceDomainInput(decoding: call.input))
        case .detachDeviceDomain: try handler.detachDeviceDomain(PartitionDeviceInput(decoding: call.input))
        case .mapDeviceGpaPages:
            var input = try MapDeviceGPAPagesInput(decoding: call.input)
            input.address = try advance(input.address, by: call)
            return handler.mapDeviceGPAPages(input, pages: try call.list())
        case .unmapDeviceGpaPages:
            var input = try UnmapDeviceGPAPagesInput(decoding: call.input)
            input.address = try advance(input.address, by: call)
            return handler.unmapDeviceGPAPages(input, count: call.range.count)
        default: throw HypercallStatus.invalidHypercallCode
        }
        return .done
    }

    private func advance(_ address: UInt64, by call: HypercallArguments) throws(HypercallStatus) -> UInt64 {
        let (result, overflow) = address.addingReportingOverflow(4096 * UInt64(call.control.repStart))
        if overflow { throw HypercallStatus.invalidParameter }
        return result
    }
}
