import HypercallABI
import Hypervisor
import KvmEngine
import LinuxSystem
import Testing

@Suite("Written pages in the KVM engine", .enabled(if: hasKVM, "needs /dev/kvm"))
struct KvmDirtyPagesTests {
    /// mov [di],al; out 0xF4,al; jmp back.
    private static let loop: [UInt8] = [0x88, 0x05, 0xE6, 0xF4, 0xEB, 0xFA]

    private func store(_ machine: SmallMachine, page: UInt64) throws {
        try machine.vp.setRegisters([RegisterAssociation(.rdi, page * 4096), RegisterAssociation(.rip, 0x1000)])
        #expect(machine.vp.run().reason == .portWrite)
    }

    @Test("what a guest writes is told once, page by page")
    func writtenPages() throws {
        let machine = try SmallMachine()
        let partition = machine.partition
        try machine.load(Self.loop)
        let watchdog = try Watchdog(machine.vp)
        // Before it is on nothing is kept, and a slot that is installed already learns of it.
        try store(machine, page: 2)
        #expect(try partition.takeDirtyPages(0..<16) == [])
        try partition.setDirtyTracking(true)
        try store(machine, page: 5)
        try store(machine, page: 6)
        try store(machine, page: 9)
        #expect(try partition.takeDirtyPages(6..<8) == [6..<7], "a part of a slot")
        #expect(try partition.takeDirtyPages(0..<16) == [5..<6, 9..<10])
        #expect(try partition.takeDirtyPages(0..<16) == [])
        try store(machine, page: 9)
        // Cutting the slot loses nothing.
        try partition.unmap(gpa: 12 * 4096, count: 4096)
        try store(machine, page: 13)
        #expect(try partition.takeDirtyPages(0..<16) == [9..<10, 13..<14])
        try partition.setDirtyTracking(false)
        try store(machine, page: 9)
        #expect(try partition.takeDirtyPages(0..<16) == [])
        withExtendedLifetime(watchdog) {}
    }

    @Test("tracking that is on before the first run")
    func early() throws {
        let machine = try SmallMachine()
        try machine.partition.setDirtyTracking(true)
        #expect(try machine.partition.takeDirtyPages(0..<16) == [])
        try machine.load(Self.loop)
        let watchdog = try Watchdog(machine.vp)
        try store(machine, page: 7)
        #expect(try machine.partition.takeDirtyPages(0..<16) == [7..<8])
        withExtendedLifetime(watchdog) {}
    }
}
