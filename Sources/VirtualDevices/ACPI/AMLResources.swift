/// What a device's `_CRS` lists (ACPI 6.5, 6.4).
enum AMLResource {
    /// Ports at a fixed place, all 16 address bits decoded.
    case ports(base: UInt16, count: UInt8)
    /// An edge-triggered, active-high interrupt of the device's own, by global system interrupt. The extended form,
    /// since without an 8259 the ISA form's number would need an override.
    case edgeInterrupt(gsi: Int)

    /// Memory at a fixed place below 4 GiB.
    case memory(base: UInt32, count: UInt32)
    /// The numbers of buses below a bridge.
    case buses(ClosedRange<UInt16>)
    /// Ports that a bridge passes on.
    case portWindow(Range<UInt64>)
    /// Memory addresses that a bridge passes on, not cached.
    case memoryWindow(Range<UInt64>)

    /// Address space descriptors (ACPI 6.5, 6.4.3.5): the resource type, whose flags, and the range.
    private enum AddressSpace {
        static let memory: UInt8 = 0
        static let ports: UInt8 = 1
        static let buses: UInt8 = 2
        /// Produced for the devices below, both ends fixed, decoded positively.
        static let window: UInt8 = 0b1100
        static let readWrite: UInt8 = 1
        static let entirePortRange: UInt8 = 3
    }

    private static func window<T: FixedWidthInteger>(
        _ tag: UInt8, _ type: UInt8, _ flags: UInt8, _ first: T, _ last: T
    ) -> [UInt8] {
        let zero: T = 0
        let fields = [zero, first, last, zero, last - first + 1].flatMap { littleEndianBytes($0) }
        return [tag] + littleEndianBytes(UInt16(fields.count + 3)) + [type, AddressSpace.window, flags] + fields
    }

    private var bytes: [UInt8] {
        switch self {
        case .ports(let base, let count):
            let decode16: UInt8 = 1
            return [0x47, decode16] + littleEndianBytes(base) + littleEndianBytes(base) + [1, count]
        case .memory(let base, let count):
            return [0x86] + littleEndianBytes(UInt16(9)) + [AddressSpace.readWrite] + littleEndianBytes(base)
                + littleEndianBytes(count)
        case .buses(let range):
            return Self.window(0x88, AddressSpace.buses, 0, range.lowerBound, range.upperBound)
        case .portWindow(let range):
            return Self.window(
                0x88, AddressSpace.ports, AddressSpace.entirePortRange, UInt16(truncatingIfNeeded: range.lowerBound),
                UInt16(truncatingIfNeeded: range.upperBound - 1))
        case .memoryWindow(let range):
            return Self.window(
                0x8A, AddressSpace.memory, AddressSpace.readWrite, range.lowerBound, range.upperBound - 1)
        case .edgeInterrupt(let gsi):
            let consumerEdge: UInt8 = 0b011
            return [0x89] + littleEndianBytes(UInt16(6)) + [consumerEdge, 1]
                + littleEndianBytes(UInt32(truncatingIfNeeded: gsi))
        }
    }

    /// The resources as a buffer, with the end tag. A checksum of 0 means there is none.
    static func template(_ resources: [AMLResource]) -> AMLTerm {
        .buffer(resources.flatMap(\.bytes) + [0x79, 0x00])
    }
}
