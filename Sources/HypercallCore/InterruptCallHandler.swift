import HypercallABI

/// Virtual interrupts and those of devices.
package protocol InterruptCallHandler: Sendable {
    func assertVirtualInterrupt(_ input: AssertVirtualInterruptInput) throws(HypercallStatus)
}
