import HypercallABI
import HypercallCore
import Hypervisor
import InstructionEmulator

/// An instruction that the hypervisor stopped and that is not finished.
enum PendingIntercept {
    case portRead(IOPortIntercept)
    /// An instruction in emulation, with the registers before it.
    case emulation(InstructionEmulation, GuestState, VPAddressSpace, InterceptMessageHeader)
    case msrRead(MSRIntercept)
    case msrWrite(MSRIntercept)
    case cpuid(CPUIDIntercept)
    case exception(ExceptionIntercept)
    case hypercall(HypercallIntercept)
}

/// From messages to exits. All of it inside the gate.
extension MshvVP {
    /// What the message of the last run asks for; nil: nothing, run again.
    func take(_ inner: Inner) -> VPExit? {
        let message: HypervisorMessage
        do throws(MessageError) {
            message = try HypervisorMessage(decoding: UnsafeRawBufferPointer(inner.message))
        } catch {
            return .failed("processor \(index): \(error)")
        }
        switch message.content {
        case .none, .interruptionDeliverable, .sintDeliverable, .synicSint, .timerExpired, .asyncCallCompletion:
            return nil
        case .ioPort(let intercept): return begin(intercept, inner)
        case .unmappedGPA(let intercept), .gpaIntercept(let intercept): return begin(intercept, inner)
        case .msr(let intercept):
            guard intercept.header.access == .write else {
                pending = .msrRead(intercept)
                return .msrRead(index: intercept.msr)
            }
            pending = .msrWrite(intercept)
            return .msrWrite(index: intercept.msr, value: intercept.value)
        case .cpuid(let intercept):
            pending = .cpuid(intercept)
            return .cpuid(
                leaf: UInt32(truncatingIfNeeded: intercept.rax), subleaf: UInt32(truncatingIfNeeded: intercept.rcx))
        case .exception(let intercept):
            pending = .exception(intercept)
            return .exception(
                vector: UInt8(truncatingIfNeeded: intercept.vector), errorCode: intercept.errorCode)
        case .hypercall(let intercept):
            pending = .hypercall(intercept)
            return .hypercall(ControlWord(rawValue: intercept.control))
        case .halt: return .halt(wakeAt: nil)
        case .apicEOI(let message): return .apicEOI(vector: UInt8(truncatingIfNeeded: message.vector))
        case .unrecoverableException: return .unrecoverableException
        case .unacceptedGPA(let intercept):
            return failed("the guest has not accepted the memory at 0x\(hex(intercept.gpa))", intercept.header)
        case .invalidVPRegister:
            return .failed("processor \(index): the hypervisor refuses the guest's registers")
        case .unsupportedFeature(let message):
            return .failed(
                "processor \(index): the guest needs feature \(message.feature), which the hypervisor has not "
                    + "(parameter 0x\(hex(message.parameter)))")
        case .gpaAttribute, .opaque, .registerIntercept, .sipi, .schedulerSignalBitset, .schedulerSignalPairs,
            .unknown:
            return failed("the message \(message.content.type), which nobody asked for", message.content.header)
        }
    }

    private func failed(_ what: String, _ header: InterceptMessageHeader?) -> VPExit {
        guard let header else { return .failed("processor \(index): \(what)") }
        return .failed("processor \(index) at rip 0x\(hex(header.rip)): \(what)")
    }

    // MARK: I/O

    private func begin(_ intercept: IOPortIntercept, _ inner: Inner) -> VPExit? {
        let header = intercept.header
        // Without a length, or with elements in memory, the instruction has to be looked at.
        guard !intercept.isString, header.instructionLength > 0 else {
            return emulate(intercept.instruction, header, known: nil, inner)
        }
        if header.access == .write {
            if let failure = advance(header, with: [], inner) { return failure }
            let mask = intercept.accessSize == 4 ? UInt64(UInt32.max) : (1 << (8 * UInt64(intercept.accessSize))) - 1
            return .portWrite(
                port: intercept.port, size: intercept.accessSize, value: UInt32(intercept.rax & mask))
        }
        pending = .portRead(intercept)
        return .portRead(port: intercept.port, size: intercept.accessSize)
    }

    private func begin(_ intercept: MemoryIntercept, _ inner: Inner) -> VPExit? {
        if intercept.header.access == .execute {
            return failed(
                "the guest executes at physical address 0x\(hex(intercept.gpa)), where no memory is",
                intercept.header)
        }
        let page: UInt64 = ~0xFFF
        let known: (UInt64, UInt64)? =
            intercept.info.contains([.gvaValid, .gvaGPAValid])
            ? (intercept.linearAddress & page, intercept.gpa & page) : nil
        return emulate(intercept.instruction, intercept.header, known: known, inner)
    }

    private func emulate(
        _ instruction: InstructionBytes, _ header: InterceptMessageHeader, known: (UInt64, UInt64)?, _ inner: Inner
    ) -> VPExit? {
        let code = instruction.bytes
        // An instruction with vector registers has one of these bytes: the escape, or a VEX or EVEX prefix.
        let mayUseVectors = code.isEmpty || code.contains { [0x0F, 0xC4, 0xC5, 0x62].contains($0) }
        let state: GuestState
        do throws(HypercallFailure) {
            state = try inner.registers.state(withVectors: mayUseVectors)
        } catch {
            return failed("reading its registers: \(error)", header)
        }
        let space = VPAddressSpace(
            memory: memory, calls: RootHypercall(descriptor: inner.descriptor, report: report), vp: index,
            cpl: header.state.cpl, known: known)
        return go(InstructionEmulation(code: code, state: state), state, space, header, answer: nil, inner)
    }

    /// Takes an instruction in emulation to its next device access or its end.
    ///
    /// - Returns: nil where it has ended and its result is in the processor.
    func go(
        _ emulation: InstructionEmulation, _ before: GuestState, _ space: VPAddressSpace,
        _ header: InterceptMessageHeader, answer: UInt64?, _ inner: Inner
    ) -> VPExit? {
        var emulation = emulation
        var space = space
        pending = nil
        let step = emulation.next(&space, answer: answer)
        if let failure = space.failure { return failed(failure, header) }
        let exit: VPExit
        switch step {
        case .read(let gpa, let size): exit = .mmioRead(gpa: gpa, size: size)
        case .write(let gpa, let size, let value): exit = .mmioWrite(gpa: gpa, size: size, value: value)
        case .readPort(let port, let size): exit = .portRead(port: port, size: size)
        case .writePort(let port, let size, let value): exit = .portWrite(port: port, size: size, value: value)
        case .finished(let after):
            return writing(header) { () throws(HypercallFailure) in
                try inner.registers.set(VPRegisters.changes(from: before, to: after))
                if header.state.hasInterruptShadow { try inner.registers.endInterruptShadow() }
                // DR6.BS: the guest steps through its instructions.
                if emulation.owesDebugException {
                    try inner.registers.raise(vector: 1, errorCode: nil, parameter: 1 << 14)
                }
            }
        case .fault(let fault):
            return writing(header) { () throws(HypercallFailure) in
                try inner.registers.raise(
                    vector: fault.vector, errorCode: fault.errorCode, parameter: fault.address ?? 0)
            }
        case .unsupported(let what): return failed("\(what) reaches a device, which is not emulated", header)
        }
        pending = .emulation(emulation, before, space, header)
        return exit
    }

    // MARK: Ends

    /// Puts an instruction's results into the processor, which then stands behind it.
    ///
    /// - Returns: why that failed.
    func advance(
        _ header: InterceptMessageHeader, with results: [RegisterAssociation], length: UInt8? = nil, _ inner: Inner
    ) -> VPExit? {
        let known = header.instructionLength > 0 ? header.instructionLength : length ?? 0
        guard known > 0 else { return failed("an intercept that does not tell its instruction's length", header) }
        var rip = header.rip &+ UInt64(known)
        // Bit 13 of the attributes: a 64-bit code segment.
        if !header.state.isLongMode || header.cs.attributes & 1 << 13 == 0 { rip &= 0xFFFF_FFFF }
        return writing(header) { () throws(HypercallFailure) in
            try inner.registers.set(results + [RegisterAssociation(.rip, rip)])
            if header.state.hasInterruptShadow { try inner.registers.endInterruptShadow() }
        }
    }

    func writing(_ header: InterceptMessageHeader, _ body: () throws(HypercallFailure) -> Void) -> VPExit? {
        do throws(HypercallFailure) {
            try body()
            return nil
        } catch {
            return failed("setting its registers: \(error)", header)
        }
    }
}

extension HypercallIntercept {
    /// The input value: in RCX of 64-bit code, else in EDX and EAX (TLFS, "Hypercall Interface").
    var control: UInt64 {
        header.state.isLongMode && header.cs.attributes & 1 << 13 != 0
            ? rcx : rdx << 32 | rax & 0xFFFF_FFFF
    }
}
