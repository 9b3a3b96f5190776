extension SegmentRegister {
    /// All zero.
    package static let zero = SegmentRegister(base: 0, limit: 0, selector: 0, attributes: 0)
}

/// An exception that the root asked for (HV_X64_EXCEPTION_INTERCEPT_MESSAGE).
package struct ExceptionIntercept: MessagePayload {
    package static let size = 240

    package var header: InterceptMessageHeader
    package var vector: UInt16
    /// Nil where the exception has none.
    package var errorCode: UInt32?
    /// Raised by INT3, INTO or INT n.
    package var isSoftware: Bool
    /// CR2 of a page fault, DR6 of a debug exception.
    package var parameter: UInt64
    package var instruction: InstructionBytes
    package var ds: SegmentRegister
    package var ss: SegmentRegister
    package var general: GeneralRegisters

    /// RAX to R15 in the order of the message, which is that of their numbers in instructions.
    package struct GeneralRegisters: Hashable, Sendable {
        package var rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15: UInt64

        package static let zero = GeneralRegisters { _ in 0 }

        /// - Parameter value: the value of the register with this number, 0...15.
        package init<Failure: Error>(_ value: (Int) throws(Failure) -> UInt64) throws(Failure) {
            rax = try value(0)
            rcx = try value(1)
            rdx = try value(2)
            rbx = try value(3)
            rsp = try value(4)
            rbp = try value(5)
            rsi = try value(6)
            rdi = try value(7)
            r8 = try value(8)
            r9 = try value(9)
            r10 = try value(10)
            r11 = try value(11)
            r12 = try value(12)
            r13 = try value(13)
            r14 = try value(14)
            r15 = try value(15)
        }

        package var all: [UInt64] {
            [rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15]
        }
    }

    package init(
        header: InterceptMessageHeader, vector: UInt16, errorCode: UInt32? = nil, isSoftware: Bool = false,
        parameter: UInt64 = 0, instruction: InstructionBytes = .none, ds: SegmentRegister = .zero,
        ss: SegmentRegister = .zero, general: GeneralRegisters = .zero
    ) {
        self.header = header
        self.vector = vector
        self.errorCode = errorCode
        self.isSoftware = isSoftware
        self.parameter = parameter
        self.instruction = instruction
        self.ds = ds
        self.ss = ss
        self.general = general
    }

    package init(decoding payload: PayloadReader) throws(MessageError) {
        header = try InterceptMessageHeader(decoding: payload)
        vector = try payload.read(UInt16.self, at: 40)
        let info = try payload.read(UInt8.self, at: 42)
        let code = try payload.read(UInt32.self, at: 44)
        errorCode = info & 1 != 0 ? code : nil
        isSoftware = info & 2 != 0
        parameter = try payload.read(UInt64.self, at: 48)
        instruction = try payload.instruction(countAt: 43, bytesAt: 64)
        ds = try payload.segment(at: 80)
        ss = try payload.segment(at: 96)
        general = try GeneralRegisters { number throws(MessageError) in
            try payload.read(UInt64.self, at: 112 + 8 * number)
        }
    }

    package func encode(into payload: PayloadWriter) throws(MessageError) {
        try header.encode(into: payload)
        try payload.write(vector, at: 40)
        try payload.write((errorCode == nil ? 0 : 1) | (isSoftware ? 2 : 0) as UInt8, at: 42)
        try payload.write(errorCode ?? 0, at: 44)
        try payload.write(parameter, at: 48)
        try payload.write(instruction, countAt: 43, bytesAt: 64)
        try payload.write(ds, at: 80)
        try payload.write(ss, at: 96)
        for (number, register) in general.all.enumerated() { try payload.write(register, at: 112 + 8 * number) }
    }
}

/// A guest's hypercall that the root has to answer (HV_X64_HYPERCALL_INTERCEPT_MESSAGE).
package struct HypercallIntercept: MessagePayload {
    /// The last four bytes say whether the guest is isolated; a hypervisor that leaves them out is taken at its word.
    package static let size = 192
    package static let encodedSize = 196

    package var header: InterceptMessageHeader
    /// In long mode RCX has the control word, RDX and R8 the addresses of input and output (TLFS, "Hypercall
    /// Interface").
    package var rax, rbx, rcx, rdx, r8, rsi, rdi: UInt64
    package var xmm0, xmm1, xmm2, xmm3, xmm4, xmm5: RegisterValue
    package var isIsolated: Bool

    package init(
        header: InterceptMessageHeader, rax: UInt64 = 0, rbx: UInt64 = 0, rcx: UInt64, rdx: UInt64, r8: UInt64,
        rsi: UInt64 = 0, rdi: UInt64 = 0, isIsolated: Bool = false
    ) {
        self.header = header
        self.rax = rax
        self.rbx = rbx
        self.rcx = rcx
        self.rdx = rdx
        self.r8 = r8
        self.rsi = rsi
        self.rdi = rdi
        (xmm0, xmm1, xmm2) = (RegisterValue(0), RegisterValue(0), RegisterValue(0))
        (xmm3, xmm4, xmm5) = (RegisterValue(0), RegisterValue(0), RegisterValue(0))
        self.isIsolated = isIsolated
    }

    package init(decoding payload: PayloadReader) throws(MessageError) {
        header = try InterceptMessageHeader(decoding: payload)
        rax = try payload.read(UInt64.self, at: 40)
        rbx = try payload.read(UInt64.self, at: 48)
        rcx = try payload.read(UInt64.self, at: 56)
        rdx = try payload.read(UInt64.self, at: 64)
        r8 = try payload.read(UInt64.self, at: 72)
        rsi = try payload.read(UInt64.self, at: 80)
        rdi = try payload.read(UInt64.self, at: 88)
        xmm0 = try payload.value(at: 96)
        xmm1 = try payload.value(at: 112)
        xmm2 = try payload.value(at: 128)
        xmm3 = try payload.value(at: 144)
        xmm4 = try payload.value(at: 160)
        xmm5 = try payload.value(at: 176)
        isIsolated = payload.count >= Self.encodedSize ? try payload.read(UInt32.self, at: 192) & 1 != 0 : false
    }

    package func encode(into payload: PayloadWriter) throws(MessageError) {
        try header.encode(into: payload)
        for (index, register) in [rax, rbx, rcx, rdx, r8, rsi, rdi].enumerated() {
            try payload.write(register, at: 40 + 8 * index)
        }
        for (index, register) in [xmm0, xmm1, xmm2, xmm3, xmm4, xmm5].enumerated() {
            try payload.write(register, at: 96 + 16 * index)
        }
        try payload.write((isIsolated ? 1 : 0) as UInt32, at: 192)
    }
}

/// An access to a register that the root watches (HV_X64_REGISTER_INTERCEPT_MESSAGE).
package struct RegisterIntercept: MessagePayload {
    package static let size = 64

    package var header: InterceptMessageHeader
    /// Whether the instruction moves between the register and memory.
    package var isMemoryOperation: Bool
    package var register: RegisterName
    /// A union: the value that would be written, or the other operand (register number or address in the low bits).
    package var operand: RegisterValue

    package init(
        header: InterceptMessageHeader, register: RegisterName, operand: RegisterValue, isMemoryOperation: Bool = false
    ) {
        self.header = header
        self.isMemoryOperation = isMemoryOperation
        self.register = register
        self.operand = operand
    }

    package init(decoding payload: PayloadReader) throws(MessageError) {
        header = try InterceptMessageHeader(decoding: payload)
        isMemoryOperation = try payload.read(UInt8.self, at: 40) & 1 != 0
        register = RegisterName(rawValue: try payload.read(UInt32.self, at: 44))
        operand = try payload.value(at: 48)
    }

    package func encode(into payload: PayloadWriter) throws(MessageError) {
        try header.encode(into: payload)
        try payload.write((isMemoryOperation ? 1 : 0) as UInt8, at: 40)
        try payload.write(register.rawValue, at: 44)
        try payload.write(operand, at: 48)
    }
}
