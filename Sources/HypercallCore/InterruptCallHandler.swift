import HypercallABI

/// Virtual interrupts and those of devices.
package protocol InterruptCallHandler: Sendable {
    func assertVirtualInterrupt(_ input: AssertVirtualInterruptInput) throws(HypercallStatus)
    func clearVirtualInterrupt(_ partition: PartitionID) throws(HypercallStatus)
    /// - Parameter header: the rest of the processor set, here and in `retargetInterrupt`.
    func mapDeviceInterrupt(
        _ input: MapDeviceInterruptInput, header: [UInt64]
    ) throws(HypercallStatus) -> InterruptEntry
    func unmapDeviceInterrupt(_ input: UnmapDeviceInterruptInput) throws(HypercallStatus)
    func retargetInterrupt(_ input: RetargetInterruptInput, header: [UInt64]) throws(HypercallStatus)
}
