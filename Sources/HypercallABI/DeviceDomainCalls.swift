/// What a device domain is named by (HV_INPUT_DEVICE_DOMAIN). It is HvCallDeleteDeviceDomain's whole input.
package struct DeviceDomainName: HypercallStructure, Hashable {
    package static let size = 24

    /// HV_DEVICE_DOMAIN_TYPE.
    package enum Kind {
        /// Second-stage translation: device addresses to the owner's pages.
        package static let secondStage: UInt32 = 0
        package static let firstStage: UInt32 = 1
        package static let soc: UInt32 = 2
    }

    /// The domain that is always there and in which devices begin: they reach what their owner does.
    package static let standardID: UInt32 = 0
    /// The domain that is always there and in which devices reach nothing.
    package static let nullID: UInt32 = .max

    package var partition: PartitionID
    package var vtl: InputVTL
    /// 0...15.
    package var type: UInt32
    package var id: UInt32

    package init(
        partition: PartitionID, vtl: InputVTL = .current, type: UInt32 = Kind.secondStage, id: UInt32
    ) {
        self.partition = partition
        self.vtl = vtl
        self.type = type & 0xF
        self.id = id
    }

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        partition = PartitionID(rawValue: try bytes.read(UInt64.self, at: 0))
        vtl = try InputVTL(rawValue: bytes.read(UInt8.self, at: 8))
        try bytes.requireZero(UInt8.self, at: 9)
        try bytes.requireZero(UInt16.self, at: 10)
        try bytes.requireZero(UInt32.self, at: 12)
        type = try bytes.read(UInt32.self, at: 16)
        guard type <= 0xF else { throw HypercallStatus.invalidParameter }
        id = try bytes.read(UInt32.self, at: 20)
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.zero(Self.size)
        try bytes.write(partition.rawValue, at: 0)
        try bytes.write(vtl.rawValue, at: 8)
        try bytes.write(type, at: 16)
        try bytes.write(id, at: 20)
    }
}

/// HvCallCreateDeviceDomain: the input.
package struct CreateDeviceDomainInput: HypercallStructure, Hashable {
    package static let size = 28

    package struct Flags: OptionSet, Hashable, Sendable {
        package let rawValue: UInt32
        package init(rawValue: UInt32) { self.rawValue = rawValue }

        package static let forwardProgressRequired = Flags(rawValue: 1)
        package static let inheritOwningVTL = Flags(rawValue: 2)
        package static let known: Flags = [.forwardProgressRequired, .inheritOwningVTL]
    }

    package var domain: DeviceDomainName
    package var flags: Flags

    package init(domain: DeviceDomainName, flags: Flags = []) {
        self.domain = domain
        self.flags = flags
    }

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        domain = try DeviceDomainName(decoding: bytes)
        flags = Flags(rawValue: try bytes.read(UInt32.self, at: 24))
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try domain.encode(into: bytes)
        try bytes.write(flags.rawValue, at: 24)
    }
}

/// HvCallAttachDeviceDomain: the input.
package struct AttachDeviceDomainInput: HypercallStructure, Hashable {
    package static let size = 32

    package var domain: DeviceDomainName
    package var device: DeviceID

    package init(domain: DeviceDomainName, device: DeviceID) {
        self.domain = domain
        self.device = device
    }

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        domain = try DeviceDomainName(decoding: bytes)
        device = DeviceID(rawValue: try bytes.read(UInt64.self, at: 24))
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try domain.encode(into: bytes)
        try bytes.write(device.rawValue, at: 24)
    }
}

/// HvCallDetachDeviceDomain and HvCallDetachDevice: a partition and its device.
package struct PartitionDeviceInput: HypercallStructure, Hashable {
    package static let size = 16

    package var partition: PartitionID
    package var device: DeviceID

    package init(partition: PartitionID, device: DeviceID) {
        self.partition = partition
        self.device = device
    }

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        partition = PartitionID(rawValue: try bytes.read(UInt64.self, at: 0))
        device = DeviceID(rawValue: try bytes.read(UInt64.self, at: 8))
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.write(partition.rawValue, at: 0)
        try bytes.write(device.rawValue, at: 8)
    }
}

/// HvCallMapDeviceGpaPages: the input's head. The list is the owner's page numbers.
package struct MapDeviceGPAPagesInput: HypercallStructure, Hashable {
    package static let size = 40

    package var domain: DeviceDomainName
    package var vtl: InputVTL
    package var flags: MapGPAFlags
    /// In bytes: where devices see the first of the pages.
    package var address: UInt64

    package init(domain: DeviceDomainName, vtl: InputVTL = .current, flags: MapGPAFlags, address: UInt64) {
        self.domain = domain
        self.vtl = vtl
        self.flags = flags
        self.address = address
    }

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        domain = try DeviceDomainName(decoding: bytes)
        vtl = try InputVTL(rawValue: bytes.read(UInt8.self, at: 24))
        try bytes.requireZero(UInt8.self, at: 25)
        try bytes.requireZero(UInt16.self, at: 26)
        flags = MapGPAFlags(rawValue: try bytes.read(UInt32.self, at: 28))
        address = try bytes.read(UInt64.self, at: 32)
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.zero(Self.size)
        try domain.encode(into: bytes)
        try bytes.write(vtl.rawValue, at: 24)
        try bytes.write(flags.rawValue, at: 28)
        try bytes.write(address, at: 32)
    }
}

/// HvCallUnmapDeviceGpaPages: the input.
package struct UnmapDeviceGPAPagesInput: HypercallStructure, Hashable {
    package static let size = 32

    package var domain: DeviceDomainName
    /// In bytes.
    package var address: UInt64

    package init(domain: DeviceDomainName, address: UInt64) {
        self.domain = domain
        self.address = address
    }

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        domain = try DeviceDomainName(decoding: bytes)
        address = try bytes.read(UInt64.self, at: 24)
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try domain.encode(into: bytes)
        try bytes.write(address, at: 24)
    }
}
