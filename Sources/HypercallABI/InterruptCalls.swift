/// HvCallAssertVirtualInterrupt: the input.
package struct AssertVirtualInterruptInput: HypercallStructure, Hashable {
    package static let size = 32

    package var partition: PartitionID
    /// HV_INTERRUPT_TYPE: the numbers of the local APIC's delivery modes.
    package var type: UInt32
    package var isLevelTriggered: Bool
    package var isLogical: Bool
    /// An APIC identifier, or a logical destination.
    package var destination: UInt64
    package var vector: UInt32
    package var vtl: InputVTL

    package init(
        partition: PartitionID, type: UInt32, isLevelTriggered: Bool = false, isLogical: Bool = false,
        destination: UInt64, vector: UInt32, vtl: InputVTL = .current
    ) {
        self.partition = partition
        self.type = type
        self.isLevelTriggered = isLevelTriggered
        self.isLogical = isLogical
        self.destination = destination
        self.vector = vector
        self.vtl = vtl
    }

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        partition = PartitionID(rawValue: try bytes.read(UInt64.self, at: 0))
        type = try bytes.read(UInt32.self, at: 8)
        let flags = try bytes.read(UInt32.self, at: 12)
        guard flags & ~3 == 0 else { throw HypercallStatus.invalidParameter }
        isLevelTriggered = flags & 1 != 0
        isLogical = flags & 2 != 0
        destination = try bytes.read(UInt64.self, at: 16)
        vector = try bytes.read(UInt32.self, at: 24)
        vtl = try InputVTL(rawValue: try bytes.read(UInt8.self, at: 28))
        try bytes.requireZero(UInt8.self, at: 29)
        try bytes.requireZero(UInt16.self, at: 30)
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.zero(Self.size)
        try bytes.write(partition.rawValue, at: 0)
        try bytes.write(type, at: 8)
        try bytes.write((isLevelTriggered ? 1 : 0) | (isLogical ? 2 : 0) as UInt32, at: 12)
        try bytes.write(destination, at: 16)
        try bytes.write(vector, at: 24)
        try bytes.write(vtl.rawValue, at: 28)
    }
}
