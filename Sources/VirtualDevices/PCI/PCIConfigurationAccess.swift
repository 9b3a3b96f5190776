/// CONFIG_ADDRESS and CONFIG_DATA at ports 0xCF8 to 0xCFF (PCI Local Bus Specification 3.0, 3.2.2.3.2). The address is a
/// register for accesses of 32 bits only; a byte access to its second byte is the chipset's reset control.
package final class PCIConfigurationPorts: BusDevice {
    // Weak: the bridge has the bus on which this is.
    private weak let bridge: PCIHostBridge?
    private let resetControl: any BusDevice

    package init(_ bridge: PCIHostBridge, resetControl: any BusDevice) {
        self.bridge = bridge
        self.resetControl = resetControl
    }

    package func read(offset: UInt64, size: Int) -> UInt64 {
        guard offset >= 4 else {
            if offset == 1, size == 1 { return resetControl.read(offset: 0, size: 1) }
            return offset == 0 && size == 4 ? UInt64(bridge?.configurationAddress ?? .max) : .max
        }
        guard let bridge, let place = place(offset, size, bridge) else { return .max }
        return UInt64(bridge.read(slot: place.slot, function: place.function, offset: place.offset, size: size))
    }

    package func write(offset: UInt64, size: Int, value: UInt64) {
        guard offset >= 4 else {
            if offset == 1, size == 1 { resetControl.write(offset: 0, size: 1, value: value) }
            if offset == 0, size == 4 { bridge?.configurationAddress = UInt32(truncatingIfNeeded: value) }
            return
        }
        guard let bridge, let place = place(offset, size, bridge) else { return }
        bridge.write(
            slot: place.slot, function: place.function, offset: place.offset, size: size,
            value: UInt32(truncatingIfNeeded: value))
    }

    package func reset() {
        bridge?.configurationAddress = 0
        resetControl.reset()
    }

    /// What CONFIG_ADDRESS names; nil where it is off or names another bus.
    private func place(
        _ offset: UInt64, _ size: Int, _ bridge: PCIHostBridge
    ) -> (slot: Int, function: Int, offset: Int)? {
        let address = bridge.configurationAddress
        guard address & 0x8000_0000 != 0, address >> 16 & 0xFF == 0, offset < 8, size <= 4 else { return nil }
        return (Int(address >> 11 & 0x1F), Int(address >> 8 & 7), Int(address & 0xFC) + Int(offset - 4))
    }
}

/// The enhanced configuration access mechanism of one bus: its functions' spaces side by side in memory.
package final class PCIExpressConfiguration: BusDevice {
    // Weak: the bridge has the bus on which this is.
    private weak let bridge: PCIHostBridge?

    package init(_ bridge: PCIHostBridge) { self.bridge = bridge }

    package func read(offset: UInt64, size: Int) -> UInt64 {
        guard let bridge, let place = place(offset) else { return .max }
        let low = bridge.read(slot: place.slot, function: place.function, offset: place.offset, size: size)
        guard size > 4 else { return UInt64(low) }
        let high = bridge.read(slot: place.slot, function: place.function, offset: place.offset + 4, size: 4)
        return UInt64(high) << 32 | UInt64(low)
    }

    package func write(offset: UInt64, size: Int, value: UInt64) {
        guard let bridge, let place = place(offset) else { return }
        bridge.write(
            slot: place.slot, function: place.function, offset: place.offset, size: min(size, 4),
            value: UInt32(truncatingIfNeeded: value))
        guard size > 4 else { return }
        bridge.write(
            slot: place.slot, function: place.function, offset: place.offset + 4, size: 4,
            value: UInt32(truncatingIfNeeded: value >> 32))
    }

    package func reset() { bridge?.reset() }

    private func place(_ offset: UInt64) -> (slot: Int, function: Int, offset: Int)? {
        guard offset < PCIHostBridge.ecamSize else { return nil }
        return (Int(offset >> 15), Int(offset >> 12 & 7), Int(offset & 0xFFF))
    }
}
