/// What a device's `_CRS` lists (ACPI 6.5, 6.4).
enum AMLResource {
    /// Ports at a fixed place, all 16 address bits decoded.
    case ports(base: UInt16, count: UInt8)
    /// An edge-triggered, active-high interrupt of the device's own, by global system interrupt. The extended form,
    /// since without an 8259 the ISA form's number would need an override.
    case edgeInterrupt(gsi: Int)

    private var bytes: [UInt8] {
        switch self {
        case .ports(let base, let count):
            let decode16: UInt8 = 1
            return [0x47, decode16] + littleEndianBytes(base) + littleEndianBytes(base) + [1, count]
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
