import CMshv
import HypercallABI
import InstructionEmulator

/// The page on which the hypervisor shows a processor's registers to the root while it does not run, and takes over what
/// the root marks changed there (`struct hv_vp_register_page`, whose layout CMshv asserts).
struct RegisterPageWriter {
    /// 4096 bytes, which the program may change at any time.
    let page: UnsafeMutableRawPointer

    private static let general: [RegisterName] = [
        .rax, .rcx, .rdx, .rbx, .rsp, .rbp, .rsi, .rdi, .r8, .r9, .r10, .r11, .r12, .r13, .r14, .r15,
    ]
    private static let segments: [RegisterName] = [.es, .cs, .ss, .ds, .fs, .gs]
    private static let xmmCount = 6

    // Sound: every offset is a constant below 432, the page has 4096 bytes, and they are multiples of the field's size.
    private func word(_ offset: Int) -> UInt64 { page.load(fromByteOffset: offset, as: UInt64.self) }
    private func store<T: BitwiseCopyable>(_ value: T, _ offset: Int) {
        page.storeBytes(of: value, toByteOffset: offset, as: T.self)
    }
    private func store(_ value: RegisterValue, _ offset: Int) {
        store(value.low, offset)
        store(value.high, offset + 8)
    }

    /// Shows a processor that does not run.
    func show(_ snapshot: ProcessorSnapshot) {
        let state = snapshot.state
        store(UInt16(HV_VP_REGISTER_PAGE_VERSION_1), 0)
        for number in 0..<16 { store(state.general[number], 8 + 8 * number) }
        store(state.rip, 136)
        store(state.rflags, 144)
        for number in 0..<Self.xmmCount { store(state.xmm[number], 160 + 16 * number) }
        for (place, segment) in [state.es, state.cs, state.ss, state.ds, state.fs, state.gs].enumerated() {
            store(RegisterValue(segment), 256 + 16 * place)
        }
        for (offset, value) in [
            (352, state.cr0), (360, snapshot.cr3), (368, state.cr4), (376, snapshot.cr8), (384, state.efer),
            (392, snapshot.dr7), (400, snapshot.pendingInterruption), (408, snapshot.interruptState), (416, 0),
            (424, snapshot.xfem),
        ] { store(value, offset) }
        store(UInt32(0), 4)
        store(UInt8(1), 2)
    }

    /// The processor runs: what is on the page says nothing.
    func hide() { store(UInt8(0), 2) }

    /// What the root changed, by the classes that it marked; the marks are gone then.
    func takeChanges() -> [RegisterAssociation] {
        let marks = page.load(fromByteOffset: 4, as: UInt32.self)
        guard page.load(fromByteOffset: 2, as: UInt8.self) != 0, marks != 0 else { return [] }
        store(UInt32(0), 4)
        func isMarked(_ registerClass: Int) -> Bool { marks >> UInt32(registerClass) & 1 != 0 }
        var changes: [RegisterAssociation] = []
        if isMarked(Int(HV_X64_REGISTER_CLASS_GENERAL)) {
            for (number, name) in Self.general.enumerated() {
                changes.append(RegisterAssociation(name, word(8 + 8 * number)))
            }
        }
        if isMarked(Int(HV_X64_REGISTER_CLASS_IP)) { changes.append(RegisterAssociation(.rip, word(136))) }
        if isMarked(Int(HV_X64_REGISTER_CLASS_FLAGS)) { changes.append(RegisterAssociation(.rflags, word(144))) }
        if isMarked(Int(HV_X64_REGISTER_CLASS_XMM)) {
            for number in 0..<Self.xmmCount {
                changes.append(
                    RegisterAssociation(
                        RegisterName(rawValue: RegisterName.xmm0.rawValue + UInt32(number)), value(160 + 16 * number)))
            }
        }
        if isMarked(Int(HV_X64_REGISTER_CLASS_SEGMENT)) {
            for (place, name) in Self.segments.enumerated() {
                changes.append(RegisterAssociation(name, value(256 + 16 * place)))
            }
        }
        return changes
    }

    private func value(_ offset: Int) -> RegisterValue { RegisterValue(low: word(offset), high: word(offset + 8)) }
}
