/// HvCallCreatePartition (TLFS, "Partition Management"): the input.
package struct CreatePartitionInput: HypercallStructure, Hashable {
    package static let size = 56

    /// Windows Server 2022's generation, what Linux's driver asks for.
    package static let compatibility21H2: UInt32 = 0x609

    package var flags: PartitionCreationFlags
    package var proximity: ProximityDomainInfo
    package var compatibilityVersion: UInt32
    /// Set bits are features that the guest shall not have, in two banks.
    package var disabledFeatures0: UInt64
    package var disabledFeatures1: UInt64
    package var disabledXsaveFeatures: UInt64
    package var isolation: IsolationProperties

    package init(
        flags: PartitionCreationFlags, proximity: ProximityDomainInfo = .none,
        compatibilityVersion: UInt32 = Self.compatibility21H2, disabledFeatures0: UInt64 = 0,
        disabledFeatures1: UInt64 = 0, disabledXsaveFeatures: UInt64 = 0, isolation: IsolationProperties = .none
    ) {
        self.flags = flags
        self.proximity = proximity
        self.compatibilityVersion = compatibilityVersion
        self.disabledFeatures0 = disabledFeatures0
        self.disabledFeatures1 = disabledFeatures1
        self.disabledXsaveFeatures = disabledXsaveFeatures
        self.isolation = isolation
    }

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        flags = PartitionCreationFlags(rawValue: try bytes.read(UInt64.self, at: 0))
        proximity = try ProximityDomainInfo(decoding: bytes.from(8))
        compatibilityVersion = try bytes.read(UInt32.self, at: 16)
        try bytes.requireZero(UInt32.self, at: 20)
        disabledFeatures0 = try bytes.read(UInt64.self, at: 24)
        disabledFeatures1 = try bytes.read(UInt64.self, at: 32)
        disabledXsaveFeatures = try bytes.read(UInt64.self, at: 40)
        isolation = try IsolationProperties(decoding: bytes.from(48))
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.zero(Self.size)
        try bytes.write(flags.rawValue, at: 0)
        try proximity.encode(into: bytes.from(8))
        try bytes.write(compatibilityVersion, at: 16)
        try bytes.write(disabledFeatures0, at: 24)
        try bytes.write(disabledFeatures1, at: 32)
        try bytes.write(disabledXsaveFeatures, at: 40)
        try isolation.encode(into: bytes.from(48))
    }
}

/// HvCallCreatePartition: the output. Also the whole input of HvCallInitializePartition, HvCallFinalizePartition and
/// HvCallDeletePartition (TLFS, "Partition Management"), which Linux makes as fast calls.
package struct PartitionIDField: HypercallStructure, Hashable {
    package static let size = 8

    package var partition: PartitionID

    package init(_ partition: PartitionID) { self.partition = partition }

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        partition = PartitionID(rawValue: try bytes.read(UInt64.self, at: 0))
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.write(partition.rawValue, at: 0)
    }
}

/// HvCallGetPartitionProperty (TLFS, "Partition Management"): the input. The output is the value, 8 bytes.
package struct GetPartitionPropertyInput: HypercallStructure, Hashable {
    package static let size = 16
    package static let outputSize = 8

    package var partition: PartitionID
    package var property: PartitionProperty

    package init(partition: PartitionID, property: PartitionProperty) {
        self.partition = partition
        self.property = property
    }

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        partition = PartitionID(rawValue: try bytes.read(UInt64.self, at: 0))
        property = PartitionProperty(rawValue: try bytes.read(UInt32.self, at: 8))
        try bytes.requireZero(UInt32.self, at: 12)
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.zero(Self.size)
        try bytes.write(partition.rawValue, at: 0)
        try bytes.write(property.rawValue, at: 8)
    }
}

/// HvCallSetPartitionProperty (TLFS, "Partition Management"): the input.
package struct SetPartitionPropertyInput: HypercallStructure, Hashable {
    package static let size = 24

    package var partition: PartitionID
    package var property: PartitionProperty
    package var value: UInt64

    package init(partition: PartitionID, property: PartitionProperty, value: UInt64) {
        self.partition = partition
        self.property = property
        self.value = value
    }

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        partition = PartitionID(rawValue: try bytes.read(UInt64.self, at: 0))
        property = PartitionProperty(rawValue: try bytes.read(UInt32.self, at: 8))
        try bytes.requireZero(UInt32.self, at: 12)
        value = try bytes.read(UInt64.self, at: 16)
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.zero(Self.size)
        try bytes.write(partition.rawValue, at: 0)
        try bytes.write(property.rawValue, at: 8)
        try bytes.write(value, at: 16)
    }
}
