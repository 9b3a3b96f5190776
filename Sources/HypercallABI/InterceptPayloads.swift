/// An access to guest memory that the hypervisor could not do (HV_X64_MEMORY_INTERCEPT_MESSAGE).
package struct MemoryIntercept: MessagePayload {
    package static let size = 80

    package var header: InterceptMessageHeader
    package var cacheType: UInt32
    package var info: MemoryAccessInfo
    package var tprPriority: UInt8
    /// Valid where `info` says so.
    package var linearAddress: UInt64
    package var gpa: UInt64
    package var instruction: InstructionBytes

    /// What is known of the access (HV_X64_MEMORY_ACCESS_INFO).
    package struct MemoryAccessInfo: OptionSet, Hashable, Sendable {
        package let rawValue: UInt8
        package init(rawValue: UInt8) { self.rawValue = rawValue }

        package static let gvaValid = MemoryAccessInfo(rawValue: 1 << 0)
        /// The linear address leads to `gpa`: the access is not one of the page tables' walk.
        package static let gvaGPAValid = MemoryAccessInfo(rawValue: 1 << 1)
        package static let hypercallOutputPending = MemoryAccessInfo(rawValue: 1 << 2)
        package static let tlbLockedNoOverlay = MemoryAccessInfo(rawValue: 1 << 3)
    }

    package init(
        header: InterceptMessageHeader, gpa: UInt64, linearAddress: UInt64 = 0, info: MemoryAccessInfo = [],
        instruction: InstructionBytes = .none, cacheType: UInt32 = 0, tprPriority: UInt8 = 0
    ) {
        self.header = header
        self.cacheType = cacheType
        self.info = info
        self.tprPriority = tprPriority
        self.linearAddress = linearAddress
        self.gpa = gpa
        self.instruction = instruction
    }

    package init(decoding payload: PayloadReader) throws(MessageError) {
        header = try InterceptMessageHeader(decoding: payload)
        cacheType = try payload.read(UInt32.self, at: 40)
        info = MemoryAccessInfo(rawValue: try payload.read(UInt8.self, at: 45))
        tprPriority = try payload.read(UInt8.self, at: 46)
        linearAddress = try payload.read(UInt64.self, at: 48)
        gpa = try payload.read(UInt64.self, at: 56)
        instruction = try payload.instruction(countAt: 44, bytesAt: 64)
    }

    package func encode(into payload: PayloadWriter) throws(MessageError) {
        try header.encode(into: payload)
        try payload.write(cacheType, at: 40)
        try payload.write(info.rawValue, at: 45)
        try payload.write(tprPriority, at: 46)
        try payload.write(linearAddress, at: 48)
        try payload.write(gpa, at: 56)
        try payload.write(instruction, countAt: 44, bytesAt: 64)
    }
}

/// An IN, OUT, INS or OUTS (HV_X64_IO_PORT_INTERCEPT_MESSAGE).
package struct IOPortIntercept: MessagePayload {
    package static let size = 128

    package var header: InterceptMessageHeader
    package var port: UInt16
    /// 1, 2 or 4 bytes.
    package var accessSize: UInt8
    package var isString: Bool
    package var isRepeated: Bool
    package var instruction: InstructionBytes
    package var rax: UInt64
    /// The segments and registers of a string instruction.
    package var ds: SegmentRegister
    package var es: SegmentRegister
    package var rcx: UInt64
    package var rsi: UInt64
    package var rdi: UInt64

    package init(
        header: InterceptMessageHeader, port: UInt16, accessSize: UInt8, rax: UInt64, isString: Bool = false,
        isRepeated: Bool = false, instruction: InstructionBytes = .none, ds: SegmentRegister = .zero,
        es: SegmentRegister = .zero, rcx: UInt64 = 0, rsi: UInt64 = 0, rdi: UInt64 = 0
    ) {
        self.header = header
        self.port = port
        self.accessSize = accessSize
        self.isString = isString
        self.isRepeated = isRepeated
        self.instruction = instruction
        self.rax = rax
        self.ds = ds
        self.es = es
        self.rcx = rcx
        self.rsi = rsi
        self.rdi = rdi
    }

    package init(decoding payload: PayloadReader) throws(MessageError) {
        header = try InterceptMessageHeader(decoding: payload)
        port = try payload.read(UInt16.self, at: 40)
        let info = try payload.read(UInt8.self, at: 42)
        accessSize = info & 0x7
        isString = info & 1 << 3 != 0
        isRepeated = info & 1 << 4 != 0
        instruction = try payload.instruction(countAt: 43, bytesAt: 56)
        rax = try payload.read(UInt64.self, at: 48)
        ds = try payload.segment(at: 72)
        es = try payload.segment(at: 88)
        rcx = try payload.read(UInt64.self, at: 104)
        rsi = try payload.read(UInt64.self, at: 112)
        rdi = try payload.read(UInt64.self, at: 120)
        try Self.check(accessSize, payload.type)
    }

    package func encode(into payload: PayloadWriter) throws(MessageError) {
        try Self.check(accessSize, payload.type)
        try header.encode(into: payload)
        try payload.write(port, at: 40)
        try payload.write(accessSize | (isString ? 1 << 3 : 0) | (isRepeated ? 1 << 4 : 0), at: 42)
        try payload.write(instruction, countAt: 43, bytesAt: 56)
        try payload.write(rax, at: 48)
        try payload.write(ds, at: 72)
        try payload.write(es, at: 88)
        try payload.write(rcx, at: 104)
        try payload.write(rsi, at: 112)
        try payload.write(rdi, at: 120)
    }

    private static func check(_ size: UInt8, _ type: MessageType) throws(MessageError) {
        guard size == 1 || size == 2 || size == 4 else {
            throw MessageError.badField("access size", value: UInt64(size), in: type)
        }
    }
}

/// A RDMSR or WRMSR (HV_X64_MSR_INTERCEPT_MESSAGE).
package struct MSRIntercept: MessagePayload {
    package static let size = 64

    package var header: InterceptMessageHeader
    package var msr: UInt32
    package var rdx: UInt64
    package var rax: UInt64

    package init(header: InterceptMessageHeader, msr: UInt32, rdx: UInt64 = 0, rax: UInt64 = 0) {
        self.header = header
        self.msr = msr
        self.rdx = rdx
        self.rax = rax
    }

    package init(decoding payload: PayloadReader) throws(MessageError) {
        header = try InterceptMessageHeader(decoding: payload)
        msr = try payload.read(UInt32.self, at: 40)
        rdx = try payload.read(UInt64.self, at: 48)
        rax = try payload.read(UInt64.self, at: 56)
    }

    package func encode(into payload: PayloadWriter) throws(MessageError) {
        try header.encode(into: payload)
        try payload.write(msr, at: 40)
        try payload.write(rdx, at: 48)
        try payload.write(rax, at: 56)
    }

    /// The value of a WRMSR: EDX and EAX.
    package var value: UInt64 { rdx << 32 | rax & 0xFFFF_FFFF }
}

/// A CPUID (HV_X64_CPUID_INTERCEPT_MESSAGE).
package struct CPUIDIntercept: MessagePayload {
    package static let size = 104

    package var header: InterceptMessageHeader
    /// The registers before the instruction: EAX has the leaf, ECX the subleaf.
    package var rax, rcx, rdx, rbx: UInt64
    /// What the hypervisor would have answered.
    package var defaultRAX, defaultRCX, defaultRDX, defaultRBX: UInt64

    package init(
        header: InterceptMessageHeader, rax: UInt64, rcx: UInt64, rdx: UInt64, rbx: UInt64, defaultRAX: UInt64 = 0,
        defaultRCX: UInt64 = 0, defaultRDX: UInt64 = 0, defaultRBX: UInt64 = 0
    ) {
        self.header = header
        self.rax = rax
        self.rcx = rcx
        self.rdx = rdx
        self.rbx = rbx
        self.defaultRAX = defaultRAX
        self.defaultRCX = defaultRCX
        self.defaultRDX = defaultRDX
        self.defaultRBX = defaultRBX
    }

    package init(decoding payload: PayloadReader) throws(MessageError) {
        header = try InterceptMessageHeader(decoding: payload)
        rax = try payload.read(UInt64.self, at: 40)
        rcx = try payload.read(UInt64.self, at: 48)
        rdx = try payload.read(UInt64.self, at: 56)
        rbx = try payload.read(UInt64.self, at: 64)
        defaultRAX = try payload.read(UInt64.self, at: 72)
        defaultRCX = try payload.read(UInt64.self, at: 80)
        defaultRDX = try payload.read(UInt64.self, at: 88)
        defaultRBX = try payload.read(UInt64.self, at: 96)
    }

    package func encode(into payload: PayloadWriter) throws(MessageError) {
        try header.encode(into: payload)
        let registers = [rax, rcx, rdx, rbx, defaultRAX, defaultRCX, defaultRDX, defaultRBX]
        for (index, register) in registers.enumerated() { try payload.write(register, at: 40 + 8 * index) }
    }
}

/// Only the common header: HLT (HV_X64_HALT_MESSAGE) and a triple fault (HV_X64_UNRECOVERABLE_EXCEPTION_MESSAGE).
package struct BareIntercept: MessagePayload {
    package static let size = 40

    package var header: InterceptMessageHeader

    package init(header: InterceptMessageHeader) { self.header = header }
    package init(decoding payload: PayloadReader) throws(MessageError) {
        header = try InterceptMessageHeader(decoding: payload)
    }
    package func encode(into payload: PayloadWriter) throws(MessageError) { try header.encode(into: payload) }
}
