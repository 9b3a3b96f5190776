import HypercallABI

/// Virtual interrupts and those of devices.
package protocol InterruptCallHandler: Sendable {}
