/// HvCallCreateVp (TLFS, "Virtual Processor Management"): the input.
///
/// The padding at 12 is not checked, nor the subnode's id where any subnode will do: Linux's driver leaves in both what
/// the call before left in the page.
package struct CreateVPInput: HypercallStructure, Hashable {
    package static let size = 40

    package var partition: PartitionID
    package var index: VPIndex
    /// 0 any, 1 socket, 2 cluster, 3 L3 cache.
    package var subnodeType: UInt8
    package var subnodeID: UInt64
    package var proximity: ProximityDomainInfo
    package var flags: UInt64

    package init(
        partition: PartitionID, index: VPIndex, subnodeType: UInt8 = 0, subnodeID: UInt64 = 0,
        proximity: ProximityDomainInfo = .none, flags: UInt64 = 0
    ) {
        self.partition = partition
        self.index = index
        self.subnodeType = subnodeType
        self.subnodeID = subnodeID
        self.proximity = proximity
        self.flags = flags
    }

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        partition = PartitionID(rawValue: try bytes.read(UInt64.self, at: 0))
        index = try bytes.read(UInt32.self, at: 8)
        subnodeType = try bytes.read(UInt8.self, at: 15)
        subnodeID = try bytes.read(UInt64.self, at: 16)
        proximity = try ProximityDomainInfo(decoding: bytes.from(24))
        flags = try bytes.read(UInt64.self, at: 32)
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.zero(Self.size)
        try bytes.write(partition.rawValue, at: 0)
        try bytes.write(index, at: 8)
        try bytes.write(subnodeType, at: 15)
        try bytes.write(subnodeID, at: 16)
        try proximity.encode(into: bytes.from(24))
        try bytes.write(flags, at: 32)
    }
}

/// HvCallDeleteVp (TLFS, "Virtual Processor Management"): the input, which Linux passes in two registers.
package struct DeleteVPInput: HypercallStructure, Hashable {
    package static let size = 16

    package var partition: PartitionID
    package var index: VPIndex

    package init(partition: PartitionID, index: VPIndex) {
        self.partition = partition
        self.index = index
    }

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        partition = PartitionID(rawValue: try bytes.read(UInt64.self, at: 0))
        index = try bytes.read(UInt32.self, at: 8)
        try bytes.requireZero(UInt32.self, at: 12)
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.zero(Self.size)
        try bytes.write(partition.rawValue, at: 0)
        try bytes.write(index, at: 8)
    }
}

/// HvCallGetVpRegisters and HvCallSetVpRegisters (TLFS, "Virtual Processor Management"): the input's head.
///
/// The list of the first is names, 4 bytes each, and its output values, 16 bytes each; the list of the second is
/// `RegisterAssociation`, 32 bytes each.
package struct VPRegistersInput: HypercallStructure, Hashable {
    package static let size = 16
    package static let nameSize = 4

    package var partition: PartitionID
    package var index: VPIndex
    package var vtl: InputVTL

    package init(partition: PartitionID, index: VPIndex, vtl: InputVTL = .current) {
        self.partition = partition
        self.index = index
        self.vtl = vtl
    }

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        partition = PartitionID(rawValue: try bytes.read(UInt64.self, at: 0))
        index = try bytes.read(UInt32.self, at: 8)
        vtl = try InputVTL(rawValue: bytes.read(UInt8.self, at: 12))
        try bytes.requireZero(UInt8.self, at: 13)
        try bytes.requireZero(UInt16.self, at: 14)
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.zero(Self.size)
        try bytes.write(partition.rawValue, at: 0)
        try bytes.write(index, at: 8)
        try bytes.write(vtl.rawValue, at: 12)
    }
}

extension RegisterValue: HypercallStructure {
    package static let size = 16

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        self.init(low: try bytes.read(UInt64.self, at: 0), high: try bytes.read(UInt64.self, at: 8))
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.write(low, at: 0)
        try bytes.write(high, at: 8)
    }
}

extension RegisterAssociation: HypercallStructure {
    package static let size = 32

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        let name = RegisterName(rawValue: try bytes.read(UInt32.self, at: 0))
        try bytes.requireZero(UInt32.self, at: 4)
        try bytes.requireZero(UInt64.self, at: 8)
        self.init(name, try RegisterValue(decoding: bytes.from(16)))
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.zero(Self.size)
        try bytes.write(name.rawValue, at: 0)
        try value.encode(into: bytes.from(16))
    }
}
