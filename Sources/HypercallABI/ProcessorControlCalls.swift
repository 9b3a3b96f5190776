/// HvCallGetVpCpuidValues: the input's head.
package struct CPUIDValuesInput: HypercallStructure, Hashable {
    package static let size = 24
    package static let outputElementSize = 16

    package var partition: PartitionID
    package var index: VPIndex
    /// Whether XCR0 and IA32_XSS are the processor's and not those of the list.
    package var usesProcessorFeatures: Bool
    /// Whether HvCallRegisterInterceptResult's results count.
    package var appliesRegisteredResults: Bool

    package init(
        partition: PartitionID, index: VPIndex, usesProcessorFeatures: Bool, appliesRegisteredResults: Bool
    ) {
        self.partition = partition
        self.index = index
        self.usesProcessorFeatures = usesProcessorFeatures
        self.appliesRegisteredResults = appliesRegisteredResults
    }

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        partition = PartitionID(rawValue: try bytes.read(UInt64.self, at: 0))
        index = try bytes.read(UInt32.self, at: 8)
        let flags = try bytes.read(UInt32.self, at: 12)
        guard flags <= 0x3 else { throw HypercallStatus.invalidParameter }
        usesProcessorFeatures = flags & 0x1 != 0
        appliesRegisteredResults = flags & 0x2 != 0
        try bytes.requireZero(UInt32.self, at: 16)
        try bytes.requireZero(UInt32.self, at: 20)
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.zero(Self.size)
        try bytes.write(partition.rawValue, at: 0)
        try bytes.write(index, at: 8)
        try bytes.write((usesProcessorFeatures ? 0x1 : 0) | (appliesRegisteredResults ? 0x2 : 0) as UInt32, at: 12)
    }
}

/// An element of HvCallGetVpCpuidValues' list (HV_CPUID_LEAF_INFO).
package struct CPUIDLeaf: HypercallStructure, Hashable {
    package static let size = 24

    package var leaf: UInt32
    package var subleaf: UInt32
    package var xfem: UInt64
    package var xss: UInt64

    package init(leaf: UInt32, subleaf: UInt32 = 0, xfem: UInt64 = 0, xss: UInt64 = 0) {
        self.leaf = leaf
        self.subleaf = subleaf
        self.xfem = xfem
        self.xss = xss
    }

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        leaf = try bytes.read(UInt32.self, at: 0)
        subleaf = try bytes.read(UInt32.self, at: 4)
        xfem = try bytes.read(UInt64.self, at: 8)
        xss = try bytes.read(UInt64.self, at: 16)
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.write(leaf, at: 0)
        try bytes.write(subleaf, at: 4)
        try bytes.write(xfem, at: 8)
        try bytes.write(xss, at: 16)
    }
}

extension CPUIDRegisters: HypercallStructure {
    package static let size = 16

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        self.init(
            eax: try bytes.read(UInt32.self, at: 0), ebx: try bytes.read(UInt32.self, at: 4),
            ecx: try bytes.read(UInt32.self, at: 8), edx: try bytes.read(UInt32.self, at: 12))
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.write(eax, at: 0)
        try bytes.write(ebx, at: 4)
        try bytes.write(ecx, at: 8)
        try bytes.write(edx, at: 12)
    }
}

/// HvCallGetLogicalProcessorRunTime: the output.
package struct LogicalProcessorRunTime: HypercallStructure, Hashable {
    package static let size = 32

    /// All times are in units of 100 ns. Since the host started.
    package var global: UInt64
    /// The processor was not idle.
    package var local: UInt64
    /// The processor was the hypervisor's.
    package var hypervisor: UInt64

    package init(global: UInt64, local: UInt64, hypervisor: UInt64) {
        self.global = global
        self.local = local
        self.hypervisor = hypervisor
    }

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        global = try bytes.read(UInt64.self, at: 0)
        local = try bytes.read(UInt64.self, at: 8)
        hypervisor = try bytes.read(UInt64.self, at: 24)
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.zero(Self.size)
        try bytes.write(global, at: 0)
        try bytes.write(local, at: 8)
        try bytes.write(hypervisor, at: 24)
    }
}

/// What a dispatch does besides (HV_DISPATCH_VP_FLAG).
package struct DispatchVPFlags: OptionSet, Hashable, Sendable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    package static let clearInterceptSuspend = DispatchVPFlags(rawValue: 0x1)
    package static let enableCallerInterrupts = DispatchVPFlags(rawValue: 0x2)
    package static let setCallerSpecCtrl = DispatchVPFlags(rawValue: 0x4)
    package static let skipVPSpecFlush = DispatchVPFlags(rawValue: 0x8)
    package static let skipCallerSpecFlush = DispatchVPFlags(rawValue: 0x10)
    package static let skipCallerUserSpecFlush = DispatchVPFlags(rawValue: 0x20)
    package static let scanInterruptInjection = DispatchVPFlags(rawValue: 0x40)
    /// Every bit with a meaning.
    package static let known = DispatchVPFlags(rawValue: 0x7F)
}

/// HvCallDispatchVp: the input.
package struct DispatchVPInput: HypercallStructure, Hashable {
    package static let size = 32

    package var partition: PartitionID
    package var index: VPIndex
    package var flags: DispatchVPFlags
    /// 0: until something happens.
    package var timeSlice: UInt64
    package var specCtrl: UInt64

    package init(
        partition: PartitionID, index: VPIndex, flags: DispatchVPFlags = [], timeSlice: UInt64 = 0, specCtrl: UInt64 = 0
    ) {
        self.partition = partition
        self.index = index
        self.flags = flags
        self.timeSlice = timeSlice
        self.specCtrl = specCtrl
    }

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        partition = PartitionID(rawValue: try bytes.read(UInt64.self, at: 0))
        index = try bytes.read(UInt32.self, at: 8)
        flags = DispatchVPFlags(rawValue: try bytes.read(UInt32.self, at: 12))
        timeSlice = try bytes.read(UInt64.self, at: 16)
        specCtrl = try bytes.read(UInt64.self, at: 24)
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.write(partition.rawValue, at: 0)
        try bytes.write(index, at: 8)
        try bytes.write(flags.rawValue, at: 12)
        try bytes.write(timeSlice, at: 16)
        try bytes.write(specCtrl, at: 24)
    }
}

/// HvCallDispatchVp: the output, why the processor came back.
package struct DispatchVPOutput: HypercallStructure, Hashable {
    package static let size = 8

    /// HV_VP_DISPATCH_STATE. Unknown states survive a round trip.
    package struct State: RawRepresentable, Hashable, Sendable {
        package let rawValue: UInt32
        package init(rawValue: UInt32) { self.rawValue = rawValue }
        package static let blocked = State(rawValue: 1)
        package static let ready = State(rawValue: 2)
    }

    /// HV_VP_DISPATCH_EVENT. Unknown events survive a round trip.
    package struct Event: RawRepresentable, Hashable, Sendable {
        package let rawValue: UInt32
        package init(rawValue: UInt32) { self.rawValue = rawValue }
        package static let none = Event(rawValue: 0)
        package static let suspend = Event(rawValue: 1)
        package static let intercept = Event(rawValue: 2)
    }

    package var state: State
    package var event: Event

    package init(state: State, event: Event) {
        self.state = state
        self.event = event
    }

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        state = State(rawValue: try bytes.read(UInt32.self, at: 0))
        event = Event(rawValue: try bytes.read(UInt32.self, at: 4))
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.write(state.rawValue, at: 0)
        try bytes.write(event.rawValue, at: 4)
    }
}

/// The registers a processor starts with (HV_INITIAL_VP_CONTEXT), as values by name.
package struct InitialVPContext: HypercallStructure, Hashable {
    package static let size = 224

    package var rip: UInt64 = 0
    package var rsp: UInt64 = 0
    package var rflags: UInt64 = 0
    /// CS, DS, ES, FS, GS, SS, TR, LDTR, IDTR, GDTR in the layout of registers.
    package private(set) var descriptors: [RegisterValue]
    package var efer: UInt64 = 0
    package var cr0: UInt64 = 0
    package var cr3: UInt64 = 0
    package var cr4: UInt64 = 0
    package var pat: UInt64 = 0

    package static let descriptorNames: [RegisterName] = [
        .cs, .ds, .es, .fs, .gs, .ss, .tr, .ldtr, .idtr, .gdtr,
    ]

    package init() { descriptors = Array(repeating: RegisterValue(0), count: Self.descriptorNames.count) }

    /// Sets one of `descriptorNames`; any other name is ignored.
    package mutating func set(_ name: RegisterName, _ value: RegisterValue) {
        guard let index = Self.descriptorNames.firstIndex(of: name) else { return }
        descriptors[index] = value
    }

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        self.init()
        rip = try bytes.read(UInt64.self, at: 0)
        rsp = try bytes.read(UInt64.self, at: 8)
        rflags = try bytes.read(UInt64.self, at: 16)
        for index in descriptors.indices {
            descriptors[index] = try RegisterValue(decoding: bytes.from(24 + RegisterValue.size * index))
        }
        efer = try bytes.read(UInt64.self, at: 184)
        cr0 = try bytes.read(UInt64.self, at: 192)
        cr3 = try bytes.read(UInt64.self, at: 200)
        cr4 = try bytes.read(UInt64.self, at: 208)
        pat = try bytes.read(UInt64.self, at: 216)
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.write(rip, at: 0)
        try bytes.write(rsp, at: 8)
        try bytes.write(rflags, at: 16)
        for (index, value) in descriptors.enumerated() {
            try value.encode(into: bytes.from(24 + RegisterValue.size * index))
        }
        try bytes.write(efer, at: 184)
        try bytes.write(cr0, at: 192)
        try bytes.write(cr3, at: 200)
        try bytes.write(cr4, at: 208)
        try bytes.write(pat, at: 216)
    }

    /// All of it, in an order in which a processor can take it.
    package var registers: [RegisterAssociation] {
        [
            RegisterAssociation(.efer, efer), RegisterAssociation(.cr4, cr4), RegisterAssociation(.cr3, cr3),
            RegisterAssociation(.cr0, cr0), RegisterAssociation(.pat, pat),
        ]
            + zip(Self.descriptorNames, descriptors).map { RegisterAssociation($0, $1) }
            + [
                RegisterAssociation(.rip, rip), RegisterAssociation(.rsp, rsp), RegisterAssociation(.rflags, rflags),
            ]
    }
}

/// HvCallStartVirtualProcessor and HvCallEnableVpVtl: the input (HV_ENABLE_VP_VTL).
package struct StartVPInput: HypercallStructure, Hashable {
    package static let size = 240

    package var partition: PartitionID
    package var index: VPIndex
    /// The trust level itself, in its bits 0..3.
    package var vtl: InputVTL
    package var context: InitialVPContext

    package init(
        partition: PartitionID, index: VPIndex, vtl: InputVTL = .current, context: InitialVPContext = InitialVPContext()
    ) {
        self.partition = partition
        self.index = index
        self.vtl = vtl
        self.context = context
    }

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        partition = PartitionID(rawValue: try bytes.read(UInt64.self, at: 0))
        index = try bytes.read(UInt32.self, at: 8)
        vtl = try InputVTL(rawValue: bytes.read(UInt8.self, at: 12))
        try bytes.requireZero(UInt8.self, at: 13)
        try bytes.requireZero(UInt16.self, at: 14)
        context = try InitialVPContext(decoding: bytes.from(16))
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.zero(Self.size)
        try bytes.write(partition.rawValue, at: 0)
        try bytes.write(index, at: 8)
        try bytes.write(vtl.rawValue, at: 12)
        try context.encode(into: bytes.from(16))
    }
}

/// HvCallGetVpIndexFromApicId: the input's head. The list is APIC ids, and the output processor indices, 4 bytes each.
package struct VPIndexFromAPICIDInput: HypercallStructure, Hashable {
    package static let size = 16
    package static let elementSize = 4

    package var partition: PartitionID
    package var vtl: InputVTL

    package init(partition: PartitionID, vtl: InputVTL = .current) {
        self.partition = partition
        self.vtl = vtl
    }

    package init(decoding bytes: ByteReader) throws(HypercallStatus) {
        partition = PartitionID(rawValue: try bytes.read(UInt64.self, at: 0))
        vtl = try InputVTL(rawValue: bytes.read(UInt8.self, at: 8))
        // 7 reserved bytes: one, two, four.
        try bytes.requireZero(UInt8.self, at: 9)
        try bytes.requireZero(UInt16.self, at: 10)
        try bytes.requireZero(UInt32.self, at: 12)
    }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) {
        try bytes.zero(Self.size)
        try bytes.write(partition.rawValue, at: 0)
        try bytes.write(vtl.rawValue, at: 8)
    }
}

/// HvCallGetLogicalProcessorRunTime: the input.
package struct LogicalProcessorIndex: HypercallStructure, Hashable {
    package static let size = 4

    package var index: UInt32

    package init(_ index: UInt32) { self.index = index }

    package init(decoding bytes: ByteReader) throws(HypercallStatus) { index = try bytes.read(UInt32.self, at: 0) }

    package func encode(into bytes: ByteWriter) throws(HypercallStatus) { try bytes.write(index, at: 0) }
}
