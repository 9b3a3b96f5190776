import HypercallABI
import Hypervisor
import KvmEngine
import LinuxSystem
import Testing

@Suite("Eventfds of the KVM engine", .enabled(if: hasKVM, "needs /dev/kvm"))
struct KvmEventTests {
    @Test("a doorbell takes the writes that it is for, and no others")
    func doorbells() throws {
        let machine = try SmallMachine()
        let events = try #require(machine.partition.events)
        // DS base 0xD0000: mov byte [0x8000],5; mov byte [0x8010],5; mov byte [0x8010],6; out 0xF4,al
        try machine.load(
            [
                0xC6, 0x06, 0x00, 0x80, 0x05, 0xC6, 0x06, 0x10, 0x80, 0x05, 0xC6, 0x06, 0x10, 0x80, 0x06, 0xE6, 0xF4,
            ],
            and: [
                RegisterAssociation(
                    .ds,
                    RegisterValue(SegmentRegister(base: 0xD0000, limit: 0xFFFF, selector: 0xD000, attributes: 0x93)))
            ])
        let (any, five) = (try EventFD(), try EventFD())
        try events.addDoorbell(DoorbellWrite(gpa: 0xD8000, size: 0, value: nil), any)
        try events.addDoorbell(DoorbellWrite(gpa: 0xD8010, size: 1, value: 5), five)
        #expect(throws: HypervisorError.self) {
            try events.addDoorbell(DoorbellWrite(gpa: 0xD8010, size: 1, value: 5), any)
        }
        let watchdog = try Watchdog(machine.vp)
        #expect(machine.vp.run() == .mmioWrite(gpa: 0xD8010, size: 1, value: 6))
        #expect(any.drain() == 1 && five.drain() == 1)
        #expect(machine.vp.run().reason == .portWrite)
        try events.removeDoorbell(DoorbellWrite(gpa: 0xD8000, size: 0, value: nil), any)
        try machine.vp.setRegisters([RegisterAssociation(.rip, 0x1000)])
        #expect(machine.vp.run() == .mmioWrite(gpa: 0xD8000, size: 1, value: 5))
        withExtendedLifetime(watchdog) {}
    }

    @Test("the signal of an eventfd is the message that it has at that time")
    func interrupts() throws {
        let machine = try SmallMachine()
        let events = try #require(machine.partition.events)
        // Real mode: vectors 0x31 and 0x32 to 0x1100 and 0x1110: mov al,vector; out 0xF4,al; hlt.
        machine.write([0x00, 0x11, 0x00, 0x00, 0x10, 0x11, 0x00, 0x00], at: 0x31 * 4)
        machine.write([0xB0, 0x31, 0xE6, 0xF4, 0xF4], at: 0x1100)
        machine.write([0xB0, 0x32, 0xE6, 0xF4, 0xF4], at: 0x1110)
        // Switches the local APIC on (spurious vector register), then waits: sti; again: jmp again
        let spurious: [UInt8] = [0x66, 0xC7, 0x06, 0xF0, 0x00, 0xFF, 0x01, 0x00, 0x00]
        let event = try EventFD()
        try events.setMessage(InterruptMessage(address: 0xFEE0_0000, data: 0x31), of: event)
        try events.setMessage(InterruptMessage(address: 0xFEE0_0000, data: 0x32), of: event)
        try machine.load(
            spurious + [0xE6, 0xF5, 0xFB, 0xEB, 0xFE],
            and: [
                RegisterAssociation(
                    .ds,
                    RegisterValue(SegmentRegister(base: 0xFEE0_0000, limit: 0xFFFF, selector: 0, attributes: 0x93))),
                RegisterAssociation(.rsp, 0x8000),
            ])
        let watchdog = try Watchdog(machine.vp)
        #expect(machine.vp.run().reason == .portWrite)
        event.signal()
        #expect(machine.vp.run() == .portWrite(port: 0xF4, size: 1, value: 0x32))
        try events.setMessage(nil, of: event)
        event.signal()
        #expect(event.drain() == 1)
        withExtendedLifetime(watchdog) {}
    }
}
