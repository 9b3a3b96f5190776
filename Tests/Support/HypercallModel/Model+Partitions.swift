import HypercallABI
import HypercallCore

/// The life of partitions and their properties (TLFS, "Partition Management").
extension Model {
    static let partitionForms: [UInt16: ModelForm] = [
        CallCode.createPartition.rawValue: ModelForm(input: 56, output: 8),
        CallCode.initializePartition.rawValue: ModelForm(input: 8),
        CallCode.finalizePartition.rawValue: ModelForm(input: 8),
        CallCode.deletePartition.rawValue: ModelForm(input: 8),
        CallCode.getPartitionProperty.rawValue: ModelForm(input: 16, output: 8),
        CallCode.setPartitionProperty.rawValue: ModelForm(input: 24),
    ]

    mutating func partitionCall(_ call: ModelCall) -> Expectation? {
        switch call.control.code {
        case .createPartition: return create(call)
        case .initializePartition: return initialize(call.word64(0))
        case .finalizePartition: return finalize(call.word64(0))
        case .deletePartition: return delete(call.word64(0))
        case .getPartitionProperty: return property(call)
        case .setPartitionProperty: return setProperty(call)
        default: return nil
        }
    }

    private mutating func create(_ call: ModelCall) -> Expectation {
        var wrong: Set<HypercallStatus> = []
        let knownFlags: UInt64 = 0x1 | 0x2 | 0x10 | 0x100 | 0x2000 | 0x8_0000 | 0x40_0000
        if call.word64(0) & ~knownFlags != 0 { wrong.insert(.invalidParameter) }
        if Self.isProximityWrong(call.word32(12)) { wrong.insert(.invalidProximityDomainInfo) }
        if call.word32(16) == 0 || call.word32(16) > 0x609 { wrong.insert(.invalidParameter) }
        if call.word32(20) != 0 { wrong.insert(.invalidParameter) }
        // Isolation: bits 7 to 11 are reserved; the rest asks for what no engine here can give.
        if call.word64(48) & 0xF80 != 0 { wrong.insert(.invalidParameter) }
        if call.word64(48) & ~0xF80 != 0 { wrong.insert(.featureUnavailable) }
        if rootFree < 1 { wrong.insert(.insufficientMemory) }
        if !wrong.isEmpty { return .refused(wrong) }
        var id = configuration.firstPartition
        while partitions[id] != nil { id += 1 }
        partitions[id] = Partition(creation: call)
        return .success(Self.bytes(id))
    }

    private mutating func initialize(_ id: UInt64) -> Expectation {
        guard var partition = partitions[id] else { return .refused([.invalidPartitionId]) }
        var wrong: Set<HypercallStatus> = []
        if partition.life != .created { wrong.insert(.invalidPartitionState) }
        if partition.life == .created, partition.deposited.count < 160 { wrong.insert(.insufficientMemory) }
        if !wrong.isEmpty { return .refused(wrong) }
        partition.life = .active
        partitions[id] = partition
        return .success()
    }

    private mutating func finalize(_ id: UInt64) -> Expectation {
        guard var partition = partitions[id] else { return .refused([.invalidPartitionId]) }
        if partition.life != .active { return .refused([.invalidPartitionState]) }
        for page in partition.guest.values { if let source = page.source { unmapRoot(source) } }
        partition.guest = [:]
        partition.units = [:]
        partition.tables = 0
        partition.processors = [:]
        partition.life = .finalized
        partitions[id] = partition
        return .success()
    }

    private mutating func delete(_ id: UInt64) -> Expectation {
        guard let partition = partitions[id] else { return .refused([.invalidPartitionId]) }
        if partition.life == .active || !partition.deposited.isEmpty { return .refused([.invalidPartitionState]) }
        partitions[id] = nil
        return .success()
    }

    // MARK: Properties

    static let accessTracking: UInt32 = 0x50005

    /// What a property may be, and what it is until it is set.
    enum PropertyRule {
        case fixed(UInt64)
        case free(UInt64, UInt64, standard: UInt64)
        /// Only before the partition is initialized.
        case early(UInt64, UInt64, standard: UInt64)
    }

    static func rule(_ property: UInt32, _ creation: ModelCall) -> PropertyRule? {
        switch property {
        case 0x10000, 0x10001: .early(0, .max, standard: 0)
        case 0x20000, 0x30003, 0x50002, 0x50005, 0x50017: .free(0, 1, standard: 0)
        case 0x20001: .free(0, 100_000, standard: 0)
        case 0x20002: .free(0, 100_000, standard: 100_000)
        case 0x20003: .free(1, 10_000, standard: 100)
        case 0x50003: .early(0, 2048, standard: 0)
        case 0x5000C: .fixed(1)
        case 0x50014, 0x70000: .fixed(0)
        case 0x50010, 0x60006: .fixed(52)
        case 0x60002: .fixed(~creation.word64(40))
        case 0x60003: .fixed(8)
        case 0x60005: .fixed(UInt64(creation.word32(16)))
        case 0x6000A: .fixed(~creation.word64(24))
        case 0x6000B: .fixed(~creation.word64(32))
        default: nil
        }
    }

    private func property(_ call: ModelCall) -> Expectation {
        var wrong: Set<HypercallStatus> = []
        if call.word32(12) != 0 { wrong.insert(.invalidParameter) }
        guard let partition = partitions[call.word64(0)] else {
            return .refused(wrong.union([.invalidPartitionId]))
        }
        guard let rule = Self.rule(call.word32(8), partition.creation) else {
            return .refused(wrong.union([.unknownProperty]))
        }
        if !wrong.isEmpty { return .refused(wrong) }
        switch rule {
        case .fixed(let value): return .success(Self.bytes(value))
        case .free(_, _, let standard), .early(_, _, let standard):
            return .success(Self.bytes(partition.properties[call.word32(8)] ?? standard))
        }
    }

    private mutating func setProperty(_ call: ModelCall) -> Expectation {
        var wrong: Set<HypercallStatus> = []
        if call.word32(12) != 0 { wrong.insert(.invalidParameter) }
        let id = call.word64(0)
        guard let partition = partitions[id] else { return .refused(wrong.union([.invalidPartitionId])) }
        let value = call.word64(16)
        switch Self.rule(call.word32(8), partition.creation) {
        case nil: wrong.insert(.unknownProperty)
        case .fixed: wrong.insert(.accessDenied)
        case .free(let low, let high, _):
            if value < low || value > high { wrong.insert(.propertyValueOutOfRange) }
        case .early(let low, let high, _):
            if value < low || value > high { wrong.insert(.propertyValueOutOfRange) }
            if partition.life != .created { wrong.insert(.invalidPartitionState) }
        }
        if !wrong.isEmpty { return .refused(wrong) }
        let before = partitions[id]?.properties[call.word32(8)] ?? 0
        partitions[id]?.properties[call.word32(8)] = value
        // When the tracking of accesses begins or ends, every page counts as written.
        if call.word32(8) == Self.accessTracking, before != value, let pages = partitions[id]?.guest.keys {
            for page in Array(pages) { partitions[id]?.guest[page]?.isDirty = true }
        }
        return .success()
    }

    /// HV_PROXIMITY_DOMAIN_FLAGS: bits 0 and 31 have a meaning.
    static func isProximityWrong(_ flags: UInt32) -> Bool { flags & ~0x8000_0001 != 0 }
}
