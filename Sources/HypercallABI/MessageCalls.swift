/// What a SynIC message page has room for (HV_MESSAGE): a type, a sender and up to 240 bytes.
package struct SynICMessage: HypercallStructure, Hashable {
    package static let size = 256
    package static let maximumPayload = 240
    /// HV_SYNIC_SINT_COUNT.
    package static let sintCount: UInt32 = 16
    /// HV_EVENT_FLAGS_COUNT: of each SINT.
    package static let eventCount: UInt16 = 2048

    package var type: MessageType
    /// Whether another message waits for the slot.
    package var isPending: Bool
    /// A partition, or a port in the lower half.
    package var sender: UInt64
    /// At most 240 bytes.
    package var payload: [UInt8]

    package init(type: MessageType, isPending: Bool = false, sender: UInt64 = 0, payload: [UInt8]) {
        self.type = type
        self.isPending = isPending
        self.sender = sender
        self.payload = Array(payload.prefix(Self.maximumPayload))
    }

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        type = MessageType(rawValue: try bytes.read(UInt32.self, at: 0))
        let count = try bytes.read(UInt8.self, at: 4)
        let flags = try bytes.read(UInt8.self, at: 5)
        try bytes.requireZero(UInt16.self, at: 6)
        guard count <= Self.maximumPayload, flags <= 1 else { throw HypercallStatus.invalidParameter }
        isPending = flags == 1
        sender = try bytes.read(UInt64.self, at: 8)
        payload = try bytes.bytes(Int(count), at: 16)
        guard bytes.count >= Self.size else { throw HypercallStatus.invalidHypercallInput }
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.zero(Self.size)
        try bytes.write(type.rawValue, at: 0)
        try bytes.write(UInt8(clamping: payload.count), at: 4)
        try bytes.write(isPending ? 1 : 0 as UInt8, at: 5)
        try bytes.write(sender, at: 8)
        try bytes.write(payload, at: 16)
    }
}

/// HvCallPostMessage (TLFS, "Inter-Partition Communication"): the input.
package struct PostMessageInput: HypercallStructure, Hashable {
    package static let size = 256

    package var connection: ConnectionID
    package var type: MessageType
    /// At most 240 bytes.
    package var payload: [UInt8]

    package init(connection: ConnectionID, type: MessageType, payload: [UInt8]) {
        self.connection = connection
        self.type = type
        self.payload = Array(payload.prefix(SynICMessage.maximumPayload))
    }

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        connection = ConnectionID(rawValue: try bytes.read(UInt32.self, at: 0))
        try bytes.requireZero(UInt32.self, at: 4)
        type = MessageType(rawValue: try bytes.read(UInt32.self, at: 8))
        let count = try bytes.read(UInt32.self, at: 12)
        guard count <= UInt32(SynICMessage.maximumPayload) else { throw HypercallStatus.invalidParameter }
        payload = try bytes.bytes(Int(count), at: 16)
        guard bytes.count >= Self.size else { throw HypercallStatus.invalidHypercallInput }
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.zero(Self.size)
        try bytes.write(connection.rawValue, at: 0)
        try bytes.write(type.rawValue, at: 8)
        try bytes.write(UInt32(clamping: payload.count), at: 12)
        try bytes.write(payload, at: 16)
    }
}

/// HvCallSignalEvent (TLFS, "Inter-Partition Communication"): the input.
package struct SignalEventInput: HypercallStructure, Hashable {
    package static let size = 8

    package var connection: ConnectionID
    /// Counts from the port's first event.
    package var event: UInt16

    package init(connection: ConnectionID, event: UInt16) {
        self.connection = connection
        self.event = event
    }

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        connection = ConnectionID(rawValue: try bytes.read(UInt32.self, at: 0))
        event = try bytes.read(UInt16.self, at: 4)
        try bytes.requireZero(UInt16.self, at: 6)
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.write(connection.rawValue, at: 0)
        try bytes.write(event, at: 4)
        try bytes.write(0 as UInt16, at: 6)
    }
}

/// HvCallPostMessageDirect: the input.
package struct PostMessageDirectInput: HypercallStructure, Hashable {
    package static let size = 280

    package var partition: PartitionID
    package var index: VPIndex
    /// HV_VTL.
    package var vtl: UInt8
    package var sint: UInt32
    package var message: SynICMessage

    package init(partition: PartitionID, index: VPIndex, vtl: UInt8 = 0, sint: UInt32, message: SynICMessage) {
        self.partition = partition
        self.index = index
        self.vtl = vtl
        self.sint = sint
        self.message = message
    }

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        partition = PartitionID(rawValue: try bytes.read(UInt64.self, at: 0))
        index = try bytes.read(UInt32.self, at: 8)
        vtl = try bytes.read(UInt8.self, at: 12)
        try bytes.requireZero(UInt8.self, at: 13)
        try bytes.requireZero(UInt16.self, at: 14)
        sint = try bytes.read(UInt32.self, at: 16)
        message = try SynICMessage(decoding: bytes.from(20))
        try bytes.requireZero(UInt32.self, at: 276)
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.zero(Self.size)
        try bytes.write(partition.rawValue, at: 0)
        try bytes.write(index, at: 8)
        try bytes.write(vtl, at: 12)
        try bytes.write(sint, at: 16)
        try message.encode(into: bytes.from(20))
    }
}

/// HvCallSignalEventDirect: the input. The output is whether the event was not signalled before, 8 bytes.
package struct SignalEventDirectInput: HypercallStructure, Hashable {
    package static let size = 16
    package static let outputSize = 8

    package var partition: PartitionID
    package var index: VPIndex
    /// HV_VTL.
    package var vtl: UInt8
    package var sint: UInt8
    package var event: UInt16

    package init(partition: PartitionID, index: VPIndex, vtl: UInt8 = 0, sint: UInt8, event: UInt16) {
        self.partition = partition
        self.index = index
        self.vtl = vtl
        self.sint = sint
        self.event = event
    }

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        partition = PartitionID(rawValue: try bytes.read(UInt64.self, at: 0))
        index = try bytes.read(UInt32.self, at: 8)
        vtl = try bytes.read(UInt8.self, at: 12)
        sint = try bytes.read(UInt8.self, at: 13)
        event = try bytes.read(UInt16.self, at: 14)
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.write(partition.rawValue, at: 0)
        try bytes.write(index, at: 8)
        try bytes.write(vtl, at: 12)
        try bytes.write(sint, at: 13)
        try bytes.write(event, at: 14)
    }
}
