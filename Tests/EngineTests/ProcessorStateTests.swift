import CLinux
import HypercallABI
import Hypervisor
import Testing

@testable import KvmEngine

@Suite("The state of a processor beside its registers")
struct ProcessorStateTests {
    @Test("XSAVE is compacted and comes back as it was")
    func compacts() throws {
        // AVX at 576 with 256 bytes, MPK at 2688 with 8 bytes, and one that begins at 64 bytes in the compacted form.
        let leaves: [UInt32: CPUIDRegisters] = [
            0: CPUIDRegisters(eax: 1 << 2 | 1 << 5 | 1 << 9 | 3, ebx: 0, ecx: 0, edx: 0),
            2: CPUIDRegisters(eax: 256, ebx: 576, ecx: 0, edx: 0), 5: CPUIDRegisters(eax: 8, ebx: 2000, ecx: 0, edx: 0),
            9: CPUIDRegisters(eax: 64, ebx: 2688, ecx: 2, edx: 0),
        ]
        let layout = try #require(XSAVELayout { leaves[$0] })
        // 576 of head, 256, 8, up to the next 64, 64.
        #expect(layout.compactedSize == 896 + 64)
        #expect(layout.standardSize == 2688 + 64)
        var standard = (0..<4096).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ 7) }
        for place in 512..<576 { standard[place] = 0 }
        standard[512] = 0x27
        let area = layout.compacted(standard)
        #expect(area.count == layout.compactedSize)
        #expect(area[527] == 0x80 && area[520] == 0x27 && area[521] == 0x02)
        #expect(area[576..<832] == standard[576..<832])
        #expect(Array(area[832..<840]) == Array(standard[2000..<2008]))
        #expect(Array(area[896..<960]) == Array(standard[2688..<2752]))
        let back = try layout.standard(area, size: 4096)
        for range in [0..<520, 576..<832, 2000..<2008, 2688..<2752] {
            #expect(back[range] == standard[range])
        }
        #expect(back[520..<528].allSatisfy { $0 == 0 })
    }

    @Test("a header of an XSAVE area that is none is refused")
    func refusesHeaders() throws {
        let layout = try #require(
            XSAVELayout { $0 == 0 ? CPUIDRegisters(eax: 3, ebx: 576, ecx: 576, edx: 0) : nil })
        let good = layout.compacted([UInt8](repeating: 0, count: 4096))
        _ = try layout.standard(good, size: 4096)
        for (place, value) in [(527, UInt8(0)), (520, 7), (512, 4), (519, 1), (528, 1), (575, 1)] {
            var bad = good
            bad[place] = value
            #expect(throws: HypercallStatus.invalidParameter) { try layout.standard(bad, size: 4096) }
        }
        #expect(throws: HypercallStatus.invalidParameter) { try layout.standard(Array(good.dropLast()), size: 4096) }
        // Sizes from CPUID are not believed: none of these may be outside the area.
        for (size, offset) in [(UInt32(0), UInt32(576)), (1 << 17, 576), (8, 100), (8, 1 << 17)] {
            let made = XSAVELayout {
                $0 == 0
                    ? CPUIDRegisters(eax: 7, ebx: 0, ecx: 0, edx: 0)
                    : CPUIDRegisters(eax: size, ebx: offset, ecx: 0, edx: 0)
            }
            #expect(made == nil)
        }
    }

    @Test("the local APIC's registers change their places and nothing else")
    func movesLocalAPIC() throws {
        var registers = LocalAPICRegisters([UInt8](repeating: 0, count: 1024))
        for (offset, value) in [(0x20, UInt32(7)), (0x30, 0x14), (0xF0, 0x1FF), (0x390, 77), (0x3E0, 11), (0x270, 9)] {
            registers[offset] = value
        }
        let state = registers.state
        #expect(state.count == 176)
        func word(_ place: Int) -> UInt32 { (0..<4).reduce(0) { $0 | UInt32(state[place + $1]) << (8 * UInt32($1)) } }
        #expect(word(0) == 7 && word(4) == 0x14 && word(16) == 0x1FF)
        // The last word of "requested", the timer's count and its divider.
        #expect(word(112) == 9 && word(164) == 77 && word(168) == 11)
        var other = LocalAPICRegisters([UInt8](repeating: 0, count: 1024))
        try other.apply(state)
        #expect(other == registers)
        #expect(throws: HypercallStatus.invalidParameter) { try other.apply(Array(state.dropLast())) }
    }

    @Test("pending events are the hypervisor's registers")
    func convertsEvents() throws {
        var events = PendingEvents(kvm_vcpu_events(), hasPayload: true)
        // A page fault whose delivery began, with its error code.
        let fault: UInt64 = 1 | 3 << 1 | 1 << 4 | 14 << 16 | 6 << 32
        try events.set(.interruption, to: RegisterValue(fault))
        #expect(events.raw.exception.injected == 1 && events.raw.exception.nr == 14)
        #expect(events.raw.exception.has_error_code == 1 && events.raw.exception.error_code == 6)
        #expect(events.value(of: .interruption) == RegisterValue(fault))
        // The next one takes its place.
        let others: [UInt64] = [1 | 0x31 << 16, 1 | 2 << 1 | 2 << 16, 1 | 4 << 1 | 0x80 << 16, 0]
        for word in others {
            try events.set(.interruption, to: RegisterValue(word))
            #expect(events.value(of: .interruption) == RegisterValue(word))
        }
        try events.set(.state, to: RegisterValue(3))
        #expect(events.value(of: .state) == RegisterValue(3))
        let debug = RegisterValue(low: 1 | 1 << 16, high: 0x4000)
        try events.set(.exception, to: debug)
        #expect(events.value(of: .exception) == debug)
        try events.set(.exception, to: RegisterValue(0))
        #expect(events.value(of: .exception) == RegisterValue(0))
        let before = events.raw.exception.pending
        let wrong: [UInt64] = [1 | 1 << 1, 1 | 3 << 1 | 32 << 16, 1 | 2 << 1 | 3 << 16, 1 | 1 << 10, 1 | 0x100 << 16]
        for word in wrong {
            #expect(throws: HypercallStatus.invalidRegisterValue) {
                try events.set(.interruption, to: RegisterValue(word))
            }
        }
        #expect(throws: HypercallStatus.invalidRegisterValue) { try events.set(.state, to: RegisterValue(4)) }
        #expect(throws: HypercallStatus.invalidRegisterValue) {
            try events.set(.exception, to: RegisterValue(1 | 2 << 1))
        }
        #expect(events.raw.exception.pending == before)
        var old = PendingEvents(kvm_vcpu_events(), hasPayload: false)
        #expect(throws: HypercallStatus.featureUnavailable) { try old.set(.exception, to: debug) }
    }

    @Test("registered results change CPUID by their masks, leaf by leaf")
    func appliesResults() {
        let own = [
            CPUIDEntry(function: 1, eax: 0xF0, ebx: 1, ecx: 2, edx: 3),
            CPUIDEntry(function: 4, index: 0, flags: HV_KVM_CPUID_SIGNIFICANT_INDEX, eax: 1),
            CPUIDEntry(function: 4, index: 1, flags: HV_KVM_CPUID_SIGNIFICANT_INDEX, eax: 2),
            CPUIDEntry(function: 5),
        ]
        func result(_ leaf: UInt32, _ subleaf: UInt32? = nil, always: Bool = false) -> CPUIDResultParameters {
            CPUIDResultParameters(
                leaf: leaf, subleaf: subleaf ?? 0, isSubleafSpecific: subleaf != nil, alwaysOverrides: always,
                values: CPUIDRegisters(eax: 0xAB, ebx: 0, ecx: 0, edx: 0),
                masks: CPUIDRegisters(eax: 0x0F, ebx: 0, ecx: 0, edx: 0))
        }
        let all = CPUIDEntry.applying(
            [result(1), result(4, 1), result(5), result(0x4000_0100, always: true), result(9)], to: own)
        #expect(CPUIDEntry.result(in: all, leaf: 1, subleaf: 3)?.eax == 0xFB)
        #expect(CPUIDEntry.result(in: all, leaf: 4, subleaf: 0)?.eax == 1)
        #expect(CPUIDEntry.result(in: all, leaf: 4, subleaf: 1)?.eax == 0xB)
        #expect(CPUIDEntry.result(in: all, leaf: 5, subleaf: 0)?.eax == 0, "all zero, and not to be overridden always")
        #expect(CPUIDEntry.result(in: all, leaf: 0x4000_0100, subleaf: 0)?.eax == 0xB)
        #expect(CPUIDEntry.result(in: all, leaf: 9, subleaf: 0) == nil)
    }
}

@Suite("The state of KVM's processors", .enabled(if: hasKVM, "needs /dev/kvm"))
struct KvmProcessorStateTests {
    @Test("x87 and SSE registers are set and read again")
    func floatingPoint() throws {
        let machine = try SmallMachine()
        let values = [
            RegisterAssociation(.fpMmx0, RegisterValue(low: 0x8000_0000_0000_0001, high: 0x3FFF)),
            RegisterAssociation(.fpMmx7, RegisterValue(low: 5, high: 0x4000)),
            RegisterAssociation(.xmm0, RegisterValue(low: 1, high: 2)),
            // Control 0x37F, status 0, one register in use; last opcode and instruction pointer.
            RegisterAssociation(.fpControlStatus, RegisterValue(low: 0x0001_0000_037F, high: 0)),
        ]
        try machine.vp.setRegisters(values)
        for (wanted, found) in zip(values, try machine.vp.registers(values.map(\.name))) {
            #expect(wanted.value == found, "\(wanted.name)")
        }
        let control = try #require(try machine.vp.registers([.xmmControlStatus]).first)
        #expect(UInt32(truncatingIfNeeded: control.high) == 0x1F80)
        try machine.vp.setRegisters([RegisterAssociation(.xmmControlStatus, RegisterValue(low: 0, high: 0x1F00))])
        #expect(UInt32(truncatingIfNeeded: try machine.vp.registers([.xmmControlStatus])[0].high) == 0x1F00)
    }

    @Test("pending interruptions are set and read again")
    func events() throws {
        let machine = try SmallMachine()
        let word: UInt64 = 1 | 3 << 1 | 1 << 4 | 13 << 16 | 8 << 32
        try machine.vp.setRegisters([RegisterAssociation(.pendingInterruption, word)])
        #expect(try machine.vp.registers([.pendingInterruption])[0].low == word)
        try machine.vp.setRegisters([
            RegisterAssociation(.pendingInterruption, 0), RegisterAssociation(.interruptState, 2),
        ])
        #expect(try machine.vp.registers([.pendingInterruption, .interruptState]).map(\.low) == [0, 2])
    }

    @Test("the local APIC and XSAVE are saved and put back")
    func components() throws {
        let machine = try SmallMachine()
        let apic = try machine.vp.state(.localAPIC)
        #expect(apic.count == 176)
        var changed = apic
        // The divider of the timer.
        changed[168] = 0xB
        try machine.vp.setState(.localAPIC, changed)
        #expect(try machine.vp.state(.localAPIC) == changed)
        #expect(try machine.vp.registers([.apicVersion])[0].low & 0xFF == UInt64(apic[4]))
        let area = try machine.vp.state(.xsave)
        #expect(area.count >= 576 && area[527] & 0x80 != 0)
        try machine.vp.setRegisters([RegisterAssociation(.xmm0, RegisterValue(low: 0x1234, high: 0x5678))])
        let other = try machine.vp.state(.xsave)
        #expect(other[160] == 0x34 && other[168] == 0x78)
        try machine.vp.setState(.xsave, area)
        #expect(try machine.vp.registers([.xmm0])[0] == RegisterValue(low: 0, high: 0))
        #expect(throws: HypercallStatus.invalidParameter) { try machine.vp.setState(.xsave, Array(area.dropLast())) }
    }

    @Test("CPUID is what KVM gives, with registered results")
    func cpuid() throws {
        let machine = try SmallMachine()
        let vendor = try machine.vp.cpuid(leaf: 0, subleaf: 0)
        #expect(vendor.eax >= 1 && vendor.ebx != 0)
        #expect(try machine.vp.cpuid(leaf: 0x7000_0000, subleaf: 0) == CPUIDRegisters())
        machine.vp.setCPUIDResults([
            CPUIDResultParameters(
                leaf: 0x4000_0F00, alwaysOverrides: true, values: CPUIDRegisters(eax: 5, ebx: 6, ecx: 7, edx: 8),
                masks: CPUIDRegisters(eax: .max, ebx: .max, ecx: .max, edx: .max))
        ])
        #expect(
            try machine.vp.cpuid(leaf: 0x4000_0F00, subleaf: 0) == CPUIDRegisters(eax: 5, ebx: 6, ecx: 7, edx: 8))
    }
}
