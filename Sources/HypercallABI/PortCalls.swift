/// HvCallCreatePort: the input.
package struct CreatePortInput: HypercallStructure, Hashable {
    package static let size = 56

    package var partition: PartitionID
    package var port: PortID
    /// HV_VTL.
    package var vtl: UInt8
    package var minimumConnectionVTL: UInt8
    /// Who may connect.
    package var connectionPartition: PartitionID
    package var info: PortInfo
    package var proximity: ProximityDomainInfo

    package init(
        partition: PartitionID, port: PortID, vtl: UInt8 = 0, minimumConnectionVTL: UInt8 = 0,
        connectionPartition: PartitionID, info: PortInfo, proximity: ProximityDomainInfo = .none
    ) {
        self.partition = partition
        self.port = port
        self.vtl = vtl
        self.minimumConnectionVTL = minimumConnectionVTL
        self.connectionPartition = connectionPartition
        self.info = info
        self.proximity = proximity
    }

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        partition = PartitionID(rawValue: try bytes.read(UInt64.self, at: 0))
        port = PortID(rawValue: try bytes.read(UInt32.self, at: 8))
        vtl = try bytes.read(UInt8.self, at: 12)
        minimumConnectionVTL = try bytes.read(UInt8.self, at: 13)
        try bytes.requireZero(UInt16.self, at: 14)
        connectionPartition = PartitionID(rawValue: try bytes.read(UInt64.self, at: 16))
        info = try PortInfo(decoding: bytes.from(24))
        proximity = try ProximityDomainInfo(decoding: bytes.from(48))
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.zero(Self.size)
        try bytes.write(partition.rawValue, at: 0)
        try bytes.write(port.rawValue, at: 8)
        try bytes.write(vtl, at: 12)
        try bytes.write(minimumConnectionVTL, at: 13)
        try bytes.write(connectionPartition.rawValue, at: 16)
        try info.encode(into: bytes.from(24))
        try proximity.encode(into: bytes.from(48))
    }
}

/// HvCallDeletePort: the input.
package struct DeletePortInput: HypercallStructure, Hashable {
    package static let size = 16

    package var partition: PartitionID
    package var port: PortID

    package init(partition: PartitionID, port: PortID) {
        self.partition = partition
        self.port = port
    }

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        partition = PartitionID(rawValue: try bytes.read(UInt64.self, at: 0))
        port = PortID(rawValue: try bytes.read(UInt32.self, at: 8))
        try bytes.requireZero(UInt32.self, at: 12)
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.write(partition.rawValue, at: 0)
        try bytes.write(port.rawValue, at: 8)
        try bytes.write(0 as UInt32, at: 12)
    }
}

/// HvCallConnectPort: the input.
package struct ConnectPortInput: HypercallStructure, Hashable {
    package static let size = 72

    package var partition: PartitionID
    package var connection: ConnectionID
    /// HV_VTL.
    package var vtl: UInt8
    package var portPartition: PartitionID
    package var port: PortID
    package var info: ConnectionInfo
    package var proximity: ProximityDomainInfo

    package init(
        partition: PartitionID, connection: ConnectionID, vtl: UInt8 = 0, portPartition: PartitionID, port: PortID,
        info: ConnectionInfo, proximity: ProximityDomainInfo = .none
    ) {
        self.partition = partition
        self.connection = connection
        self.vtl = vtl
        self.portPartition = portPartition
        self.port = port
        self.info = info
        self.proximity = proximity
    }

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        partition = PartitionID(rawValue: try bytes.read(UInt64.self, at: 0))
        connection = ConnectionID(rawValue: try bytes.read(UInt32.self, at: 8))
        vtl = try bytes.read(UInt8.self, at: 12)
        try bytes.requireZero(UInt8.self, at: 13)
        try bytes.requireZero(UInt16.self, at: 14)
        portPartition = PartitionID(rawValue: try bytes.read(UInt64.self, at: 16))
        port = PortID(rawValue: try bytes.read(UInt32.self, at: 24))
        try bytes.requireZero(UInt32.self, at: 28)
        info = try ConnectionInfo(decoding: bytes.from(32))
        proximity = try ProximityDomainInfo(decoding: bytes.from(64))
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.zero(Self.size)
        try bytes.write(partition.rawValue, at: 0)
        try bytes.write(connection.rawValue, at: 8)
        try bytes.write(vtl, at: 12)
        try bytes.write(portPartition.rawValue, at: 16)
        try bytes.write(port.rawValue, at: 24)
        try info.encode(into: bytes.from(32))
        try proximity.encode(into: bytes.from(64))
    }
}

/// HvCallDisconnectPort: the input.
package struct DisconnectPortInput: HypercallStructure, Hashable {
    package static let size = 16

    package var partition: PartitionID
    package var connection: ConnectionID
    package var isDoorbell: Bool

    package init(partition: PartitionID, connection: ConnectionID, isDoorbell: Bool = false) {
        self.partition = partition
        self.connection = connection
        self.isDoorbell = isDoorbell
    }

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        partition = PartitionID(rawValue: try bytes.read(UInt64.self, at: 0))
        connection = ConnectionID(rawValue: try bytes.read(UInt32.self, at: 8))
        let flags = try bytes.read(UInt32.self, at: 12)
        guard flags <= 1 else { throw HypercallStatus.invalidParameter }
        isDoorbell = flags == 1
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.write(partition.rawValue, at: 0)
        try bytes.write(connection.rawValue, at: 8)
        try bytes.write(isDoorbell ? 1 : 0 as UInt32, at: 12)
    }
}

/// HvCallNotifyPortRingEmpty: the input.
package struct NotifyPortRingEmptyInput: HypercallStructure, Hashable {
    package static let size = 8

    package var sint: UInt32

    package init(sint: UInt32) { self.sint = sint }

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        sint = try bytes.read(UInt32.self, at: 0)
        try bytes.requireZero(UInt32.self, at: 4)
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.write(sint, at: 0)
        try bytes.write(0 as UInt32, at: 4)
    }
}
