import HypercallABI
import HypercallCore

/// The life of partitions (TLFS, "Partition Management").
extension Model {
    static let partitionForms: [UInt16: ModelForm] = [
        CallCode.createPartition.rawValue: ModelForm(input: 56, output: 8),
        CallCode.initializePartition.rawValue: ModelForm(input: 8),
        CallCode.finalizePartition.rawValue: ModelForm(input: 8),
        CallCode.deletePartition.rawValue: ModelForm(input: 8),
    ]

    mutating func partitionCall(_ call: ModelCall) -> Expectation? {
        switch call.control.code {
        case .createPartition: return create(call)
        case .initializePartition: return initialize(call.word64(0))
        case .finalizePartition: return finalize(call.word64(0))
        case .deletePartition: return delete(call.word64(0))
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
        partition.objects = 0
        partition.life = .finalized
        partitions[id] = partition
        forgetPorts(of: id)
        forgetDevices(of: id)
        forgetStatistics(of: id, processor: nil)
        return .success()
    }

    private mutating func delete(_ id: UInt64) -> Expectation {
        guard let partition = partitions[id] else { return .refused([.invalidPartitionId]) }
        if partition.life == .active || !partition.deposited.isEmpty { return .refused([.invalidPartitionState]) }
        partitions[id] = nil
        return .success()
    }

    /// HV_PROXIMITY_DOMAIN_FLAGS: bits 0 and 31 have a meaning.
    static func isProximityWrong(_ flags: UInt32) -> Bool { flags & ~0x8000_0001 != 0 }
}
