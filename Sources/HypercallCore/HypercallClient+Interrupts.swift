import HypercallABI

extension HypercallClient {
    /// Delivers an interrupt to a partition's local APICs.
    package func assertVirtualInterrupt(_ input: AssertVirtualInterruptInput) throws(HypercallFailure) {
        try simple(.assertVirtualInterrupt, input) { _ in }
    }

    /// Takes back an external interrupt that was not acknowledged.
    package func clearVirtualInterrupt(of partition: PartitionID) throws(HypercallFailure) {
        try simple(.clearVirtualInterrupt, PartitionIDField(partition)) { _ in }
    }

    /// Lets a device interrupt processors.
    ///
    /// - Parameter header: the rest of the processor set, as `InterruptTarget.set` makes it; none with a mask.
    /// - Returns: what the device is to be set up with.
    package func mapDeviceInterrupt(
        _ input: MapDeviceInterruptInput, header: [UInt64] = []
    ) throws(HypercallFailure) -> InterruptEntry {
        try simple(.mapDeviceInterrupt, input, variableHeader: header) { output throws(HypercallStatus) in
            try InterruptEntry(decoding: output)
        }
    }

    package func unmapDeviceInterrupt(_ input: UnmapDeviceInterruptInput) throws(HypercallFailure) {
        try simple(.unmapDeviceInterrupt, input) { _ in }
    }

    /// Lets a device's interrupt go elsewhere. The header is as `mapDeviceInterrupt`'s.
    package func retargetInterrupt(_ input: RetargetInterruptInput, header: [UInt64] = []) throws(HypercallFailure) {
        try simple(.retargetInterrupt, input, variableHeader: header) { _ in }
    }
}
