import HypercallABI
import HypercallCore
import InstructionEmulator

/// A processor's registers at an exit, as messages need them.
struct ProcessorSnapshot {
    private(set) var state: GuestState
    let cr8: UInt64
    let cr3: UInt64
    let dr7: UInt64
    let xfem: UInt64
    let pendingInterruption: UInt64
    let interruptState: UInt64

    private static let general: [RegisterName] = [
        .rax, .rcx, .rdx, .rbx, .rsp, .rbp, .rsi, .rdi, .r8, .r9, .r10, .r11, .r12, .r13, .r14, .r15,
    ]
    private static let names: [RegisterName] =
        general + [
            .rip, .rflags, .cs, .ds, .es, .fs, .gs, .ss, .cr0, .cr4, .efer, .cr8,
            .cr3, .dr7, .xfem, .pendingInterruption, .interruptState,
        ] + (0..<16).map { RegisterName(rawValue: RegisterName.xmm0.rawValue + $0) }

    init(_ client: HypercallClient, _ partition: PartitionID, _ vp: VPIndex) throws(HypercallFailure) {
        let values = try client.registers(Self.names, of: vp, in: partition)
        guard values.count == Self.names.count else {
            throw HypercallFailure(code: .getVpRegisters, status: .operationFailed, repsCompleted: values.count)
        }
        state = GuestState(
            general: values[..<16].map(\.low), rip: values[16].low, rflags: values[17].low, cs: values[18].segment,
            ds: values[19].segment, es: values[20].segment, fs: values[21].segment, gs: values[22].segment,
            ss: values[23].segment, cr0: values[24].low, cr4: values[25].low, efer: values[26].low,
            xmm: Array(values[33...]))
        cr8 = values[27].low
        cr3 = values[28].low
        dr7 = values[29].low
        xfem = values[30].low
        pendingInterruption = values[31].low
        interruptState = values[32].low
    }

    /// Puts the processor back to where it was before an instruction: what an instruction with an effect on memory
    /// changes are general registers and the instruction pointer.
    mutating func goBack(
        to before: GuestState, _ client: HypercallClient, _ partition: PartitionID, _ vp: VPIndex
    ) throws(HypercallFailure) {
        var changes = [RegisterAssociation(.rip, before.rip), RegisterAssociation(.rflags, before.rflags)]
        for (number, pair) in zip(state.general, before.general).enumerated() where pair.0 != pair.1 {
            changes.append(RegisterAssociation(Self.general[number], pair.1))
        }
        try client.setRegisters(changes, of: vp, in: partition)
        state = before
    }

    /// The linear address of the next instruction.
    var codeAddress: UInt64 {
        let linear = state.cs.base &+ state.rip
        return isLongMode ? linear : linear & 0xFFFF_FFFF
    }

    var isLongMode: Bool { state.efer & 1 << 10 != 0 }

    func header(
        _ vp: VPIndex, access: InterceptAccessType, instructionLength: UInt8 = 0, rip: UInt64? = nil
    ) -> InterceptMessageHeader {
        let isProtected = state.cr0 & 1 != 0
        return InterceptMessageHeader(
            vp: vp, instructionLength: instructionLength, cr8: UInt8(cr8 & 0xF), access: access,
            state: VPExecutionState(
                // The privilege level is that of the stack segment.
                cpl: isProtected ? UInt8(state.ss.attributes >> 5 & 3) : 0, isProtectedMode: isProtected,
                isLongMode: isLongMode, checksAlignment: state.cr0 & 1 << 18 != 0),
            cs: state.cs, rip: rip ?? state.rip, rflags: state.rflags)
    }
}
