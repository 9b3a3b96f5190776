/// What a guest does that its parent can intercept (HV_INTERCEPT_TYPE, TLFS, "Intercepts"). Unknown types survive a
/// round trip.
package struct InterceptType: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    package static let ioPort = InterceptType(rawValue: 0x0)
    package static let msr = InterceptType(rawValue: 0x1)
    package static let cpuid = InterceptType(rawValue: 0x2)
    package static let exception = InterceptType(rawValue: 0x3)
    package static let mmio = InterceptType(rawValue: 0x5)
    package static let globalCPUID = InterceptType(rawValue: 0x6)
    package static let apicSMI = InterceptType(rawValue: 0x7)
    package static let hypercall = InterceptType(rawValue: 0x8)
    package static let apicInitSIPI = InterceptType(rawValue: 0x9)
    package static let updatePatchLevelMSRRead = InterceptType(rawValue: 0xA)
    package static let apicWrite = InterceptType(rawValue: 0xB)
    package static let msrIndex = InterceptType(rawValue: 0xC)
    package static let unknownSynICConnection = InterceptType(rawValue: 0xD)
    package static let apicEOI = InterceptType(rawValue: 0xE)
    package static let retargetUnknownDevice = InterceptType(rawValue: 0xF)
    package static let ioPortRange = InterceptType(rawValue: 0x11)

    /// Every type with a known meaning.
    package static let known: Set<InterceptType> = [
        .ioPort, .msr, .cpuid, .exception, .mmio, .globalCPUID, .apicSMI, .hypercall, .apicInitSIPI,
        .updatePatchLevelMSRRead, .apicWrite, .msrIndex, .unknownSynICConnection, .apicEOI, .retargetUnknownDevice,
        .ioPortRange,
    ]
}

/// Which accesses are intercepted (HV_INTERCEPT_ACCESS_TYPE_MASK).
package struct InterceptAccessMask: OptionSet, Hashable, Sendable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    package static let read = InterceptAccessMask(rawValue: 0x1)
    package static let write = InterceptAccessMask(rawValue: 0x2)
    package static let execute = InterceptAccessMask(rawValue: 0x4)
    /// Every bit with a meaning.
    package static let known: InterceptAccessMask = [.read, .write, .execute]
}

/// HvCallInstallIntercept: the input.
package struct InstallInterceptInput: HypercallStructure, Hashable {
    package static let size = 24

    package var partition: PartitionID
    /// Empty takes the intercept back.
    package var access: InterceptAccessMask
    package var type: InterceptType
    /// HV_INTERCEPT_PARAMETERS: the port, the leaf, the vector or the MSR's index, by `type`.
    package var parameter: UInt64

    package init(partition: PartitionID, access: InterceptAccessMask, type: InterceptType, parameter: UInt64) {
        self.partition = partition
        self.access = access
        self.type = type
        self.parameter = parameter
    }

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        partition = PartitionID(rawValue: try bytes.read(UInt64.self, at: 0))
        access = InterceptAccessMask(rawValue: try bytes.read(UInt32.self, at: 8))
        type = InterceptType(rawValue: try bytes.read(UInt32.self, at: 12))
        parameter = try bytes.read(UInt64.self, at: 16)
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.write(partition.rawValue, at: 0)
        try bytes.write(access.rawValue, at: 8)
        try bytes.write(type.rawValue, at: 12)
        try bytes.write(parameter, at: 16)
    }
}

/// What CPUID is to give the guest instead (HV_REGISTER_X64_CPUID_RESULT_PARAMETERS).
package struct CPUIDResultParameters: HypercallStructure, Hashable {
    package static let size = 44

    package var leaf: UInt32
    package var subleaf: UInt32
    /// Whether only `subleaf` is meant and not every one.
    package var isSubleafSpecific: Bool
    /// Whether it counts also where the hypervisor's own result is all zero.
    package var alwaysOverrides: Bool
    package var values: CPUIDRegisters
    /// Set bits are those that are taken from `values`.
    package var masks: CPUIDRegisters

    package init(
        leaf: UInt32, subleaf: UInt32 = 0, isSubleafSpecific: Bool = false, alwaysOverrides: Bool = false,
        values: CPUIDRegisters, masks: CPUIDRegisters
    ) {
        self.leaf = leaf
        self.subleaf = subleaf
        self.isSubleafSpecific = isSubleafSpecific
        self.alwaysOverrides = alwaysOverrides
        self.values = values
        self.masks = masks
    }

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        leaf = try bytes.read(UInt32.self, at: 0)
        subleaf = try bytes.read(UInt32.self, at: 4)
        isSubleafSpecific = try Self.flag(bytes, at: 8)
        alwaysOverrides = try Self.flag(bytes, at: 9)
        try bytes.requireZero(UInt16.self, at: 10)
        values = CPUIDRegisters()
        masks = CPUIDRegisters()
        values.eax = try bytes.read(UInt32.self, at: 12)
        masks.eax = try bytes.read(UInt32.self, at: 16)
        values.ebx = try bytes.read(UInt32.self, at: 20)
        masks.ebx = try bytes.read(UInt32.self, at: 24)
        values.ecx = try bytes.read(UInt32.self, at: 28)
        masks.ecx = try bytes.read(UInt32.self, at: 32)
        values.edx = try bytes.read(UInt32.self, at: 36)
        masks.edx = try bytes.read(UInt32.self, at: 40)
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.zero(Self.size)
        try bytes.write(leaf, at: 0)
        try bytes.write(subleaf, at: 4)
        try bytes.write(isSubleafSpecific ? 1 : 0 as UInt8, at: 8)
        try bytes.write(alwaysOverrides ? 1 : 0 as UInt8, at: 9)
        try bytes.write(values.eax, at: 12)
        try bytes.write(masks.eax, at: 16)
        try bytes.write(values.ebx, at: 20)
        try bytes.write(masks.ebx, at: 24)
        try bytes.write(values.ecx, at: 28)
        try bytes.write(masks.ecx, at: 32)
        try bytes.write(values.edx, at: 36)
        try bytes.write(masks.edx, at: 40)
    }

    private static func flag(_ bytes: ByteReader, at offset: Int) throws(HypercallStatus) -> Bool {
        let value = try bytes.read(UInt8.self, at: offset)
        guard value <= 1 else { throw HypercallStatus.invalidParameter }
        return value == 1
    }
}

/// What an access to an MSR does that the hypervisor does not have (HV_UNIMPLEMENTED_MSR_ACTION).
package enum UnimplementedMSRAction: UInt32, Sendable {
    case fault = 0
    case ignoreWriteReadZero = 1
}

/// What accesses to an MSR do instead (HV_REGISTER_X64_MSR_RESULT_PARAMETERS).
package struct MSRResultParameters: HypercallStructure, Hashable {
    package static let size = 12

    package var index: UInt32
    package var access: InterceptAccessMask
    package var action: UnimplementedMSRAction

    package init(index: UInt32, access: InterceptAccessMask, action: UnimplementedMSRAction) {
        self.index = index
        self.access = access
        self.action = action
    }

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        index = try bytes.read(UInt32.self, at: 0)
        access = InterceptAccessMask(rawValue: try bytes.read(UInt32.self, at: 4))
        guard let known = UnimplementedMSRAction(rawValue: try bytes.read(UInt32.self, at: 8)) else {
            throw HypercallStatus.invalidParameter
        }
        action = known
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.write(index, at: 0)
        try bytes.write(access.rawValue, at: 4)
        try bytes.write(action.rawValue, at: 8)
    }
}

/// HvCallRegisterInterceptResult: the input.
package struct RegisterInterceptResultInput: HypercallStructure, Hashable {
    package static let size = 60

    package enum Parameters: Hashable, Sendable {
        case cpuid(CPUIDResultParameters)
        case msr(MSRResultParameters)
    }

    package var partition: PartitionID
    package var index: VPIndex
    package var parameters: Parameters

    package init(partition: PartitionID, index: VPIndex, parameters: Parameters) {
        self.partition = partition
        self.index = index
        self.parameters = parameters
    }

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        partition = PartitionID(rawValue: try bytes.read(UInt64.self, at: 0))
        index = try bytes.read(UInt32.self, at: 8)
        // The union is as long as its longest member, whatever the type.
        _ = try bytes.read(UInt32.self, at: Self.size - 4)
        switch InterceptType(rawValue: try bytes.read(UInt32.self, at: 12)) {
        case .cpuid: parameters = .cpuid(try CPUIDResultParameters(decoding: bytes.from(16)))
        case .msr: parameters = .msr(try MSRResultParameters(decoding: bytes.from(16)))
        default: throw HypercallStatus.invalidParameter
        }
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.zero(Self.size)
        try bytes.write(partition.rawValue, at: 0)
        try bytes.write(index, at: 8)
        switch parameters {
        case .cpuid(let cpuid):
            try bytes.write(InterceptType.cpuid.rawValue, at: 12)
            try cpuid.encode(into: bytes.from(16))
        case .msr(let msr):
            try bytes.write(InterceptType.msr.rawValue, at: 12)
            try msr.encode(into: bytes.from(16))
        }
    }
}
