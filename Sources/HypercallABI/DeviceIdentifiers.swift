/// What a device is to the hypervisor (HV_DEVICE_ID): its kind in the two highest bits, and what the kind says below.
/// Unknown fields survive a round trip.
package struct DeviceID: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    package let rawValue: UInt64
    package init(rawValue: UInt64) { self.rawValue = rawValue }

    /// HV_DEVICE_TYPE.
    package enum Kind: UInt64, Sendable {
        /// A name that a partition's owner gave.
        case logical
        case pci, ioAPIC, acpi
    }

    package var kind: Kind { Kind(rawValue: rawValue >> 62) ?? .logical }

    /// A device by the name that HvCallAttachDevice gave it. Bits above 61 are dropped.
    package static func logical(_ id: UInt64) -> DeviceID { DeviceID(rawValue: id & (1 << 62 - 1)) }

    /// A PCI function by its requester id: bus, device and function.
    package static func pci(segment: UInt16 = 0, bus: UInt8, device: UInt8, function: UInt8) -> DeviceID {
        let rid = UInt64(bus) << 8 | UInt64(device & 0x1F) << 3 | UInt64(function & 0x7)
        return DeviceID(rawValue: Kind.pci.rawValue << 62 | UInt64(segment) << 16 | rid)
    }

    package static func ioAPIC(_ id: UInt8) -> DeviceID {
        DeviceID(rawValue: Kind.ioAPIC.rawValue << 62 | UInt64(id))
    }

    /// Who sends the device's interrupts.
    package var interruptSource: InterruptSource { kind == .ioAPIC ? .ioAPIC : .msi }

    package var description: String { "device 0x" + String(rawValue, radix: 16) }
}

/// Who sends a device's interrupt (HV_INTERRUPT_SOURCE). Unknown numbers survive a round trip.
package struct InterruptSource: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    /// Not said.
    package static let none = InterruptSource(rawValue: 0)
    package static let msi = InterruptSource(rawValue: 1)
    package static let ioAPIC = InterruptSource(rawValue: 2)
}

/// What is written where a device's interrupt is set up (HV_INTERRUPT_ENTRY): an MSI's address (low half) and data, or
/// an I/O APIC's redirection entry.
package struct InterruptEntry: HypercallStructure, Hashable {
    package static let size = 16

    package var source: InterruptSource
    package var value: UInt64

    package static let none = InterruptEntry(source: .none, value: 0)

    package init(source: InterruptSource, value: UInt64) {
        self.source = source
        self.value = value
    }

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        source = InterruptSource(rawValue: try bytes.read(UInt32.self, at: 0))
        try bytes.requireZero(UInt32.self, at: 4)
        value = try bytes.read(UInt64.self, at: 8)
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.write(source.rawValue, at: 0)
        try bytes.write(0 as UInt32, at: 4)
        try bytes.write(value, at: 8)
    }
}
