/// Which state HvCallGetVpState and HvCallSetVpState mean (HV_GET_SET_VP_STATE_TYPE). Unknown types survive a round trip.
package struct VPStateType: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    package static let localAPIC = VPStateType(rawValue: 0x8000_0000)
    package static let xsave = VPStateType(rawValue: 0x8000_0001)
    package static let simPage = VPStateType(rawValue: 0x8000_0002)
    package static let siefPage = VPStateType(rawValue: 0x8000_0003)
    package static let syntheticTimers = VPStateType(rawValue: 4)

    /// Whether the data are in pages that the variable header lists, and not in the call itself.
    package var isInPages: Bool { rawValue & 0x8000_0000 != 0 }
}

/// HvCallGetVpState and HvCallSetVpState: the input's head. The variable header is root page numbers, or, for setting a
/// state that is not in pages, the data.
package struct VPStateInput: HypercallStructure, Hashable {
    package static let size = 40
    /// HV_OUTPUT_GET_VP_STATE.
    package static let outputSize = 200

    package var partition: PartitionID
    package var index: VPIndex
    package var vtl: InputVTL
    package var type: VPStateType
    /// For the XSAVE state: no flag is known.
    package var xsaveFlags: UInt64
    /// For the XSAVE state: the components by their bits in XCR0 and IA32_XSS.
    package var xsaveStates: UInt64

    package init(
        partition: PartitionID, index: VPIndex, vtl: InputVTL = .current, type: VPStateType, xsaveFlags: UInt64 = 0,
        xsaveStates: UInt64 = 0
    ) {
        self.partition = partition
        self.index = index
        self.vtl = vtl
        self.type = type
        self.xsaveFlags = xsaveFlags
        self.xsaveStates = xsaveStates
    }

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        partition = PartitionID(rawValue: try bytes.read(UInt64.self, at: 0))
        index = try bytes.read(UInt32.self, at: 8)
        vtl = try InputVTL(rawValue: bytes.read(UInt8.self, at: 12))
        try bytes.requireZero(UInt8.self, at: 13)
        try bytes.requireZero(UInt16.self, at: 14)
        type = VPStateType(rawValue: try bytes.read(UInt32.self, at: 16))
        try bytes.requireZero(UInt32.self, at: 20)
        xsaveFlags = try bytes.read(UInt64.self, at: 24)
        xsaveStates = try bytes.read(UInt64.self, at: 32)
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.zero(Self.size)
        try bytes.write(partition.rawValue, at: 0)
        try bytes.write(index, at: 8)
        try bytes.write(vtl.rawValue, at: 12)
        try bytes.write(type.rawValue, at: 16)
        try bytes.write(xsaveFlags, at: 24)
        try bytes.write(xsaveStates, at: 32)
    }
}

/// One synthetic timer (HV_STIMER_STATE).
package struct SyntheticTimerState: HypercallStructure, Hashable {
    package static let size = 40

    package var isMessagePending: Bool
    /// HV_STIMER_CONFIG.
    package var configuration: UInt64
    package var count: UInt64
    package var adjustment: UInt64
    package var undeliveredExpirationTime: UInt64

    package static let zero = SyntheticTimerState(
        isMessagePending: false, configuration: 0, count: 0, adjustment: 0, undeliveredExpirationTime: 0)
    /// The configuration's bits that must be zero.
    package static let reservedConfiguration: UInt64 = 0xFFFF_FFFF_FFF0_E000

    package init(
        isMessagePending: Bool, configuration: UInt64, count: UInt64, adjustment: UInt64,
        undeliveredExpirationTime: UInt64
    ) {
        self.isMessagePending = isMessagePending
        self.configuration = configuration
        self.count = count
        self.adjustment = adjustment
        self.undeliveredExpirationTime = undeliveredExpirationTime
    }

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        let flags = try bytes.read(UInt32.self, at: 0)
        guard flags <= 1 else { throw HypercallStatus.invalidParameter }
        isMessagePending = flags == 1
        try bytes.requireZero(UInt32.self, at: 4)
        configuration = try bytes.read(UInt64.self, at: 8)
        guard configuration & Self.reservedConfiguration == 0 else { throw HypercallStatus.invalidParameter }
        count = try bytes.read(UInt64.self, at: 16)
        adjustment = try bytes.read(UInt64.self, at: 24)
        undeliveredExpirationTime = try bytes.read(UInt64.self, at: 32)
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.zero(Self.size)
        try bytes.write(isMessagePending ? 1 : 0 as UInt32, at: 0)
        try bytes.write(configuration, at: 8)
        try bytes.write(count, at: 16)
        try bytes.write(adjustment, at: 24)
        try bytes.write(undeliveredExpirationTime, at: 32)
    }
}

/// The four synthetic timers of a processor (HV_SYNTHETIC_TIMERS_STATE), with 40 reserved bytes behind.
package struct SyntheticTimersState: HypercallStructure, Hashable {
    package static let size = 200
    package static let timerCount = 4

    /// Always four.
    package private(set) var timers: [SyntheticTimerState]

    package init() { timers = Array(repeating: .zero, count: Self.timerCount) }

    package subscript(timer: Int) -> SyntheticTimerState {
        get { timers[timer] }
        set { timers[timer] = newValue }
    }

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        timers = []
        for index in 0..<Self.timerCount {
            timers.append(try SyntheticTimerState(decoding: bytes.from(SyntheticTimerState.size * index)))
        }
        for offset in stride(from: 160, to: Self.size, by: 8) { try bytes.requireZero(UInt64.self, at: offset) }
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.zero(Self.size)
        for (index, timer) in timers.enumerated() {
            try timer.encode(into: bytes.from(SyntheticTimerState.size * index))
        }
    }
}

/// A page that the hypervisor shares with the one who runs a processor (HV_VP_STATE_PAGE_TYPE).
package struct VPStatePageType: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt16
    package init(rawValue: UInt16) { self.rawValue = rawValue }

    package static let registers = VPStatePageType(rawValue: 0)
    package static let interceptMessage = VPStatePageType(rawValue: 1)
    package static let ghcb = VPStatePageType(rawValue: 2)
}

/// HvCallUnmapVpStatePage: the input; the head of HvCallMapVpStatePage's.
package struct UnmapVPStatePageInput: HypercallStructure, Hashable {
    package static let size = 16

    package var partition: PartitionID
    package var index: VPIndex
    package var type: VPStatePageType
    package var vtl: InputVTL

    package init(partition: PartitionID, index: VPIndex, type: VPStatePageType, vtl: InputVTL = .current) {
        self.partition = partition
        self.index = index
        self.type = type
        self.vtl = vtl
    }

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        self = try Self.head(bytes)
        try bytes.requireZero(UInt8.self, at: 15)
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.zero(Self.size)
        try bytes.write(partition.rawValue, at: 0)
        try bytes.write(index, at: 8)
        try bytes.write(type.rawValue, at: 12)
        try bytes.write(vtl.rawValue, at: 14)
    }

    fileprivate static func head(_ bytes: ByteReader) throws(HypercallStatus) -> UnmapVPStatePageInput {
        UnmapVPStatePageInput(
            partition: PartitionID(rawValue: try bytes.read(UInt64.self, at: 0)),
            index: try bytes.read(UInt32.self, at: 8),
            type: VPStatePageType(rawValue: try bytes.read(UInt16.self, at: 12)),
            vtl: try InputVTL(rawValue: bytes.read(UInt8.self, at: 14)))
    }
}

/// HvCallMapVpStatePage: the input. The output is the root's page number of the page, 8 bytes.
package struct MapVPStatePageInput: HypercallStructure, Hashable {
    package static let size = 24
    package static let outputSize = 8

    package var page: UnmapVPStatePageInput
    /// The root's page that is to be used; nil: the hypervisor has one of its own.
    package var location: UInt64?

    package init(_ page: UnmapVPStatePageInput, location: UInt64? = nil) {
        self.page = page
        self.location = location
    }

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        page = try UnmapVPStatePageInput.head(bytes)
        let flags = try bytes.read(UInt8.self, at: 15)
        guard flags <= 1 else { throw HypercallStatus.invalidParameter }
        let requested = try bytes.read(UInt64.self, at: 16)
        location = flags == 1 ? requested : nil
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.zero(Self.size)
        try page.encode(into: bytes)
        try bytes.write(location == nil ? 0 : 1 as UInt8, at: 15)
        try bytes.write(location ?? 0, at: 16)
    }
}
