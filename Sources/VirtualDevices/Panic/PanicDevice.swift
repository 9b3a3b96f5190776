/// pvpanic on PCI: one byte by which a guest's kernel tells of its own crash (QEMU's specification of pvpanic).
///
/// Reading gives the events that the device takes, writing tells of some of them. It holds no state.
package final class PanicDevice: BusDevice {
    package struct Events: OptionSet, Equatable, Sendable {
        package let rawValue: UInt8
        package init(rawValue: UInt8) { self.rawValue = rawValue }
        /// The kernel panicked.
        package static let panicked = Events(rawValue: 1 << 0)
        /// The kernel panicked and goes on with a crash kernel that it has loaded.
        package static let crashLoaded = Events(rawValue: 1 << 1)
        package static let all: Events = [.panicked, .crashLoaded]
    }

    private static let deviceID: UInt16 = 0x0011
    private static let registerBAR = 0
    /// A page, so that no other device shares one with it.
    private static let size: UInt64 = 0x1000

    private let onEvents: @Sendable (Events) -> Void

    /// - Parameter onEvents: called on the processor's thread that wrote, with the events that the device knows.
    package init(onEvents: @escaping @Sendable (Events) -> Void) { self.onEvents = onEvents }

    /// The device as a PCI function. It interrupts nobody.
    package var function: any PCIFunction {
        var space = PCIConfigurationSpace(
            PCIIdentity(
                vendor: PCIVendor.redHat, device: Self.deviceID, revision: 1, baseClass: 0x08, subclass: 0x80,
                subsystemVendor: PCIVendor.redHat, subsystem: 0x1100))
        // A power of two in an empty header: it can't be refused.
        _ = space.add(.init(.memory32, size: Self.size), at: Self.registerBAR)
        return PCIEndpoint(space, devices: [Self.registerBAR: self])
    }

    package func read(offset: UInt64, size: Int) -> UInt64 { offset == 0 ? UInt64(Events.all.rawValue) : 0 }

    package func write(offset: UInt64, size: Int, value: UInt64) {
        guard offset == 0 else { return }
        let events = Events(rawValue: UInt8(truncatingIfNeeded: value)).intersection(.all)
        if !events.isEmpty { onEvents(events) }
    }

    package func reset() {}
}
