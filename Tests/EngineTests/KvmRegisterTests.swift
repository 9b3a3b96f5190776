import HypercallABI
import Hypervisor
import LinuxSystem
import Testing

@testable import KvmEngine

@Suite("Registers and CPUID of the KVM engine", .enabled(if: hasKVM, "needs /dev/kvm"))
struct KvmRegisterTests {
    @Test("what is set is read again")
    func roundTrip() throws {
        let machine = try SmallMachine()
        let general: [RegisterName] = [
            .rax, .rcx, .rdx, .rbx, .rsp, .rbp, .rsi, .rdi, .r8, .r9, .r10, .r11, .r12, .r13, .r14, .r15, .rip,
        ]
        var values = general.enumerated().map { RegisterAssociation($1, 0x1111_0000 + UInt64($0)) }
        let code = SegmentRegister(base: 0, limit: 0xFFFF_FFFF, selector: 0x10, attributes: 0xA09B)
        let data = SegmentRegister(base: 0x1000, limit: 0xFFFF_FFFF, selector: 0x18, attributes: 0xC093)
        let task = SegmentRegister(base: 0x2000, limit: 0x67, selector: 0x20, attributes: 0x8B)
        values += [
            RegisterAssociation(.rflags, 0x202), RegisterAssociation(.cs, RegisterValue(code)),
            RegisterAssociation(.fs, RegisterValue(data)), RegisterAssociation(.tr, RegisterValue(task)),
            RegisterAssociation(.gdtr, RegisterValue(TableRegister(base: 0x5000, limit: 0x37))),
            RegisterAssociation(.idtr, RegisterValue(TableRegister(base: 0x6000, limit: 0xFFF))),
            RegisterAssociation(.cr0, 0x8005_0033), RegisterAssociation(.cr2, 0x77), RegisterAssociation(.cr3, 0x4000),
            RegisterAssociation(.cr4, 0x20), RegisterAssociation(.efer, 0xD01), RegisterAssociation(.cr8, 3),
            RegisterAssociation(.dr0, 0x1234), RegisterAssociation(.dr7, 0x400),
            RegisterAssociation(.lstar, 0xFFFF_8000_0000_1000), RegisterAssociation(.kernelGsBase, 0x7777_0000),
            RegisterAssociation(.pat, 0x0007_0406_0007_0406), RegisterAssociation(.sysenterCs, 0x10),
            RegisterAssociation(.msrMtrrDefType, 0xC06), RegisterAssociation(.msrMtrrPhysBase1, 0x8000_0006),
        ]
        // EFER without NX where the processor has none is not worth a case: x86-64 with KVM has it.
        try machine.vp.setRegisters(values)
        let read = try machine.vp.registers(values.map(\.name))
        for (wanted, found) in zip(values, read) { #expect(wanted.value == found, "\(wanted.name)") }
    }

    @Test("a register KVM does not have, and a value it refuses, are told apart")
    func refusals() throws {
        let machine = try SmallMachine()
        #expect(throws: HypercallStatus.invalidParameter) { try machine.vp.registers([.rax, .simp]) }
        #expect(throws: HypercallStatus.invalidParameter) {
            try machine.vp.setRegisters([RegisterAssociation(.rax, 1), RegisterAssociation(.vpIndex, 1)])
        }
        // Long mode without PAE.
        #expect(throws: HypercallStatus.invalidRegisterValue) {
            try machine.vp.setRegisters([
                RegisterAssociation(.efer, 0x500), RegisterAssociation(.cr0, 0x8000_0011), RegisterAssociation(.cr4, 0),
            ])
        }
        #expect(throws: HypercallStatus.invalidRegisterValue) {
            try machine.vp.setRegisters([RegisterAssociation(.internalActivityState, 8)])
        }
    }

    @Test("processor 0 runs, the others wait for start-up")
    func activity() throws {
        let machine = try SmallMachine(vpCount: 2)
        #expect(try machine.vp.registers([.internalActivityState]) == [RegisterValue(0)])
        #expect(try machine.processors[1].registers([.internalActivityState, .vpIndex]).map(\.low) == [1, 1])
    }

    @Test("registers read after an answered IN have its result")
    func afterInput() throws {
        let machine = try SmallMachine()
        try machine.load([0xE5, 0x10, 0xF4], and: [RegisterAssociation(.rax, 0)])
        let watchdog = try Watchdog(machine.vp)
        #expect(machine.vp.run() == .portRead(port: 0x10, size: 2))
        #expect(try machine.vp.registers([.rax]).map(\.low) == [0])
        machine.vp.completeRead(0xBEEF)
        #expect(try machine.vp.registers([.rax, .rip]).map(\.low) == [0xBEEF, 0x1002])
        withExtendedLifetime(watchdog) {}
    }

    @Test("registers of a running processor can be read")
    func whileRunning() throws {
        let machine = try SmallMachine()
        try machine.load([0xEB, 0xFE])
        let vp = machine.vp
        let watchdog = try Watchdog(vp)
        let thread = try SystemThread(name: "running") { _ = vp.run() }
        for _ in 0..<20 { #expect(try vp.registers([.rip]).map(\.low) == [0x1000]) }
        vp.cancelRun()
        thread.join()
        withExtendedLifetime(watchdog) {}
    }

    @Test("the guest sees its own CPUID")
    func guestCPUID() throws {
        let machine = try SmallMachine(vpCount: 3)
        // mov eax,1; cpuid; mov [0x2000],ebx; mov [0x2004],ecx; mov eax,0x40000000; cpuid; mov [0x2008],ebx; out 0xF4,al
        try machine.load([
            0x66, 0xB8, 1, 0, 0, 0, 0x0F, 0xA2, 0x66, 0x89, 0x1E, 0x00, 0x20, 0x66, 0x89, 0x0E, 0x04, 0x20, 0x66, 0xB8,
            0, 0, 0, 0x40, 0x0F, 0xA2, 0x66, 0x89, 0x1E, 0x08, 0x20, 0xE6, 0xF4,
        ])
        let watchdog = try Watchdog(machine.vp)
        #expect(machine.vp.run().reason == .portWrite)
        func word(_ at: Int) -> UInt32 {
            (0..<4).reduce(0) { $0 | UInt32(machine.byte(at: at + $1)) << (8 * UInt32($1)) }
        }
        #expect(word(0x2000) >> 16 == 4, "APIC id 0, room for 4")
        #expect(word(0x2004) >> 31 == 1 && word(0x2004) >> 3 & 1 == 0, "a hypervisor, no MONITOR")
        #expect(word(0x2008) == 0x4B4D_564B, "KVMK")
        withExtendedLifetime(watchdog) {}
    }

    @Test("CPUID topology: one socket of cores with one thread each", arguments: [1, 2, 3, 8, 254])
    func topology(count: Int) throws {
        let engine = try KvmEngine()
        let last = UInt32(count - 1)
        let entries = CPUIDEntry.forProcessor(
            last, of: count, supported: engine.supportedCPUID, hasTSCDeadlineTimer: true)
        let one = try #require(entries.first { $0.function == 1 })
        #expect(one.ebx >> 24 == last)
        #expect(one.edx >> 28 & 1 == (count > 1 ? 1 : 0))
        #expect(one.ecx >> 24 & 1 == 1)
        let levels = entries.filter { $0.function == 0xB }
        if !levels.isEmpty {
            #expect(levels.map(\.ebx) == [1, UInt32(count), 0])
            #expect(levels.allSatisfy { $0.edx == last })
            #expect(levels[1].eax < 9 && last >> levels[1].eax == 0)
        }
        if let leaf = entries.first(where: { $0.function == 0xA }) { #expect(leaf.eax == 0) }
    }

    @Test("the probe runs guest code, quickly, and says what it saw")
    func probe() throws {
        let start = monotonicNanoseconds()
        let (engine, description) = try HypervisorProbe.probeKVM().get()
        #expect(monotonicNanoseconds() - start < 1_000_000_000, "300 ms on an idle machine")
        #expect(description.kind == .kvm)
        #expect(description.detail.contains("instructions a second"))
        #expect(engine.description == description)
    }
}
