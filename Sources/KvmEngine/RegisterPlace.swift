import CLinux
import HypercallABI

/// Where KVM keeps a register: the struct by its name, and the byte offset in it.
enum RegisterPlace: Equatable {
    case general(Int)
    case system(Int)
    case segment(Int)
    case table(Int)
    case debug(Int)
    /// 16 bytes of the XSAVE area's part for x87 and SSE.
    case vector(Int)
    case event(PendingEvents.Register)
    /// 32 bits of the local APIC's registers; they cannot be set.
    case localAPIC(Int)
    case msr(UInt32)
    case extendedControl0
    case activityState
    /// Reads as the processor's number; it cannot be set.
    case processorNumber

    /// - Returns: nil for a register that KVM does not have.
    init?(_ name: RegisterName) {
        if let place = Self.places[name] {
            self = place
            return
        }
        // KVM has 8 variable memory type ranges, base and mask in turn from MSR 0x200.
        let number = name.rawValue
        switch number {
        case 0x0008_0010...0x0008_0017: self = .msr(0x200 + 2 * (number - 0x0008_0010))
        // The XSAVE area: 32 bytes of control and status, 8 registers of x87, 16 of SSE.
        case RegisterName.xmm0.rawValue...RegisterName.xmm0.rawValue + 15:
            self = .vector(160 + 16 * Int(number - RegisterName.xmm0.rawValue))
        case RegisterName.fpMmx0.rawValue...RegisterName.fpMmx7.rawValue:
            self = .vector(32 + 16 * Int(number - RegisterName.fpMmx0.rawValue))
        case 0x0008_0040...0x0008_0047: self = .msr(0x201 + 2 * (number - 0x0008_0040))
        default: return nil
        }
    }

    var canBeSet: Bool {
        switch self {
        case .processorNumber, .localAPIC: false
        default: true
        }
    }

    private static let places: [RegisterName: RegisterPlace] = [
        // struct kvm_regs: rax, rbx, rcx, rdx, rsi, rdi, rsp, rbp, r8...r15, rip, rflags
        .rax: .general(0), .rbx: .general(8), .rcx: .general(16), .rdx: .general(24), .rsi: .general(32),
        .rdi: .general(40), .rsp: .general(48), .rbp: .general(56), .r8: .general(64), .r9: .general(72),
        .r10: .general(80), .r11: .general(88), .r12: .general(96), .r13: .general(104), .r14: .general(112),
        .r15: .general(120), .rip: .general(128), .rflags: .general(136),
        // struct kvm_sregs: cs, ds, es, fs, gs, ss, tr, ldt, gdt, idt, cr0, cr2, cr3, cr4, cr8, efer, apic_base
        .cs: .segment(0), .ds: .segment(24), .es: .segment(48), .fs: .segment(72), .gs: .segment(96),
        .ss: .segment(120), .tr: .segment(144), .ldtr: .segment(168), .gdtr: .table(192), .idtr: .table(208),
        .cr0: .system(224), .cr2: .system(232), .cr3: .system(240), .cr4: .system(248), .cr8: .system(256),
        .efer: .system(264), .apicBase: .system(272), .intermediateCr0: .system(224), .intermediateCr3: .system(240),
        .intermediateCr4: .system(248), .intermediateCr8: .system(256),
        // Control, status and tags, the last opcode and instruction; the last data pointer, MXCSR and its mask.
        .fpControlStatus: .vector(0), .xmmControlStatus: .vector(16),
        .pendingInterruption: .event(.interruption), .interruptState: .event(.state),
        .pendingEvent0: .event(.exception), .apicId: .localAPIC(0x20), .apicVersion: .localAPIC(0x30),
        // struct kvm_debugregs: db[4], dr6, dr7
        .dr0: .debug(0), .dr1: .debug(8), .dr2: .debug(16), .dr3: .debug(24), .dr6: .debug(32), .dr7: .debug(40),
        .tsc: .msr(0x10), .tscAdjust: .msr(0x3B), .msrMtrrCap: .msr(0xFE), .sysenterCs: .msr(0x174),
        .sysenterEsp: .msr(0x175), .sysenterEip: .msr(0x176), .msrIa32MiscEnable: .msr(0x1A0),
        .msrMtrrFix64k00000: .msr(0x250), .msrMtrrFix16k80000: .msr(0x258), .msrMtrrFix16ka0000: .msr(0x259),
        .msrMtrrFix4kc0000: .msr(0x268), .msrMtrrFix4kc8000: .msr(0x269), .msrMtrrFix4kd0000: .msr(0x26A),
        .msrMtrrFix4kd8000: .msr(0x26B), .msrMtrrFix4ke0000: .msr(0x26C), .msrMtrrFix4ke8000: .msr(0x26D),
        .msrMtrrFix4kf0000: .msr(0x26E), .msrMtrrFix4kf8000: .msr(0x26F), .pat: .msr(0x277),
        .msrMtrrDefType: .msr(0x2FF), .star: .msr(0xC000_0081), .lstar: .msr(0xC000_0082),
        .cstar: .msr(0xC000_0083), .sfmask: .msr(0xC000_0084), .kernelGsBase: .msr(0xC000_0102),
        .tscAux: .msr(0xC000_0103), .bndcfgs: .msr(0xD90), .debugCtl: .msr(0x1D9), .specCtrl: .msr(0x48),
        .predCmd: .msr(0x49), .virtSpecCtrl: .msr(0xC001_011F), .uXss: .msr(0xDA0), .uCet: .msr(0x6A0),
        .sCet: .msr(0x6A2), .pl0Ssp: .msr(0x6A4), .pl1Ssp: .msr(0x6A5), .pl2Ssp: .msr(0x6A6), .pl3Ssp: .msr(0x6A7),
        .interruptSspTableAddr: .msr(0x6A8), .ia32FeatureControl: .msr(0x3A), .sgxLaunchControl0: .msr(0x8C),
        .sgxLaunchControl1: .msr(0x8D), .sgxLaunchControl2: .msr(0x8E), .sgxLaunchControl3: .msr(0x8F),
        .perfGlobalCtrl: .msr(0x38F), .perfGlobalStatus: .msr(0x38E), .fixedCtrCtrl: .msr(0x38D), .dsArea: .msr(0x600),
        .pebsEnable: .msr(0x3F1), .perfEvtSel0: .msr(0x186), .pmc0: .msr(0xC1), .fixedCtr0: .msr(0x309),
        .xfem: .extendedControl0, .internalActivityState: .activityState,
        .initialApicId: .processorNumber, .vpIndex: .processorNumber,
    ]
}
