import HypercallABI

/// A partition's properties: what they may be, and the values that were set.
///
/// The properties of arm64, those of more than 64 bits (`BankedProperty`, by HvCallGetPartitionPropertyEx) and codes
/// that nobody knows are `unknownProperty`; the other way round, HvCallGetPartitionPropertyEx knows only those of more
/// than 64 bits. Setting checks in this order: the property is known (`unknownProperty`), may be set at all
/// (`accessDenied`), may be set in this state (`invalidPartitionState`), may have this value
/// (`propertyValueOutOfRange`; `invalidCpuGroupId` for a CPU group).
struct PropertyStore: Sendable {
    private enum Rule {
        case readOnly(UInt64)
        case writable(ClosedRange<UInt64>, standard: UInt64)
        /// Fixed once the partition is initialized.
        case writableBeforeInitialize(ClosedRange<UInt64>, standard: UInt64)
        /// The same, of bits: others may not be set.
        case maskBeforeInitialize(UInt64)
        /// There is only group 0.
        case cpuGroup
    }

    /// Only what differs from the standard.
    private var values: [PartitionProperty: UInt64] = [:]
    private let creation: CreatePartitionInput
    private let host: HostProcessor

    init(_ creation: CreatePartitionInput, host: HostProcessor) {
        self.creation = creation
        self.host = host
    }

    /// What a guest may find of the hypervisor: the registers that the embedded hypervisor keeps for a processor. A
    /// guest's hypercalls, the APIC's and the frequencies' MSRs and the idle register are not among them.
    static let assignableSyntheticFeatures = CPUIDBits<SyntheticProcessorFeature>([
        .hypervisorPresent, .hv1, .accessVPRunTimeReg, .accessPartitionReferenceCounter, .accessSynICRegs,
        .accessSyntheticTimerRegs, .accessHypercallRegs, .accessVPIndex, .accessPartitionReferenceTSC,
    ])

    /// What the root may rely on; a child manages nothing and has none.
    static let rootCapabilities = CPUIDBits<VMMCapability>([
        .vmmCanProvideOverlayGPFN, .assignableSyntheticProcFeatures,
    ])

    /// - Throws: `unknownProperty`.
    func value(of property: PartitionProperty) throws(HypercallStatus) -> UInt64 {
        switch rule(for: property) {
        case nil: throw HypercallStatus.unknownProperty
        case .readOnly(let value): return value
        case .writable(_, let standard), .writableBeforeInitialize(_, let standard):
            return values[property] ?? standard
        case .maskBeforeInitialize, .cpuGroup: return values[property] ?? 0
        }
    }

    /// - Throws: as the type says.
    mutating func set(
        _ property: PartitionProperty, to value: UInt64, isInitialized: Bool
    ) throws(HypercallStatus) {
        switch rule(for: property) {
        case nil: throw HypercallStatus.unknownProperty
        case .readOnly: throw HypercallStatus.accessDenied
        case .writable(let range, let standard):
            try store(property, value, range, standard)
        case .writableBeforeInitialize(let range, let standard):
            if isInitialized { throw HypercallStatus.invalidPartitionState }
            try store(property, value, range, standard)
        case .maskBeforeInitialize(let mask):
            if isInitialized { throw HypercallStatus.invalidPartitionState }
            guard value & ~mask == 0 else { throw HypercallStatus.propertyValueOutOfRange }
            values[property] = value == 0 ? nil : value
        case .cpuGroup:
            guard value == 0 else { throw HypercallStatus.invalidCpuGroupId }
        }
    }

    private mutating func store(
        _ property: PartitionProperty, _ value: UInt64, _ range: ClosedRange<UInt64>, _ standard: UInt64
    ) throws(HypercallStatus) {
        guard range.contains(value) else { throw HypercallStatus.propertyValueOutOfRange }
        values[property] = value == standard ? nil : value
    }

    /// The one list of the properties there are; that the reference time is `PartitionState`'s, as is the operating
    /// system's name. The ranges of processor shares are those of Hyper-V's settings.
    private func rule(for property: PartitionProperty) -> Rule? {
        switch property {
        case .privilegeFlags: .maskBeforeInitialize(CPUIDBits(PartitionPrivilege.allCases).rawValue)
        case .syntheticProcFeatures: .maskBeforeInitialize(Self.assignableSyntheticFeatures.rawValue)
        case .suspend, .timeFreeze: .writable(0...1, standard: 0)
        case .cpuReserve: .writable(0...100_000, standard: 0)
        case .cpuCap: .writable(0...100_000, standard: 100_000)
        case .cpuWeight: .writable(1...10_000, standard: 100)
        case .cpuGroupId: .cpuGroup
        case .zeroMemoryOnReset: .writable(0...1, standard: 0)
        case .processorsPerSocket: .writableBeforeInitialize(0...2048, standard: 0)
        case .gpaPageAccessTracking: .writable(0...1, standard: 0)
        case .unimplementedMsrAction: .writable(0...1, standard: 0)
        // Hints for shadow page tables, which nobody here has.
        case .virtualTlbPageCount: .writable(0...1 << 20, standard: 0)
        // A processor's caches and memory are not shared out: there is only class 0.
        case .allocationId, .monitoringId: .writable(0...0, standard: 0)
        default: hostRule(for: property) ?? absentRule(for: property)
        }
    }

    /// What describes the processors a partition has.
    private func hostRule(for property: PartitionProperty) -> Rule? {
        switch property {
        case .compatibilityVersion: .readOnly(UInt64(creation.compatibilityVersion))
        case .processorVendor: .readOnly(host.vendor)
        // What the partition was created without is away.
        case .processorFeatures0, .processorFeaturesDeprecated: .readOnly(host.features0 & ~creation.disabledFeatures0)
        case .processorFeatures1: .readOnly(host.features1 & ~creation.disabledFeatures1)
        case .processorXsaveFeatures: .readOnly(host.xsaveFeatures & ~creation.disabledXsaveFeatures)
        // Without XSAVE there is no state that it could save.
        case .xsaveStates: .readOnly(hasXsave ? host.xsaveStates : 0)
        // What a root needs room for, whatever the partition was created without.
        case .maxXsaveDataSize: .readOnly(host.maximumXsaveSize)
        case .processorClFlushSize: .readOnly(host.cacheLineFlushShift)
        case .physicalAddressWidth, .implementedPhysicalAddressBits: .readOnly(host.physicalAddressBits)
        case .processorClockFrequency: .readOnly(host.clockFrequency)
        // The host's scheduler puts processors where it likes.
        case .nonArchitecturalCoreSharing: .readOnly(1)
        default: nil
        }
    }

    private var hasXsave: Bool { host.xsaveFeatures & ~creation.disabledXsaveFeatures & 1 != 0 }

    /// What the embedded hypervisor does not have, and says so.
    private func absentRule(for property: PartitionProperty) -> Rule? {
        switch property {
        case .isolationState: .readOnly(1)  // insecure, clean
        // A root scheduler only; no debugger, trust levels, SGX, isolation, nested guests or diagnostic buffers.
        case .integratedSchedulerEnabled, .debugChannelId, .vsmConfig, .vsmPermissionsDirtySinceLastQuery,
            .sgxLaunchControlConfig, .defaultSgxLaunchControl0, .defaultSgxLaunchControl1, .defaultSgxLaunchControl2,
            .defaultSgxLaunchControl3, .isolationControl, .isolationPolicy, .hypercallDoorbellPage,
            .sevVmgexitOffloads, .nestedTlbSize, .processorVirtualizationFeatures, .partitionDiagBufferConfig,
            .enlightenmentModifications, .guestOsId, .referenceTime:
            .readOnly(0)
        default: nil
        }
    }
}

extension PropertyStore {
    /// A property of more than 64 bits.
    ///
    /// - Throws: `unknownProperty`; `invalidParameter` for an argument, which none of them has.
    static func banked(
        _ property: PartitionProperty, argument: UInt64, isRoot: Bool
    ) throws(HypercallStatus) -> BankedProperty {
        let bank: UInt64
        switch property {
        case .vmmCapabilities: bank = isRoot ? rootCapabilities.rawValue : 0
        case .assignableSyntheticProcFeatures: bank = assignableSyntheticFeatures.rawValue
        default: throw HypercallStatus.unknownProperty
        }
        guard argument == 0 else { throw HypercallStatus.invalidParameter }
        return BankedProperty(banks: [bank])
    }
}
