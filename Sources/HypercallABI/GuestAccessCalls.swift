/// What a call that reads access states does with them afterwards (HV_GPA_PAGE_ACCESS_STATE_FLAGS).
package struct GPAAccessStateFlags: OptionSet, Hashable, Sendable {
    package let rawValue: UInt64
    package init(rawValue: UInt64) { self.rawValue = rawValue }

    package static let clearAccessed = GPAAccessStateFlags(rawValue: 0x1)
    package static let setAccessed = GPAAccessStateFlags(rawValue: 0x2)
    package static let clearDirty = GPAAccessStateFlags(rawValue: 0x4)
    package static let setDirty = GPAAccessStateFlags(rawValue: 0x8)
    /// Every bit with a meaning.
    package static let known: GPAAccessStateFlags = [.clearAccessed, .setAccessed, .clearDirty, .setDirty]
}

/// Whether a guest page was touched (HV_GPA_PAGE_ACCESS_STATE): the output of HvCallGetGpaPagesAccessStates, a byte for
/// each page.
package struct GPAAccessState: OptionSet, Hashable, Sendable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }

    package static let accessed = GPAAccessState(rawValue: 0x1)
    package static let dirty = GPAAccessState(rawValue: 0x2)
}

/// HvCallGetGpaPagesAccessStates: the input. A repeat call without a list.
package struct GetGPAAccessStatesInput: HypercallStructure, Hashable {
    package static let size = 24
    package static let outputElementSize = 1

    package var partition: PartitionID
    package var flags: GPAAccessStateFlags
    /// The guest's page number for repetition 0.
    package var gpaPage: UInt64

    package init(partition: PartitionID, flags: GPAAccessStateFlags, gpaPage: UInt64) {
        self.partition = partition
        self.flags = flags
        self.gpaPage = gpaPage
    }

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        partition = PartitionID(rawValue: try bytes.read(UInt64.self, at: 0))
        flags = GPAAccessStateFlags(rawValue: try bytes.read(UInt64.self, at: 8))
        gpaPage = try bytes.read(UInt64.self, at: 16)
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.write(partition.rawValue, at: 0)
        try bytes.write(flags.rawValue, at: 8)
        try bytes.write(gpaPage, at: 16)
    }
}

/// How an access to guest memory ended (HV_ACCESS_GPA_RESULT_CODE). Unknown codes survive a round trip.
package struct GPAAccessResult: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    package static let success = GPAAccessResult(rawValue: 0)
    package static let unmapped = GPAAccessResult(rawValue: 1)
    package static let readIntercept = GPAAccessResult(rawValue: 2)
    package static let writeIntercept = GPAAccessResult(rawValue: 3)
    package static let illegalOverlayAccess = GPAAccessResult(rawValue: 4)
}

/// HvCallReadGpa: the input; the head of HvCallWriteGpa's.
package struct AccessGPAInput: HypercallStructure, Hashable {
    package static let size = 32
    /// The most bytes of one access.
    package static let maximumBytes = 16

    package var partition: PartitionID
    package var index: VPIndex
    package var byteCount: UInt32
    package var gpa: UInt64
    /// HV_CACHE_TYPE.
    package var cacheType: UInt8

    package init(partition: PartitionID, index: VPIndex, byteCount: UInt32, gpa: UInt64, cacheType: UInt8 = 0) {
        self.partition = partition
        self.index = index
        self.byteCount = byteCount
        self.gpa = gpa
        self.cacheType = cacheType
    }

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        partition = PartitionID(rawValue: try bytes.read(UInt64.self, at: 0))
        index = try bytes.read(UInt32.self, at: 8)
        byteCount = try bytes.read(UInt32.self, at: 12)
        gpa = try bytes.read(UInt64.self, at: 16)
        let flags = try bytes.read(UInt64.self, at: 24)
        guard flags <= 0xFF else { throw HypercallStatus.invalidParameter }
        cacheType = UInt8(flags)
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.write(partition.rawValue, at: 0)
        try bytes.write(index, at: 8)
        try bytes.write(byteCount, at: 12)
        try bytes.write(gpa, at: 16)
        try bytes.write(UInt64(cacheType), at: 24)
    }
}

/// The 16 bytes that HvCallReadGpa and HvCallWriteGpa carry.
package struct GPAData: Hashable, Sendable {
    package var low: UInt64
    package var high: UInt64

    package init(low: UInt64 = 0, high: UInt64 = 0) {
        self.low = low
        self.high = high
    }

    /// The first 16 of some bytes, zeros behind.
    package init(_ bytes: some Sequence<UInt8>) {
        self.init()
        for (index, byte) in bytes.prefix(16).enumerated() {
            if index < 8 {
                low |= UInt64(byte) << UInt64(8 * index)
            } else {
                high |= UInt64(byte) << UInt64(8 * index - 64)
            }
        }
    }

    /// All 16 bytes.
    package var bytes: [UInt8] {
        [low, high].flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64(8 * $0)) } }
    }
}

/// HvCallReadGpa: the output.
package struct ReadGPAOutput: HypercallStructure, Hashable {
    package static let size = 24

    package var result: GPAAccessResult
    /// Zero behind the bytes that were read.
    package var data: GPAData

    package init(result: GPAAccessResult, data: GPAData = GPAData()) {
        self.result = result
        self.data = data
    }

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        result = GPAAccessResult(rawValue: try bytes.read(UInt32.self, at: 0))
        data = GPAData(low: try bytes.read(UInt64.self, at: 8), high: try bytes.read(UInt64.self, at: 16))
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.zero(Self.size)
        try bytes.write(result.rawValue, at: 0)
        try bytes.write(data.low, at: 8)
        try bytes.write(data.high, at: 16)
    }
}

/// HvCallWriteGpa: the input. The output is the result's code in 8 bytes.
package struct WriteGPAInput: HypercallStructure, Hashable {
    package static let size = 48
    package static let outputSize = 8

    package var access: AccessGPAInput
    package var data: GPAData

    package init(access: AccessGPAInput, data: GPAData) {
        self.access = access
        self.data = data
    }

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        access = try AccessGPAInput(decoding: bytes)
        data = GPAData(low: try bytes.read(UInt64.self, at: 32), high: try bytes.read(UInt64.self, at: 40))
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try access.encode(into: bytes)
        try bytes.write(data.low, at: 32)
        try bytes.write(data.high, at: 40)
    }
}

/// How HvCallAcquireSparseSpaPageHostAccess and its counterpart change who may use a page.
package struct SPAHostAccessFlags: OptionSet, Hashable, Sendable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    package static let makeExclusive = SPAHostAccessFlags(rawValue: 0x1)
    package static let makeShared = SPAHostAccessFlags(rawValue: 0x2)
    package static let largePage = SPAHostAccessFlags(rawValue: 0x4)
    package static let hugePage = SPAHostAccessFlags(rawValue: 0x8)
    /// Every bit with a meaning.
    package static let known: SPAHostAccessFlags = [.makeExclusive, .makeShared, .largePage, .hugePage]
}

/// HvCallAcquireSparseSpaPageHostAccess and HvCallReleaseSparseSpaPageHostAccess: the input's head. The list is root
/// page numbers, 8 bytes each.
package struct SPAHostAccessInput: HypercallStructure, Hashable {
    package static let size = 16
    package static let elementSize = 8

    /// HV_MAP_GPA_READABLE and HV_MAP_GPA_WRITABLE, 2 bits.
    package var hostAccess: UInt8
    package var flags: SPAHostAccessFlags
    package var partition: PartitionID

    package init(partition: PartitionID, hostAccess: UInt8, flags: SPAHostAccessFlags) {
        self.partition = partition
        self.hostAccess = hostAccess & 0x3
        self.flags = flags
    }

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        let access = try bytes.read(UInt32.self, at: 0)
        guard access <= 0x3 else { throw HypercallStatus.invalidParameter }
        hostAccess = UInt8(access)
        flags = SPAHostAccessFlags(rawValue: try bytes.read(UInt32.self, at: 4))
        partition = PartitionID(rawValue: try bytes.read(UInt64.self, at: 8))
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.write(UInt32(hostAccess), at: 0)
        try bytes.write(flags.rawValue, at: 4)
        try bytes.write(partition.rawValue, at: 8)
    }
}
