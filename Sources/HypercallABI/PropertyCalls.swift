/// HvCallGetPartitionPropertyEx: the input. The output is the property, of `outputSize` bytes at most.
package struct GetPartitionPropertyExInput: HypercallStructure, Hashable {
    package static let size = 24
    package static let outputSize = 4072

    package var partition: PartitionID
    package var property: PartitionProperty
    /// What a property is asked for, where there are several of it (a processor's, say).
    package var argument: UInt64

    package init(partition: PartitionID, property: PartitionProperty, argument: UInt64 = 0) {
        self.partition = partition
        self.property = property
        self.argument = argument
    }

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        partition = PartitionID(rawValue: try bytes.read(UInt64.self, at: 0))
        property = PartitionProperty(rawValue: try bytes.read(UInt32.self, at: 8))
        try bytes.requireZero(UInt32.self, at: 12)
        argument = try bytes.read(UInt64.self, at: 16)
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.zero(Self.size)
        try bytes.write(partition.rawValue, at: 0)
        try bytes.write(property.rawValue, at: 8)
        try bytes.write(argument, at: 16)
    }
}

/// A property of 64-bit masks: how many there are, and these, from the first on. The shape of
/// HV_PARTITION_PROPERTY_VMM_CAPABILITIES and HV_PARTITION_PROPERTY_ASSIGNABLE_SYNTHETIC_PROC_FEATURES.
package struct BankedProperty: Hashable, Sendable {
    /// Where the first bank stands.
    package static let headSize = 8
    /// What the output of HvCallGetPartitionPropertyEx has room for.
    package static let mostBanks = (GetPartitionPropertyExInput.outputSize - headSize) / 8

    /// At most `mostBanks`.
    package var banks: [UInt64]

    package init(banks: [UInt64]) { self.banks = Array(banks.prefix(Self.mostBanks)) }

    /// The bank, or none of its bits for one that is not there.
    package subscript(bank: Int) -> UInt64 { banks.indices.contains(bank) ? banks[bank] : 0 }

    /// - Throws: `invalidParameter` for more banks than there is room for; what is behind the head is not checked.
    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        let count = Int(try bytes.read(UInt16.self, at: 0))
        guard count <= Self.mostBanks else { throw HypercallStatus.invalidParameter }
        banks = []
        for bank in 0..<count { banks.append(try bytes.read(UInt64.self, at: Self.headSize + 8 * bank)) }
    }

    /// Writes all of the output of HvCallGetPartitionPropertyEx: what is not used is zero.
    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.zero(GetPartitionPropertyExInput.outputSize)
        try bytes.write(UInt16(clamping: banks.count), at: 0)
        for (bank, mask) in banks.enumerated() { try bytes.write(mask, at: Self.headSize + 8 * bank) }
    }
}

/// What the one who manages partitions may rely on: bank 0 of HV_PARTITION_PROPERTY_VMM_CAPABILITIES.
package enum VMMCapability: UInt8, CPUIDBit {
    case mapGPAPreserveAdjustable = 0
    /// Pages that the hypervisor shares can be the caller's own: state pages and statistics pages.
    case vmmCanProvideOverlayGPFN = 1
    case vpAffinityProperty = 2
    /// HV_PARTITION_PROPERTY_ASSIGNABLE_SYNTHETIC_PROC_FEATURES is there.
    case assignableSyntheticProcFeatures = 4
    case vmmEnableIntegratedScheduler = 6
}

/// What a guest finds of the hypervisor: bank 0 of HV_PARTITION_PROPERTY_SYNTHETIC_PROC_FEATURES, and of those that can
/// be given. Bits without a name here are reserved or of guests with trust levels.
package enum SyntheticProcessorFeature: UInt8, CPUIDBit {
    case hypervisorPresent = 0, hv1, accessVPRunTimeReg, accessPartitionReferenceCounter, accessSynICRegs
    case accessSyntheticTimerRegs = 5, accessIntrCtrlRegs, accessHypercallRegs, accessVPIndex
    case accessPartitionReferenceTSC = 9, accessGuestIdleReg, accessFrequencyRegs
    case enableExtendedGVARangesForFlushVirtualAddressList = 15
    case fastHypercallOutput = 18
    case startVirtualProcessor = 20
    case directSyntheticTimers = 22
    case extendedProcessorMasks = 24, tbFlushHypercalls, syntheticClusterIPI, notifyLongSpinWait, queryNUMADistance
    case signalEvents = 29, retargetDeviceInterrupt, restoreTime, enlightenedVMCS
    case accessVPRegs = 38
    case flushGuestPhysicalAddressSpace = 53
}
