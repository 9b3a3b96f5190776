/// HvCallAttachDevice: the input.
package struct AttachDeviceInput: HypercallStructure, Hashable {
    package static let size = 40

    /// HV_ATTDEV_FLAGS.
    package struct Flags: OptionSet, Hashable, Sendable {
        package let rawValue: UInt32
        package init(rawValue: UInt32) { self.rawValue = rawValue }

        /// The partition calls the device by the logical name that is given.
        package static let logicalID = Flags(rawValue: 1)
        package static let atsEnabled = Flags(rawValue: 1 << 2)
        package static let virtualFunction = Flags(rawValue: 1 << 3)
        package static let sharedInterruptChild = Flags(rawValue: 1 << 4)
        package static let virtualDevice = Flags(rawValue: 1 << 5)
        package static let atsSupported = Flags(rawValue: 1 << 6)
        package static let smallInterruptTable = Flags(rawValue: 1 << 7)
        package static let known: Flags = [
            .logicalID, .atsEnabled, .virtualFunction, .sharedInterruptChild, .virtualDevice, .atsSupported,
            .smallInterruptTable,
        ]
    }

    package var partition: PartitionID
    /// The root's name for it.
    package var device: DeviceID
    package var flags: Flags
    /// HV_VTL.
    package var vtl: UInt8
    package var logicalID: DeviceID
    /// HV_DEV_PCI_CAPS: 12 bits.
    package var capabilities: UInt32
    /// The requester id of a virtual function's physical function.
    package var physicalFunction: UInt16

    package init(
        partition: PartitionID, device: DeviceID, flags: Flags = [.logicalID], vtl: UInt8 = 0, logicalID: DeviceID,
        capabilities: UInt32 = 0, physicalFunction: UInt16 = 0
    ) {
        self.partition = partition
        self.device = device
        self.flags = flags
        self.vtl = vtl
        self.logicalID = logicalID
        self.capabilities = capabilities & 0xFFF
        self.physicalFunction = physicalFunction
    }

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        partition = PartitionID(rawValue: try bytes.read(UInt64.self, at: 0))
        device = DeviceID(rawValue: try bytes.read(UInt64.self, at: 8))
        flags = Flags(rawValue: try bytes.read(UInt32.self, at: 16))
        vtl = try bytes.read(UInt8.self, at: 20)
        try bytes.requireZero(UInt8.self, at: 21)
        try bytes.requireZero(UInt16.self, at: 22)
        logicalID = DeviceID(rawValue: try bytes.read(UInt64.self, at: 24))
        capabilities = try bytes.read(UInt32.self, at: 32)
        guard capabilities <= 0xFFF else { throw HypercallStatus.invalidParameter }
        physicalFunction = try bytes.read(UInt16.self, at: 36)
        try bytes.requireZero(UInt16.self, at: 38)
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.zero(Self.size)
        try bytes.write(partition.rawValue, at: 0)
        try bytes.write(device.rawValue, at: 8)
        try bytes.write(flags.rawValue, at: 16)
        try bytes.write(vtl, at: 20)
        try bytes.write(logicalID.rawValue, at: 24)
        try bytes.write(capabilities, at: 32)
        try bytes.write(physicalFunction, at: 36)
    }
}

/// HvCallGetIommuCapabilities: the input.
package struct IOMMUCapabilitiesInput: HypercallStructure, Hashable {
    package static let size = 16

    package var partition: PartitionID

    package init(partition: PartitionID) { self.partition = partition }

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        partition = PartitionID(rawValue: try bytes.read(UInt64.self, at: 0))
        try bytes.requireZero(UInt64.self, at: 8)
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.write(partition.rawValue, at: 0)
        try bytes.write(0 as UInt64, at: 8)
    }
}

/// HvCallGetIommuCapabilities: the output.
package struct IOMMUCapabilities: HypercallStructure, Hashable {
    package static let size = 24

    package struct Features: OptionSet, Hashable, Sendable {
        package let rawValue: UInt64
        package init(rawValue: UInt64) { self.rawValue = rawValue }

        package static let present = Features(rawValue: 1)
        package static let secondStage = Features(rawValue: 1 << 1)
        package static let firstStage = Features(rawValue: 1 << 2)
        package static let firstStage5Levels = Features(rawValue: 1 << 3)
        package static let pasid = Features(rawValue: 1 << 4)
        package static let ats = Features(rawValue: 1 << 5)
        package static let pri = Features(rawValue: 1 << 6)
    }

    /// Bits of a device address, and of a process address space id.
    package var addressWidth: UInt8
    package var pasidWidth: UInt8
    package var features: Features
    /// A bit for each size of page, which the bit's value is.
    package var pageSizes: UInt64

    package init(addressWidth: UInt8, pasidWidth: UInt8, features: Features, pageSizes: UInt64) {
        self.addressWidth = addressWidth
        self.pasidWidth = pasidWidth
        self.features = features
        self.pageSizes = pageSizes
    }

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        // The length tells what newer versions have behind: nothing that is known here.
        _ = try bytes.read(UInt32.self, at: 0)
        addressWidth = try bytes.read(UInt8.self, at: 6)
        pasidWidth = try bytes.read(UInt8.self, at: 7)
        features = Features(rawValue: try bytes.read(UInt64.self, at: 8))
        pageSizes = try bytes.read(UInt64.self, at: 16)
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.write(UInt32(Self.size), at: 0)
        try bytes.write(0 as UInt16, at: 4)
        try bytes.write(addressWidth, at: 6)
        try bytes.write(pasidWidth, at: 7)
        try bytes.write(features.rawValue, at: 8)
        try bytes.write(pageSizes, at: 16)
    }
}

/// HvCallGetLogicalDeviceProperty: the input. The output is the property, 8 bytes, and 8 reserved ones.
package struct LogicalDevicePropertyInput: HypercallStructure, Hashable {
    package static let size = 24
    package static let outputSize = 16
    /// Whether an IOMMU stands before the device: bit 0 of the property.
    package static let iommu: UInt32 = 10
    package static let isIOMMUEnabled: UInt64 = 1

    package var partition: PartitionID
    package var device: DeviceID
    package var code: UInt32

    package init(partition: PartitionID, device: DeviceID, code: UInt32) {
        self.partition = partition
        self.device = device
        self.code = code
    }

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        partition = PartitionID(rawValue: try bytes.read(UInt64.self, at: 0))
        device = DeviceID(rawValue: try bytes.read(UInt64.self, at: 8))
        code = try bytes.read(UInt32.self, at: 16)
        try bytes.requireZero(UInt32.self, at: 20)
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.write(partition.rawValue, at: 0)
        try bytes.write(device.rawValue, at: 8)
        try bytes.write(code, at: 16)
        try bytes.write(0 as UInt32, at: 20)
    }
}
