import CLinux
import HypercallABI
import Hypervisor
import LinuxSystem

/// Where KVM keeps a register: the struct by its name, and the byte offset in it.
enum RegisterPlace: Equatable {
    case general(Int)
    case system(Int)
    case segment(Int)
    case table(Int)
    case debug(Int)
    /// 16 bytes of `struct kvm_fpu`.
    case vector(Int)
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
        // struct kvm_fpu: 128 bytes of x87 registers, 24 of control and status, then XMM0 to XMM15
        case RegisterName.xmm0.rawValue...RegisterName.xmm0.rawValue + 15:
            self = .vector(152 + 16 * Int(number - RegisterName.xmm0.rawValue))
        case 0x0008_0040...0x0008_0047: self = .msr(0x201 + 2 * (number - 0x0008_0040))
        default: return nil
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
        .efer: .system(264), .apicBase: .system(272),
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
        .tscAux: .msr(0xC000_0103),
        .xfem: .extendedControl0, .internalActivityState: .activityState,
        .initialApicId: .processorNumber, .vpIndex: .processorNumber,
    ]
}

extension KvmVP {
    func registers(_ names: [RegisterName]) throws(HypercallStatus) -> [RegisterValue] {
        var places: [RegisterPlace] = []
        for name in names {
            guard let place = RegisterPlace(name) else { throw .invalidParameter }
            places.append(place)
        }
        return try standingStill { () throws(HypercallStatus) in
            var copy = RegisterCopy(self)
            return try copy.values(of: places)
        }
    }

    func setRegisters(_ registers: [RegisterAssociation]) throws(HypercallStatus) {
        var values: [(RegisterPlace, RegisterValue)] = []
        for register in registers {
            guard let place = RegisterPlace(register.name), place != .processorNumber else {
                throw .invalidParameter
            }
            values.append((place, register.value))
        }
        try standingStill { () throws(HypercallStatus) in
            var copy = RegisterCopy(self)
            for (place, value) in values { try copy.set(place, to: value) }
            try copy.writeBack()
        }
    }

    /// - Throws: `Errno`; `EINVAL` also for an MSR or value that KVM refuses.
    func writeMSRs(_ values: [(index: UInt32, value: UInt64)]) throws(Errno) {
        try exchangeMSRs(values, HV_KVM_SET_MSRS)
    }

    /// - Throws: `Errno`; `EINVAL` also for an MSR that KVM does not have.
    func readMSRs(_ indexes: [UInt32]) throws(Errno) -> [UInt64] {
        try exchangeMSRs(indexes.map { ($0, 0) }, HV_KVM_GET_MSRS)
    }

    @discardableResult
    private func exchangeMSRs(
        _ values: [(index: UInt32, value: UInt64)], _ request: UInt
    ) throws(Errno) -> [UInt64] {
        var results: [UInt64] = []
        var start = 0
        while start < values.count {
            let chunk = values[start..<min(start + Int(HV_KVM_MAX_MSRS), values.count)]
            var table = hv_kvm_msrs()
            table.nmsrs = UInt32(chunk.count)
            // Sound: the tuple is HV_KVM_MAX_MSRS entries in a row, and the chunk has no more.
            withUnsafeMutableBytes(of: &table.entries) { bytes in
                let entries = bytes.bindMemory(to: kvm_msr_entry.self)
                for (place, (index, value)) in chunk.enumerated() {
                    entries[place] = kvm_msr_entry(index: index, reserved: 0, data: value)
                }
            }
            guard try descriptor.ioctl(request, &table) == chunk.count else { throw Errno(EINVAL) }
            withUnsafeBytes(of: &table.entries) { bytes in
                results += bytes.bindMemory(to: kvm_msr_entry.self).prefix(chunk.count).map(\.data)
            }
            start += chunk.count
        }
        return results
    }
}
