import CMshv
import HypercallABI
import LinuxSystem

/// The registers that the driver shares with who runs a processor: valid while it stands still after an intercept, and
/// what is marked changed in it is taken over at the next run.
struct RegisterPage {
    let page: any MshvPage

    // Where the fields stand (`struct hv_vp_register_page`, whose layout CMshv asserts).
    private static let validity = 2
    private static let dirtiness = 4
    private static let general = 8
    private static let ripOffset = 136
    private static let rflagsOffset = 144
    private static let xmm = 160
    private static let segments = 256
    private static let cr0Offset = 352
    private static let cr4Offset = 368
    private static let eferOffset = 384

    /// XMM registers that the page has: the first ones.
    static let xmmCount = 6
    static let segmentNames: [RegisterName] = [.es, .cs, .ss, .ds, .fs, .gs]

    var isValid: Bool { page.base.load(fromByteOffset: Self.validity, as: UInt8.self) != 0 }

    /// Classes of registers that were changed here and not taken over yet.
    var changed: RegisterClasses {
        get { RegisterClasses(rawValue: page.base.load(fromByteOffset: Self.dirtiness, as: UInt32.self)) }
        nonmutating set { page.base.storeBytes(of: newValue.rawValue, toByteOffset: Self.dirtiness, as: UInt32.self) }
    }

    var rip: UInt64 { word(Self.ripOffset) }
    var rflags: UInt64 { word(Self.rflagsOffset) }
    var cr0: UInt64 { word(Self.cr0Offset) }
    var cr4: UInt64 { word(Self.cr4Offset) }
    var efer: UInt64 { word(Self.eferOffset) }

    /// - Parameter number: 0...15.
    func general(_ number: Int) -> UInt64 { word(Self.general + 8 * number) }

    /// - Parameter number: 0...5.
    func xmm(_ number: Int) -> RegisterValue { value(Self.xmm + 16 * number) }

    /// - Parameter place: in `segmentNames`.
    func segment(_ place: Int) -> SegmentRegister { value(Self.segments + 16 * place).segment }

    /// Changes a register where it has one of the classes that the processor takes over from here.
    ///
    /// - Returns: whether it does.
    func set(_ register: RegisterAssociation) -> Bool {
        guard let (offset, registerClass) = Self.place(of: register.name) else { return false }
        page.base.storeBytes(of: register.value.low, toByteOffset: offset, as: UInt64.self)
        if registerClass == .xmm || registerClass == .segment {
            page.base.storeBytes(of: register.value.high, toByteOffset: offset + 8, as: UInt64.self)
        }
        changed.insert(registerClass)
        return true
    }

    static func has(_ name: RegisterName) -> Bool { place(of: name) != nil }

    /// The values of all registers of the changed classes.
    var changedRegisters: [RegisterAssociation] {
        let changed = changed
        var registers: [RegisterAssociation] = []
        if changed.contains(.general) {
            for number in 0..<16 { registers.append(RegisterAssociation(.general(number), general(number))) }
        }
        if changed.contains(.ip) { registers.append(RegisterAssociation(.rip, rip)) }
        if changed.contains(.flags) { registers.append(RegisterAssociation(.rflags, rflags)) }
        if changed.contains(.xmm) {
            for number in 0..<Self.xmmCount { registers.append(RegisterAssociation(.xmm(number), xmm(number))) }
        }
        if changed.contains(.segment) {
            for (place, name) in Self.segmentNames.enumerated() {
                registers.append(RegisterAssociation(name, RegisterValue(segment(place))))
            }
        }
        return registers
    }

    private static func place(of name: RegisterName) -> (Int, RegisterClasses)? {
        let raw = name.rawValue
        let (rax, xmm0) = (RegisterName.rax.rawValue, RegisterName.xmm0.rawValue)
        switch name {
        case .rip: return (ripOffset, .ip)
        case .rflags: return (rflagsOffset, .flags)
        default:
            if (rax..<rax + 16).contains(raw) { return (general + 8 * Int(raw - rax), .general) }
            if (xmm0..<xmm0 + UInt32(xmmCount)).contains(raw) { return (xmm + 16 * Int(raw - xmm0), .xmm) }
            if let place = segmentNames.firstIndex(of: name) { return (segments + 16 * place, .segment) }
            return nil
        }
    }

    // Sound: the page has 4096 bytes, and all offsets are constants below 424 and multiples of 8.
    private func word(_ offset: Int) -> UInt64 { page.base.load(fromByteOffset: offset, as: UInt64.self) }
    private func value(_ offset: Int) -> RegisterValue { RegisterValue(low: word(offset), high: word(offset + 8)) }
}

/// HV_X64_REGISTER_CLASS as bits.
struct RegisterClasses: OptionSet {
    let rawValue: UInt32
    static let general = RegisterClasses(rawValue: 1 << UInt32(HV_X64_REGISTER_CLASS_GENERAL))
    static let ip = RegisterClasses(rawValue: 1 << UInt32(HV_X64_REGISTER_CLASS_IP))
    static let xmm = RegisterClasses(rawValue: 1 << UInt32(HV_X64_REGISTER_CLASS_XMM))
    static let segment = RegisterClasses(rawValue: 1 << UInt32(HV_X64_REGISTER_CLASS_SEGMENT))
    static let flags = RegisterClasses(rawValue: 1 << UInt32(HV_X64_REGISTER_CLASS_FLAGS))
}

extension RegisterName {
    /// The general register with this number in instructions, 0...15.
    static func general(_ number: Int) -> RegisterName { RegisterName(rawValue: rax.rawValue + UInt32(number & 15)) }
    /// 0...15.
    static func xmm(_ number: Int) -> RegisterName { RegisterName(rawValue: xmm0.rawValue + UInt32(number & 15)) }
}
