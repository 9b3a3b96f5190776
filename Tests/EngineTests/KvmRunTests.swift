import HypercallABI
import Hypervisor
import KvmEngine
import LinuxSystem
import Synchronization
import Testing

@Suite("Processors of the KVM engine", .enabled(if: hasKVM, "needs /dev/kvm"))
struct KvmRunTests {
    @Test("port output and input of each size")
    func ports() throws {
        let machine = try SmallMachine()
        // mov dx,0x1234; mov eax,0xA1B2C3D4; out dx,al; out dx,ax; out dx,eax; in eax,dx; mov [0x2000],eax; out 0xF4,al
        try machine.load([
            0xBA, 0x34, 0x12, 0x66, 0xB8, 0xD4, 0xC3, 0xB2, 0xA1, 0xEE, 0xEF, 0x66, 0xEF, 0x66, 0xED, 0x66, 0xA3, 0x00,
            0x20, 0xE6, 0xF4,
        ])
        let watchdog = try Watchdog(machine.vp)
        #expect(machine.vp.run() == .portWrite(port: 0x1234, size: 1, value: 0xD4))
        #expect(machine.vp.run() == .portWrite(port: 0x1234, size: 2, value: 0xC3D4))
        #expect(machine.vp.run() == .portWrite(port: 0x1234, size: 4, value: 0xA1B2_C3D4))
        #expect(machine.vp.run() == .portRead(port: 0x1234, size: 4))
        machine.vp.completeRead(0x1122_3344)
        #expect(machine.vp.run() == .portWrite(port: 0xF4, size: 1, value: 0x44))
        #expect((0..<4).map { machine.byte(at: 0x2000 + $0) } == [0x44, 0x33, 0x22, 0x11])
        withExtendedLifetime(watchdog) {}
    }

    @Test("each element of string output and input is an exit")
    func strings() throws {
        let machine = try SmallMachine()
        machine.write(Array("abc".utf8), at: 0x2000)
        // cld; mov dx,0x3F8; mov cx,3; mov si,0x2000; rep outsb; mov cx,3; mov di,0x3000; rep insw; out 0xF4,al
        try machine.load([
            0xFC, 0xBA, 0xF8, 0x03, 0xB9, 0x03, 0x00, 0xBE, 0x00, 0x20, 0xF3, 0x6E, 0xB9, 0x03, 0x00, 0xBF, 0x00, 0x30,
            0xF3, 0x6D, 0xE6, 0xF4,
        ])
        let watchdog = try Watchdog(machine.vp)
        for byte in "abc".utf8 {
            #expect(machine.vp.run() == .portWrite(port: 0x3F8, size: 1, value: UInt32(byte)))
        }
        for value: UInt64 in [0x0201, 0x0403, 0x0605] {
            #expect(machine.vp.run() == .portRead(port: 0x3F8, size: 2))
            machine.vp.completeRead(value)
        }
        #expect(machine.vp.run().reason == .portWrite)
        #expect((0..<6).map { machine.byte(at: 0x3000 + $0) } == [1, 2, 3, 4, 5, 6])
        withExtendedLifetime(watchdog) {}
    }

    @Test("reads and writes without memory are device accesses")
    func deviceMemory() throws {
        let machine = try SmallMachine()
        // mov eax,[0x8000] (DS base 0xD0000); inc eax; mov [0x8010],al; mov [0x8020],eax; mov [0x8031],ax
        try machine.load(
            [
                0x66, 0xA1, 0x00, 0x80, 0x66, 0x40, 0xA2, 0x10, 0x80, 0x66, 0xA3, 0x20, 0x80, 0xA3, 0x31, 0x80,
            ],
            and: [
                RegisterAssociation(
                    .ds,
                    RegisterValue(SegmentRegister(base: 0xD0000, limit: 0xFFFF, selector: 0xD000, attributes: 0x93)))
            ])
        let watchdog = try Watchdog(machine.vp)
        #expect(machine.vp.run() == .mmioRead(gpa: 0xD8000, size: 4))
        machine.vp.completeRead(0x0102_03FF)
        #expect(machine.vp.run() == .mmioWrite(gpa: 0xD8010, size: 1, value: 0x00))
        #expect(machine.vp.run() == .mmioWrite(gpa: 0xD8020, size: 4, value: 0x0102_0400))
        #expect(machine.vp.run() == .mmioWrite(gpa: 0xD8031, size: 2, value: 0x0400))
        withExtendedLifetime(watchdog) {}
    }

    @Test("a triple fault is an unrecoverable exception")
    func tripleFault() throws {
        let machine = try SmallMachine()
        // ud2 in protected mode with an IDT that has no entry; an emulated KVM does not look at its limit in real mode.
        let code = SegmentRegister(base: 0, limit: .max, selector: 8, attributes: 0xC09B)
        try machine.load(
            [0x0F, 0x0B],
            and: [
                RegisterAssociation(.cs, RegisterValue(code)), RegisterAssociation(.cr0, 0x11),
                RegisterAssociation(.idtr, RegisterValue(TableRegister(base: 0, limit: 0))),
            ])
        let watchdog = try Watchdog(machine.vp)
        #expect(machine.vp.run() == .unrecoverableException)
        withExtendedLifetime(watchdog) {}
    }

    @Test("what is unmapped while a processor spins on it becomes a device, and nothing else changes")
    func unmapping() throws {
        let machine = try SmallMachine()
        // again: inc byte [0x3000]; mov al,[0x5000]; cmp al,0; je again; out 0xF4,al; hlt
        try machine.load([
            0xFE, 0x06, 0x00, 0x30, 0xA0, 0x00, 0x50, 0x3C, 0x00, 0x74, 0xF5, 0xE6, 0xF4, 0xF4,
        ])
        let watchdog = try Watchdog(machine.vp)
        let vp = machine.vp
        let seen = Mutex<[VPExit]>([])
        let thread = try SystemThread(name: "spinning") {
            while true {
                let exit = vp.run()
                seen.withLock { $0.append(exit) }
                if case .mmioRead = exit { vp.completeRead(7) } else { return }
            }
        }
        while machine.byte(at: 0x3000) < 5 {}
        try machine.partition.unmap(gpa: 0x5000, count: 0x1000)
        thread.join()
        #expect(
            seen.withLock { $0 } == [
                .mmioRead(gpa: 0x5000, size: 1), .portWrite(port: 0xF4, size: 1, value: 7),
            ])
        // And back again.
        try machine.partition.map(gpa: 0x5000, hostAddress: machine.host(0x5000), count: 0x1000, access: .all)
        machine.write([9], at: 0x5000)
        try machine.load([0xA0, 0x00, 0x50, 0xE6, 0xF4])
        #expect(machine.vp.run() == .portWrite(port: 0xF4, size: 1, value: 9))
        withExtendedLifetime(watchdog) {}
    }

    @Test("a write to read-only memory is a device access, a read is not")
    func readOnly() throws {
        let machine = try SmallMachine()
        try machine.partition.unmap(gpa: 0x5000, count: 0x1000)
        try machine.partition.map(gpa: 0x5000, hostAddress: machine.host(0x5000), count: 0x1000, access: [.execute])
        machine.write([0x33], at: 0x5000)
        // mov al,[0x5000]; mov [0x5001],al; out 0xF4,al
        try machine.load([0xA0, 0x00, 0x50, 0xA2, 0x01, 0x50, 0xE6, 0xF4])
        let watchdog = try Watchdog(machine.vp)
        #expect(machine.vp.run() == .mmioWrite(gpa: 0x5001, size: 1, value: 0x33))
        #expect(machine.vp.run() == .portWrite(port: 0xF4, size: 1, value: 0x33))
        #expect(machine.byte(at: 0x5001) == 0)
        withExtendedLifetime(watchdog) {}
    }

    @Test("the end of a level-triggered interrupt that the I/O APIC routes is an exit")
    func endOfInterrupt() throws {
        let machine = try SmallMachine()
        // IDT entry 0x31 to 0x1100; GDT with flat code and data.
        machine.write([0x00, 0x11, 0x08, 0x00, 0x00, 0x8E, 0x00, 0x00], at: 0x2000 + 0x31 * 8)
        machine.write([0xFF, 0xFF, 0, 0, 0, 0x9B, 0xCF, 0, 0xFF, 0xFF, 0, 0, 0, 0x93, 0xCF, 0], at: 0x3008)
        // The handler: mov dword [0xFEE000B0],0; out 0xF5,al; jmp itself
        machine.write([0xC7, 0x05, 0xB0, 0x00, 0xE0, 0xFE, 0, 0, 0, 0, 0xE6, 0xF5, 0xEB, 0xFE], at: 0x1100)
        let code = SegmentRegister(base: 0, limit: .max, selector: 8, attributes: 0xC09B)
        let data = SegmentRegister(base: 0, limit: .max, selector: 16, attributes: 0xC093)
        // mov dword [0xFEE000F0],0x1FF; out 0xF4,al; sti; hlt; jmp itself
        try machine.load(
            [0xC7, 0x05, 0xF0, 0x00, 0xE0, 0xFE, 0xFF, 0x01, 0, 0, 0xE6, 0xF4, 0xFB, 0xF4, 0xEB, 0xFE],
            and: [
                RegisterAssociation(.cs, RegisterValue(code)), RegisterAssociation(.ds, RegisterValue(data)),
                RegisterAssociation(.ss, RegisterValue(data)), RegisterAssociation(.rsp, 0x8000),
                RegisterAssociation(.cr0, 0x11),
                RegisterAssociation(.idtr, RegisterValue(TableRegister(base: 0x2000, limit: 0x3FF))),
                RegisterAssociation(.gdtr, RegisterValue(TableRegister(base: 0x3000, limit: 0x17))),
            ])
        let watchdog = try Watchdog(machine.vp)
        #expect(machine.vp.run() == .portWrite(port: 0xF4, size: 1, value: 0))
        var pins = [IOAPICMessage?](repeating: nil, count: 24)
        pins[5] = IOAPICMessage(address: 0xFEE0_0000, data: 0x31, isLevelTriggered: true)
        try machine.partition.setIOAPICMessages(pins)
        try machine.partition.signalMSI(address: 0xFEE0_0000, data: 0xC031)
        // An emulated KVM runs on for a while before it tells of the end.
        let exits = [machine.vp.run(), machine.vp.run()]
        #expect(exits.contains(.apicEOI(vector: 0x31)) && exits.contains(.portWrite(port: 0xF5, size: 1, value: 0)))
        withExtendedLifetime(watchdog) {}
    }

    @Test("every cancelRun ends a run, whenever it comes")
    func cancelling() throws {
        let machine = try SmallMachine()
        try machine.load([0xEB, 0xFE])
        let vp = machine.vp
        // Before the run: the next one ends at once; two wishes are one.
        vp.cancelRun()
        vp.cancelRun()
        #expect(vp.run() == .interrupted)

        let rounds = 300
        let ended = Counter()
        let runner = try SystemThread(name: "cancelled") {
            for _ in 0..<rounds {
                if vp.run() != .interrupted { return }
                ended.value.add(1, ordering: .sequentiallyConsistent)
            }
        }
        let start = monotonicNanoseconds()
        for round in 0..<rounds {
            // At different distances from the start of the run.
            for _ in 0..<(round * 37 % 500) { _ = monotonicNanoseconds() }
            vp.cancelRun()
            while ended.value.load(ordering: .sequentiallyConsistent) <= round {
                guard monotonicNanoseconds() - start > 9_000_000_000 else { continue }
                Issue.record("round \(round): a wish to cancel was lost")
                // The runner stays where it is: joining would hang.
                return runner.detach()
            }
        }
        runner.join()
    }

    /// A count that threads share.
    private final class Counter: Sendable { let value = Atomic<Int>(0) }
}
