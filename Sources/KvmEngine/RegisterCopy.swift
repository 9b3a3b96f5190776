import CLinux
import HypercallABI
import LinuxSystem

/// A processor's registers on their way between KVM and the hypercall interface: each of KVM's structs is read at most
/// once for a batch and written at most once. The processor stands still meanwhile.
struct RegisterCopy {
    private let vp: KvmVP
    private var general: kvm_regs?
    private var system: kvm_sregs?
    private var debug: kvm_debugregs?
    private var changedGeneral = false
    private var changedSystem = false
    private var changedDebug = false
    private var fpu: XSAVELegacyArea?
    private var changedFPU = false
    private var events: PendingEvents?
    private var changedEvents = false
    private var localAPIC: LocalAPICRegisters?
    private var changedMSRs: [(index: UInt32, value: UInt64)] = []
    private var changedControl0: UInt64?
    private var changedActivity: UInt64?

    init(_ vp: KvmVP) { self.vp = vp }

    /// - Throws: `invalidParameter` for an MSR this KVM does not have, `operationFailed` where KVM gives no answer.
    mutating func values(of places: [RegisterPlace]) throws(HypercallStatus) -> [RegisterValue] {
        var values: [RegisterValue] = []
        for place in places { values.append(try value(of: place)) }
        return values
    }

    private mutating func value(of place: RegisterPlace) throws(HypercallStatus) -> RegisterValue {
        switch place {
        case .general(let offset): return RegisterValue(low: load(offset, from: try readGeneral()))
        case .system(let offset): return RegisterValue(low: load(offset, from: try readSystem()))
        case .debug(let offset): return RegisterValue(low: load(offset, from: try readDebug()))
        case .vector(let offset):
            return try readFPU()[offset]
        case .event(let register): return try readEvents().value(of: register)
        case .localAPIC(let offset): return RegisterValue(UInt64(try readLocalAPIC()[offset]))
        case .segment(let offset):
            let segment: kvm_segment = load(offset, from: try readSystem())
            return RegisterValue(SegmentRegister(segment))
        case .table(let offset):
            let table: kvm_dtable = load(offset, from: try readSystem())
            return RegisterValue(TableRegister(base: table.base, limit: table.limit))
        case .msr(let index):
            guard let value = try? vp.readMSRs([index]).first else { throw .invalidParameter }
            return RegisterValue(value)
        case .extendedControl0:
            return RegisterValue(try readControls().xcrs.0.value)
        case .activityState:
            var state = kvm_mp_state()
            try answered { () throws(Errno) in try vp.descriptor.ioctl(HV_KVM_GET_MP_STATE, &state) }
            return RegisterValue(ActivityState.value(of: state.mp_state))
        case .processorNumber: return RegisterValue(UInt64(vp.index))
        }
    }

    /// Notes a value for `writeBack`.
    mutating func set(_ place: RegisterPlace, to value: RegisterValue) throws(HypercallStatus) {
        switch place {
        case .general(let offset):
            var registers = try readGeneral()
            store(value.low, at: offset, in: &registers)
            general = registers
            changedGeneral = true
        case .system(let offset):
            try changeSystem { store(value.low, at: offset, in: &$0) }
        case .segment(let offset):
            try changeSystem { store(kvm_segment(value.segment), at: offset, in: &$0) }
        case .table(let offset):
            let table = kvm_dtable(base: value.table.base, limit: value.table.limit, padding: (0, 0, 0))
            try changeSystem { store(table, at: offset, in: &$0) }
        case .debug(let offset):
            var registers = try readDebug()
            store(value.low, at: offset, in: &registers)
            debug = registers
            changedDebug = true
        case .vector(let offset):
            var registers = try readFPU()
            registers[offset] = value
            fpu = registers
            changedFPU = true
        case .msr(let index): changedMSRs.append((index, value.low))
        case .extendedControl0: changedControl0 = value.low
        case .activityState: changedActivity = value.low
        case .event(let register):
            var pending = try readEvents()
            try pending.set(register, to: value)
            events = pending
            changedEvents = true
        case .processorNumber, .localAPIC: throw .invalidParameter
        }
    }

    /// Gives KVM all that changed.
    ///
    /// - Throws: `invalidRegisterValue` where KVM refuses a value; what was written before it stays.
    mutating func writeBack() throws(HypercallStatus) {
        // The system registers first: paging and segments decide what the others may be.
        if changedSystem, var registers = system {
            try accepted { () throws(Errno) in try vp.descriptor.ioctl(HV_KVM_SET_SREGS, &registers) }
        }
        if changedGeneral, var registers = general {
            try accepted { () throws(Errno) in try vp.descriptor.ioctl(HV_KVM_SET_REGS, &registers) }
        }
        if changedDebug, var registers = debug {
            try accepted { () throws(Errno) in try vp.descriptor.ioctl(HV_KVM_SET_DEBUGREGS, &registers) }
        }
        if changedFPU, let registers = fpu { try vp.setXSAVE(registers.area) }
        if changedEvents, var registers = events?.raw {
            try accepted { () throws(Errno) in try vp.descriptor.ioctl(HV_KVM_SET_VCPU_EVENTS, &registers) }
        }
        if !changedMSRs.isEmpty {
            let values = changedMSRs
            try accepted { () throws(Errno) in try vp.writeMSRs(values) }
        }
        if let value = changedControl0 {
            var controls = try readControls()
            controls.xcrs.0.value = value
            try accepted { () throws(Errno) in try vp.descriptor.ioctl(HV_KVM_SET_XCRS, &controls) }
        }
        if let value = changedActivity {
            var state = kvm_mp_state(mp_state: try ActivityState.mpState(of: value))
            try accepted { () throws(Errno) in try vp.descriptor.ioctl(HV_KVM_SET_MP_STATE, &state) }
        }
    }

    private mutating func readFPU() throws(HypercallStatus) -> XSAVELegacyArea {
        if let fpu { return fpu }
        let read = XSAVELegacyArea(try vp.standardXSAVE())
        fpu = read
        return read
    }

    private mutating func readEvents() throws(HypercallStatus) -> PendingEvents {
        if let events { return events }
        var raw = kvm_vcpu_events()
        try answered { () throws(Errno) in try vp.descriptor.ioctl(HV_KVM_GET_VCPU_EVENTS, &raw) }
        let read = PendingEvents(raw, hasPayload: vp.hasExceptionPayload)
        events = read
        return read
    }

    private mutating func readLocalAPIC() throws(HypercallStatus) -> LocalAPICRegisters {
        if let localAPIC { return localAPIC }
        let registers = try vp.localAPICRegisters()
        localAPIC = registers
        return registers
    }

    private mutating func readGeneral() throws(HypercallStatus) -> kvm_regs {
        if let general { return general }
        var registers = kvm_regs()
        try answered { () throws(Errno) in try vp.descriptor.ioctl(HV_KVM_GET_REGS, &registers) }
        general = registers
        return registers
    }

    private mutating func readSystem() throws(HypercallStatus) -> kvm_sregs {
        if let system { return system }
        var registers = kvm_sregs()
        try answered { () throws(Errno) in try vp.descriptor.ioctl(HV_KVM_GET_SREGS, &registers) }
        system = registers
        return registers
    }

    private mutating func readDebug() throws(HypercallStatus) -> kvm_debugregs {
        if let debug { return debug }
        var registers = kvm_debugregs()
        try answered { () throws(Errno) in try vp.descriptor.ioctl(HV_KVM_GET_DEBUGREGS, &registers) }
        debug = registers
        return registers
    }

    /// XCR0 is the only extended control register that KVM keeps; it comes first.
    private func readControls() throws(HypercallStatus) -> kvm_xcrs {
        var controls = kvm_xcrs()
        try answered { () throws(Errno) in try vp.descriptor.ioctl(HV_KVM_GET_XCRS, &controls) }
        return controls
    }

    private mutating func changeSystem(_ change: (inout kvm_sregs) -> Void) throws(HypercallStatus) {
        var registers = try readSystem()
        change(&registers)
        system = registers
        changedSystem = true
    }

    private func answered(_ call: () throws(Errno) -> Void) throws(HypercallStatus) {
        do { try call() } catch { throw .operationFailed }
    }

    private func accepted(_ call: () throws(Errno) -> Void) throws(HypercallStatus) {
        do { try call() } catch { throw .invalidRegisterValue }
    }
}

// Sound: both are C structs without pointers, and every offset is a field of that type (RegisterPlace's table).
private func load<Struct, Field>(_ offset: Int, from value: Struct) -> Field {
    withUnsafeBytes(of: value) { $0.loadUnaligned(fromByteOffset: offset, as: Field.self) }
}

private func store<Struct, Field>(_ field: Field, at offset: Int, in value: inout Struct) {
    withUnsafeMutableBytes(of: &value) { $0.storeBytes(of: field, toByteOffset: offset, as: Field.self) }
}

/// HV_INTERNAL_ACTIVITY_REGISTER (TLFS, "Virtual Processor Management"): bit 0 waits for start-up, bit 1 halted, bit 2
/// idle.
enum ActivityState {
    static func value(of mpState: UInt32) -> UInt64 {
        switch Int32(bitPattern: mpState) {
        case KVM_MP_STATE_UNINITIALIZED, KVM_MP_STATE_INIT_RECEIVED: 1
        case KVM_MP_STATE_HALTED: 2
        default: 0
        }
    }

    static func mpState(of value: UInt64) throws(HypercallStatus) -> UInt32 {
        switch value {
        case 0: UInt32(KVM_MP_STATE_RUNNABLE)
        case 1: UInt32(KVM_MP_STATE_UNINITIALIZED)
        case 2: UInt32(KVM_MP_STATE_HALTED)
        default: throw .invalidRegisterValue
        }
    }
}

extension SegmentRegister {
    /// An unusable segment has P = 0, as TLFS has no other word for it.
    init(_ segment: kvm_segment) {
        var attributes = UInt16(segment.type & 0xF)
        attributes |= UInt16(segment.s & 1) << 4 | UInt16(segment.dpl & 3) << 5
        if segment.present != 0, segment.unusable == 0 { attributes |= 1 << 7 }
        attributes |= UInt16(segment.avl & 1) << 12 | UInt16(segment.l & 1) << 13
        attributes |= UInt16(segment.db & 1) << 14 | UInt16(segment.g & 1) << 15
        self.init(base: segment.base, limit: segment.limit, selector: segment.selector, attributes: attributes)
    }
}

extension kvm_segment {
    init(_ segment: SegmentRegister) {
        func bits(_ shift: UInt16, _ mask: UInt16 = 1) -> UInt8 { UInt8(segment.attributes >> shift & mask) }
        self.init()
        base = segment.base
        limit = segment.limit
        selector = segment.selector
        type = bits(0, 0xF)
        s = bits(4)
        dpl = bits(5, 3)
        present = bits(7)
        avl = bits(12)
        l = bits(13)
        db = bits(14)
        g = bits(15)
        unusable = 1 - present
    }
}
