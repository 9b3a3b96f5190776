/// VPs of one partition that the root's scheduler has to wake (hv_vp_signal_bitset_scheduler_message).
package struct SchedulerSignalBitset: MessagePayload {
    package static let size = 160
    /// Of 64 VPs each.
    package static let bankCount = 16

    package var partition: PartitionID
    package var overflowCount: UInt32
    package var vpCount: UInt16
    /// How the set is written (HV_GENERIC_SET_FORMAT): 0 a bit for each VP.
    package var format: UInt64
    package var validBanks: UInt64
    /// The banks that `validBanks` names, one after the other, then zero: 16 in all.
    package var banks: [UInt64]

    package init(
        partition: PartitionID, vpCount: UInt16, validBanks: UInt64, banks: [UInt64], format: UInt64 = 0,
        overflowCount: UInt32 = 0
    ) {
        self.partition = partition
        self.overflowCount = overflowCount
        self.vpCount = vpCount
        self.format = format
        self.validBanks = validBanks
        self.banks = banks
    }

    package init(decoding payload: PayloadReader) throws(MessageError) {
        partition = PartitionID(rawValue: try payload.read(UInt64.self, at: 0))
        overflowCount = try payload.read(UInt32.self, at: 8)
        vpCount = try payload.read(UInt16.self, at: 12)
        format = try payload.read(UInt64.self, at: 16)
        validBanks = try payload.read(UInt64.self, at: 24)
        banks = []
        for index in 0..<Self.bankCount { banks.append(try payload.read(UInt64.self, at: 32 + 8 * index)) }
    }

    package func encode(into payload: PayloadWriter) throws(MessageError) {
        guard banks.count <= Self.bankCount else {
            throw MessageError.badField("bank count", value: UInt64(banks.count), in: payload.type)
        }
        try payload.write(partition.rawValue, at: 0)
        try payload.write(overflowCount, at: 8)
        try payload.write(vpCount, at: 12)
        try payload.write(format, at: 16)
        try payload.write(validBanks, at: 24)
        for (index, bank) in banks.enumerated() { try payload.write(bank, at: 32 + 8 * index) }
    }

    /// The VPs of the set; nil for a format other than bits, and for more banks than there is room for.
    package var vps: [VPIndex]? {
        guard format == 0, validBanks.nonzeroBitCount <= banks.count else { return nil }
        var vps: [VPIndex] = []
        var position = 0
        for bank in 0..<UInt32(64) where validBanks & 1 << UInt64(bank) != 0 {
            for bit in 0..<UInt32(64) where banks[position] & 1 << UInt64(bit) != 0 { vps.append(64 * bank + bit) }
            position += 1
        }
        return vps
    }
}

/// VPs of several partitions that the root's scheduler has to wake (hv_vp_signal_pair_scheduler_message).
package struct SchedulerSignalPairs: MessagePayload {
    package static let size = 240
    package static let capacity = 19

    package var overflowCount: UInt32
    /// At most `capacity`.
    package var pairs: [Pair]

    package struct Pair: Hashable, Sendable {
        package var partition: PartitionID
        package var vp: VPIndex

        package init(partition: PartitionID, vp: VPIndex) {
            self.partition = partition
            self.vp = vp
        }
    }

    package init(pairs: [Pair], overflowCount: UInt32 = 0) {
        self.overflowCount = overflowCount
        self.pairs = pairs
    }

    package init(decoding payload: PayloadReader) throws(MessageError) {
        overflowCount = try payload.read(UInt32.self, at: 0)
        let count = Int(try payload.read(UInt8.self, at: 4))
        guard count <= Self.capacity else {
            throw MessageError.badField("VP count", value: UInt64(count), in: payload.type)
        }
        pairs = []
        for index in 0..<count {
            pairs.append(
                Pair(
                    partition: PartitionID(rawValue: try payload.read(UInt64.self, at: 8 + 8 * index)),
                    vp: try payload.read(UInt32.self, at: 160 + 4 * index)))
        }
    }

    package func encode(into payload: PayloadWriter) throws(MessageError) {
        guard pairs.count <= Self.capacity else {
            throw MessageError.badField("VP count", value: UInt64(pairs.count), in: payload.type)
        }
        try payload.write(overflowCount, at: 0)
        try payload.write(UInt8(pairs.count), at: 4)
        for (index, pair) in pairs.enumerated() {
            try payload.write(pair.partition.rawValue, at: 8 + 8 * index)
            try payload.write(pair.vp, at: 160 + 4 * index)
        }
    }
}

/// A guest changed what its pages are (HV_X64_GPA_ATTRIBUTE_INTERCEPT_MESSAGE).
package struct GPAAttributeIntercept: MessagePayload {
    package static let size = 240
    package static let capacity = 29

    package var vp: VPIndex
    package var isAdjustment: Bool
    /// 0...3.
    package var hostVisibility: UInt8
    /// 0...63.
    package var memoryType: UInt8
    /// HV_GPA_PAGE_RANGE as it stands: at most `capacity`.
    package var ranges: [UInt64]

    package init(vp: VPIndex, isAdjustment: Bool, hostVisibility: UInt8, memoryType: UInt8, ranges: [UInt64]) {
        self.vp = vp
        self.isAdjustment = isAdjustment
        self.hostVisibility = hostVisibility
        self.memoryType = memoryType
        self.ranges = ranges
    }

    package init(decoding payload: PayloadReader) throws(MessageError) {
        vp = try payload.read(UInt32.self, at: 0)
        let flags = try payload.read(UInt32.self, at: 4)
        let count = Int(flags & 0x1F)
        guard count <= Self.capacity else {
            throw MessageError.badField("range count", value: UInt64(count), in: payload.type)
        }
        isAdjustment = flags & 1 << 5 != 0
        hostVisibility = UInt8(flags >> 6 & 0x3)
        memoryType = UInt8(flags >> 8 & 0x3F)
        ranges = []
        for index in 0..<count { ranges.append(try payload.read(UInt64.self, at: 8 + 8 * index)) }
    }

    package func encode(into payload: PayloadWriter) throws(MessageError) {
        guard ranges.count <= Self.capacity else {
            throw MessageError.badField("range count", value: UInt64(ranges.count), in: payload.type)
        }
        let visibility = try payload.bits(hostVisibility, 2, "host visibility")
        let type = try payload.bits(memoryType, 6, "memory type")
        try payload.write(vp, at: 0)
        try payload.write(
            UInt32(ranges.count) | (isAdjustment ? 1 << 5 : 0) | UInt32(visibility) << 6 | UInt32(type) << 8, at: 4)
        for (index, range) in ranges.enumerated() { try payload.write(range, at: 8 + 8 * index) }
    }
}
