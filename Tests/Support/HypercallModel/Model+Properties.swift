import HypercallABI
import HypercallCore

/// Properties of partitions (TLFS, "Partition Properties", and Linux's list of them).
extension Model {
    static let propertyForms: [UInt16: ModelForm] = [
        CallCode.getPartitionProperty.rawValue: ModelForm(input: 16, output: 8),
        CallCode.setPartitionProperty.rawValue: ModelForm(input: 24),
        CallCode.getPartitionPropertyEx.rawValue: ModelForm(input: 24, output: 4072),
    ]

    mutating func propertyCall(_ call: ModelCall, _ answer: ModelAnswer) -> Expectation? {
        switch call.control.code {
        case .getPartitionProperty: return property(call, answer)
        case .setPartitionProperty: return setProperty(call)
        case .getPartitionPropertyEx: return largeProperty(call)
        default: return nil
        }
    }

    /// The host's processor, which the bench says there is.
    enum Host {
        static let vendor: UInt64 = 2
        static let features0: UInt64 = 0x0123_4567_89AB_CDEF
        static let features1: UInt64 = 0xFEDC_BA98_7654_3210
        static let xsaveFeatures: UInt64 = 0x1357
        static let xsaveStates: UInt64 = 0x2E7
        static let maximumXsaveSize: UInt64 = 0xA80
        static let cacheLineFlushShift: UInt64 = 6
        static let physicalAddressBits: UInt64 = 46
        static let clockFrequency: UInt64 = 2_345_678_901
    }

    static let accessTracking: UInt32 = 0x50005
    static let timeFreeze: UInt32 = 0x30003
    static let referenceTime: UInt32 = 0x30005
    static let guestOS: UInt32 = 0x70000
    /// The register that says the same.
    private static let guestOSRegister: UInt32 = 0x90002

    func isFrozen(_ partition: Partition) -> Bool { partition.properties[Self.timeFreeze] == 1 }

    /// What a property may be, and what it is until it is set.
    private enum PropertyRule {
        case fixed(UInt64)
        case free(UInt64, UInt64, standard: UInt64)
        /// Only before the partition is initialized.
        case early(UInt64, UInt64, standard: UInt64)
        /// The same, for any of these bits.
        case earlyBits(UInt64)
        /// Zero, and another value is not in range, by this status.
        case zero(HypercallStatus)
        case clock
    }

    /// - Parameter creation: of the partition; nil: the root.
    private static func rule(_ property: UInt32, _ creation: ModelCall?) -> PropertyRule? {
        let without = { (offset: Int) in creation?.word64(offset) ?? 0 }
        switch property {
        // Bits 0 to 15, 32 to 40, 43 to 49 and 51 to 54 of the privileges have names.
        case 0x10000: return .earlyBits(0x007B_F9FF_0000_FFFF)
        case 0x10001: return .earlyBits(assignable)
        case 0x20000, timeFreeze, 0x50002, accessTracking, 0x50017: return .free(0, 1, standard: 0)
        case 0x20001: return .free(0, 100_000, standard: 0)
        case 0x20002: return .free(0, 100_000, standard: 100_000)
        case 0x20003: return .free(1, 10_000, standard: 100)
        case 0x20004: return .zero(.invalidCpuGroupId)
        case referenceTime: return .clock
        case 0x50000: return .free(0, 1_048_576, standard: 0)
        case 0x50003: return .early(0, 2048, standard: 0)
        case 0x5000C, 0x50011: return .fixed(1)
        case 0x5000E, 0x5000F: return .zero(.propertyValueOutOfRange)
        case 0x50010, 0x60006: return .fixed(Host.physicalAddressBits)
        case 0x60000: return .fixed(Host.vendor)
        case 0x60001, 0x6000A: return .fixed(Host.features0 & ~without(24))
        case 0x60002: return .fixed(Host.xsaveFeatures & ~without(40))
        case 0x60003: return .fixed(Host.cacheLineFlushShift)
        case 0x60005: return .fixed(UInt64(creation?.word32(16) ?? 0x609))
        case 0x60007: return .fixed(Host.xsaveFeatures & ~without(40) & 1 == 1 ? Host.xsaveStates : 0)
        case 0x60008: return .fixed(Host.maximumXsaveSize)
        case 0x60009: return .fixed(Host.clockFrequency)
        case 0x6000B: return .fixed(Host.features1 & ~without(32))
        case 0x20005, 0x40000, 0x50001, 0x50004, 0x50006, 0x50007...0x5000B, 0x5000D, 0x50012, 0x50014, 0x50022,
            0x50026, 0x60004, guestOS, 0x80000:
            return .fixed(0)
        default: return nil
        }
    }

    /// What a guest can be told of the hypervisor, by the names of HV_PARTITION_SYNTHETIC_PROCESSOR_FEATURES:
    /// hypervisor present, HV#1, run time, reference counter, SynIC, timers, hypercall MSRs, index, reference TSC.
    private static let assignable: UInt64 = [0, 1, 2, 3, 4, 5, 7, 8, 9].reduce(0) { $0 | 1 << UInt64($1) }

    private mutating func property(_ call: ModelCall, _ answer: ModelAnswer) -> Expectation {
        var wrong: Set<HypercallStatus> = []
        if call.word32(12) != 0 { wrong.insert(.invalidParameter) }
        let id = call.word64(0)
        let property = call.word32(8)
        let partition = partitions[id]
        if partition == nil, id != Self.own { return .refused(wrong.union([.invalidPartitionId])) }
        guard let rule = Self.rule(property, partition?.creation) else {
            return .refused(wrong.union([.unknownProperty]))
        }
        if !wrong.isEmpty { return .refused(wrong) }
        if property == Self.guestOS, let partition {
            return .success(Self.bytes(partition.shared[Self.guestOSRegister] ?? 0))
        }
        switch rule {
        case .fixed(let value): return .success(Self.bytes(value))
        case .zero: return .success(Self.bytes(0))
        case .earlyBits: return .success(Self.bytes(partition?.properties[property] ?? 0))
        case .free(_, _, let standard), .early(_, _, let standard):
            return .success(Self.bytes(partition?.properties[property] ?? standard))
        case .clock:
            guard let partition else { return .success(Self.bytes(0)) }
            let told = answer.word64(0)
            if isFrozen(partition) {
                if let time = partition.referenceTime { return .success(Self.bytes(time)) }
                partitions[id]?.referenceTime = told
            }
            return .success(Self.bytes(told))
        }
    }

    private mutating func setProperty(_ call: ModelCall) -> Expectation {
        var wrong: Set<HypercallStatus> = []
        if call.word32(12) != 0 { wrong.insert(.invalidParameter) }
        let id = call.word64(0)
        let property = call.word32(8)
        guard let partition = partitions[id] else { return .refused(wrong.union([.invalidPartitionId])) }
        let value = call.word64(16)
        switch Self.rule(property, partition.creation) {
        case nil: wrong.insert(.unknownProperty)
        case .fixed: wrong.insert(.accessDenied)
        case .free(let low, let high, _):
            if value < low || value > high { wrong.insert(.propertyValueOutOfRange) }
        case .early(let low, let high, _):
            if value < low || value > high { wrong.insert(.propertyValueOutOfRange) }
            if partition.life != .created { wrong.insert(.invalidPartitionState) }
        case .earlyBits(let bits):
            if value & ~bits != 0 { wrong.insert(.propertyValueOutOfRange) }
            if partition.life != .created { wrong.insert(.invalidPartitionState) }
        case .zero(let status):
            if value != 0 { wrong.insert(status) }
        case .clock:
            if !isFrozen(partition) { wrong.insert(.invalidPartitionState) }
        }
        if !wrong.isEmpty { return .refused(wrong) }
        let before = partition.properties[property] ?? 0
        if property == Self.referenceTime {
            partitions[id]?.referenceTime = value
            return .success()
        }
        partitions[id]?.properties[property] = value
        if property == Self.timeFreeze, before != value { partitions[id]?.referenceTime = nil }
        // When the tracking of accesses begins or ends, every page counts as written.
        if property == Self.accessTracking, before != value, let pages = partitions[id]?.guest.keys {
            for page in Array(pages) { partitions[id]?.guest[page]?.isDirty = true }
        }
        return .success()
    }

    /// Two properties are masks: their number, and each of them.
    private func largeProperty(_ call: ModelCall) -> Expectation {
        var wrong: Set<HypercallStatus> = []
        if call.word32(12) != 0 || call.word64(16) != 0 { wrong.insert(.invalidParameter) }
        let id = call.word64(0)
        if id != Self.own, partitions[id] == nil { wrong.insert(.invalidPartitionId) }
        var mask = Self.assignable
        switch call.word32(8) {
        // The root may give pages of its own to share (bit 1) and ask for what is assignable (bit 4).
        case 0x90007: mask = id == Self.own ? 0x12 : 0
        case 0x90009: break
        default: wrong.insert(.unknownProperty)
        }
        if !wrong.isEmpty { return .refused(wrong) }
        return .success([1] + [UInt8](repeating: 0, count: 7) + Self.bytes(mask) + [UInt8](repeating: 0, count: 4056))
    }
}
