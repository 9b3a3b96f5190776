/// Whose counters a statistics page has (HV_STATS_OBJECT_IDENTITY, with the object's type beside it).
package struct StatisticsIdentity: Hashable, Sendable {
    package static let size = 16

    package var object: StatisticsObject
    /// The partition's id, for a partition or a virtual processor.
    package var partition = PartitionID.invalid
    /// The processor's number: a logical processor's, or a virtual one's.
    package var index: UInt32 = 0
    /// Of a virtual processor.
    package var flags: UInt16 = 0
    /// HV_STATS_AREA_TYPE.
    package var area = StatisticsArea.own

    /// The object's type alone.
    package init(object: StatisticsObject) { self.object = object }

    package static let hypervisor = StatisticsIdentity(object: .hypervisor)

    package static func logicalProcessor(_ index: UInt32) -> StatisticsIdentity {
        var identity = StatisticsIdentity(object: .logicalProcessor)
        identity.index = index
        return identity
    }

    package static func partition(_ partition: PartitionID) -> StatisticsIdentity {
        var identity = StatisticsIdentity(object: .partition)
        identity.partition = partition
        return identity
    }

    package static func virtualProcessor(_ index: VPIndex, of partition: PartitionID) -> StatisticsIdentity {
        var identity = StatisticsIdentity(object: .virtualProcessor)
        identity.partition = partition
        identity.index = index
        return identity
    }

    /// - Throws: `invalidParameter` for an object nobody knows and for reserved bytes that are not zero.
    fileprivate init(object: StatisticsObject, decoding bytes: ByteReader) throws(HypercallStatus) {
        self.object = object
        switch object {
        case .hypervisor:
            try bytes.requireZero(UInt64.self, at: 0)
            try bytes.requireZero(UInt32.self, at: 8)
            try bytes.requireZero(UInt16.self, at: 12)
        case .logicalProcessor:
            index = try bytes.read(UInt32.self, at: 0)
            try bytes.requireZero(UInt32.self, at: 4)
            try bytes.requireZero(UInt32.self, at: 8)
            try bytes.requireZero(UInt16.self, at: 12)
        case .partition:
            partition = PartitionID(rawValue: try bytes.read(UInt64.self, at: 0))
            try bytes.requireZero(UInt32.self, at: 8)
            try bytes.requireZero(UInt16.self, at: 12)
        case .virtualProcessor:
            partition = PartitionID(rawValue: try bytes.read(UInt64.self, at: 0))
            index = try bytes.read(UInt32.self, at: 8)
            flags = try bytes.read(UInt16.self, at: 12)
        default: throw HypercallStatus.invalidParameter
        }
        try bytes.requireZero(UInt8.self, at: 14)
        area = StatisticsArea(rawValue: try bytes.read(UInt8.self, at: 15))
    }

    fileprivate func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.zero(Self.size)
        switch object {
        case .logicalProcessor: try bytes.write(index, at: 0)
        case .partition: try bytes.write(partition.rawValue, at: 0)
        case .virtualProcessor:
            try bytes.write(partition.rawValue, at: 0)
            try bytes.write(index, at: 8)
            try bytes.write(flags, at: 12)
        default: break
        }
        try bytes.write(area.rawValue, at: 15)
    }
}

/// Which of an object's pages (HV_STATS_AREA_TYPE). Unknown areas survive a round trip.
package struct StatisticsArea: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }

    package static let own = StatisticsArea(rawValue: 0)
    package static let parent = StatisticsArea(rawValue: 1)
    package static let `internal` = StatisticsArea(rawValue: 2)
}

/// HvCallMapStatsPage and HvCallUnmapStatsPage: the input. The output of the first is the root's page number, 8 bytes.
package struct StatisticsPageInput: HypercallStructure, Hashable {
    package static let size = 24
    package static let outputSize = 8

    package var identity: StatisticsIdentity

    package init(_ identity: StatisticsIdentity) { self.identity = identity }

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        let object = StatisticsObject(rawValue: try bytes.read(UInt32.self, at: 0))
        try bytes.requireZero(UInt32.self, at: 4)
        identity = try StatisticsIdentity(object: object, decoding: bytes.from(8))
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.zero(Self.size)
        try bytes.write(identity.object.rawValue, at: 0)
        try identity.encode(into: bytes.from(8))
    }
}

/// HvCallMapStatsPage2: the input; the page is the caller's.
package struct MapStatisticsPage2Input: HypercallStructure, Hashable {
    package static let size = 32

    package var page: StatisticsPageInput
    /// The root's page number.
    package var location: UInt64

    package init(_ identity: StatisticsIdentity, location: UInt64) {
        page = StatisticsPageInput(identity)
        self.location = location
    }

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        page = try StatisticsPageInput(decoding: bytes)
        location = try bytes.read(UInt64.self, at: 24)
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try page.encode(into: bytes)
        try bytes.write(location, at: 24)
    }
}
