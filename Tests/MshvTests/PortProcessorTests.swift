import CMshv
import Glibc
import HypercallABI
import HypercallCore
import Hypervisor
import LinuxSystem
import Synchronization
import Testing

@testable import MshvHypervisor

/// What each message becomes, with the shared register page and without.
@Suite struct PortProcessorTests {
    private final class Machine {
        let port = PortHarness()
        let memory: MemoryMapping
        let vp: MshvVP
        let id: PartitionID

        init(hasPage: Bool = false) throws {
            port.driver.state.withLock { $0.hasRegisterPage = hasPage }
            memory = try MemoryMapping(anonymous: 16 * pageSize)
            id = try port.activePartition()
            let source = UInt64(UInt(bitPattern: memory.base)) >> 12
            try port.client.mapGPAPages(id, gpaPage: 0, flags: [.readable, .writable, .executable], count: 16) {
                source + UInt64($0)
            }
            try port.client.createVP(CreateVPInput(partition: id, index: 0))
            vp = try port.hypervisor.mshvPartition(id).mshvProcessor(0)
            // Flat 64-bit code.
            port.driver.state.withLock { state in
                state.registers[RegisterName.cr0.rawValue] = RegisterValue(0x8000_0011)
                state.registers[RegisterName.efer.rawValue] = RegisterValue(0x500)
                state.registers[RegisterName.cr4.rawValue] = RegisterValue(0x20)
                state.registers[RegisterName.rflags.rawValue] = RegisterValue(2)
                for name: RegisterName in [.es, .ss, .ds, .fs, .gs] {
                    state.registers[name.rawValue] = RegisterValue(
                        SegmentRegister(base: 0, limit: .max, selector: 0x10, attributes: 0xC093))
                }
                state.registers[RegisterName.cs.rawValue] = RegisterValue(Self.code)
            }
        }

        static let code = SegmentRegister(base: 0, limit: .max, selector: 8, attributes: 0xA09B)

        func set(_ name: RegisterName, _ value: UInt64) {
            port.driver.state.withLock { $0.registers[name.rawValue] = RegisterValue(value) }
        }

        func header(_ length: UInt8 = 2, _ access: InterceptAccessType = .read, rip: UInt64 = 0x1000)
            -> InterceptMessageHeader
        {
            InterceptMessageHeader(
                vp: 0, instructionLength: length, access: access,
                state: VPExecutionState(cpl: 0, isProtectedMode: true, isLongMode: true), cs: Self.code, rip: rip,
                rflags: 2)
        }
    }

    @Test(
        arguments: [
            (1, 0x1122_3344_5566_77AA), (2, 0x1122_3344_5566_99AA), (4, 0x7788_99AA),
        ] as [(UInt8, UInt64)])
    func portReads(_ size: UInt8, _ expected: UInt64) throws {
        let machine = try Machine()
        machine.port.driver.run(
            .message(
                .ioPort(
                    IOPortIntercept(
                        header: machine.header(1), port: 0x3F8, accessSize: size, rax: 0x1122_3344_5566_7788))),
            .message(.halt(BareIntercept(header: machine.header()))))
        #expect(machine.vp.run() == .portRead(port: 0x3F8, size: size))
        machine.vp.completeRead(0xFFFF_FFFF_7788_99AA)
        #expect(machine.port.driver.register(.rax) == expected)
        #expect(machine.port.driver.register(.rip) == 0x1001)
        #expect(machine.vp.run() == .halt(wakeAt: nil))
    }

    @Test func portWritesThroughTheRegisterPage() throws {
        let machine = try Machine(hasPage: true)
        let page = machine.port.driver.page
        page.makeValid()
        machine.port.driver.run(
            .message(
                .ioPort(
                    IOPortIntercept(header: machine.header(2, .write), port: 0x80, accessSize: 2, rax: 0xABCD_1234))))
        #expect(machine.vp.run() == .portWrite(port: 0x80, size: 2, value: 0x1234))
        // In the page, marked; no call was made.
        #expect(page.word(136) == 0x1002 && page.dirty == 1 << 1)
        #expect(machine.port.driver.state.withLock { $0.registers[RegisterName.rip.rawValue] } == nil)
        // Somebody who reads registers by call gets what is in the page.
        #expect(try machine.port.client.registers([.rip], of: 0, in: machine.id) == [RegisterValue(0x1002)])
        #expect(page.dirty == 0)
    }

    @Test func stringOutputIsAnExitForEachElement() throws {
        let machine = try Machine()
        machine.memory.base.advanced(by: 0x2000).copyMemory(from: Array("abc".utf8), byteCount: 3)
        machine.set(.rip, 0x1000)
        machine.set(.rsi, 0x2000)
        machine.set(.rcx, 3)
        machine.set(.rdx, 0x3F8)
        machine.port.driver.run(
            .message(
                .ioPort(
                    IOPortIntercept(
                        header: machine.header(2, .write), port: 0x3F8, accessSize: 1, rax: 0, isString: true,
                        isRepeated: true, instruction: InstructionBytes([0xF3, 0x6E]), rcx: 3, rsi: 0x2000))),
            .message(.halt(BareIntercept(header: machine.header()))))
        let exits = (0..<4).map { _ in machine.vp.run() }
        #expect(
            exits == "abc".utf8.map { .portWrite(port: 0x3F8, size: 1, value: UInt32($0)) } + [.halt(wakeAt: nil)])
        #expect(machine.port.driver.register(.rcx) == 0)
        #expect(machine.port.driver.register(.rsi) == 0x2003)
        #expect(machine.port.driver.register(.rip) == 0x1002)
    }

    @Test(arguments: [true, false]) func deviceMemoryIsReadAndWritten(_ hasBytes: Bool) throws {
        let machine = try Machine()
        // mov eax, [rbx]; the second time fetched from memory.
        machine.memory.base.advanced(by: 0x1000).copyMemory(from: [0x8B, 0x03] as [UInt8], byteCount: 2)
        machine.set(.rip, 0x1000)
        machine.set(.rbx, 0xFEC0_0010)
        let intercept = MemoryIntercept(
            header: machine.header(0), gpa: 0xFEC0_0010, linearAddress: 0xFEC0_0010, info: [.gvaValid, .gvaGPAValid],
            instruction: hasBytes ? InstructionBytes([0x8B, 0x03, 0x90]) : .none)
        machine.port.driver.run(
            .message(.unmappedGPA(intercept)), .message(.halt(BareIntercept(header: machine.header()))))
        #expect(machine.vp.run() == .mmioRead(gpa: 0xFEC0_0010, size: 4))
        // Not answered: asked again.
        #expect(machine.vp.run() == .mmioRead(gpa: 0xFEC0_0010, size: 4))
        machine.vp.completeRead(0x1_2345_6789)
        #expect(machine.port.driver.register(.rax) == 0x2345_6789)
        #expect(machine.port.driver.register(.rip) == 0x1002)
        #expect(machine.vp.run() == .halt(wakeAt: nil))
        // mov [rbx], rax
        machine.set(.rip, 0x3000)
        machine.port.driver.run(
            .message(
                .gpaIntercept(
                    MemoryIntercept(
                        header: machine.header(0, .write), gpa: 0xFEC0_0010, linearAddress: 0xFEC0_0010,
                        info: [.gvaValid, .gvaGPAValid], instruction: InstructionBytes([0x48, 0x89, 0x03])))),
            .message(.halt(BareIntercept(header: machine.header()))))
        #expect(machine.vp.run() == .mmioWrite(gpa: 0xFEC0_0010, size: 8, value: 0x2345_6789))
        #expect(machine.vp.run() == .halt(wakeAt: nil))
        #expect(machine.port.driver.register(.rip) == 0x3003)
    }

    @Test func aPageFaultOfTheInstructionIsTheGuests() throws {
        let machine = try Machine()
        // movsb from the device to a page that is not present.
        machine.set(.rip, 0x1000)
        machine.set(.rsi, 0xFEC0_0000)
        machine.set(.rdi, 0x7_0000)
        machine.port.driver.state.withLock { $0.absent = [0x70] }
        machine.port.driver.run(
            .message(
                .unmappedGPA(
                    MemoryIntercept(
                        header: machine.header(0), gpa: 0xFEC0_0000, linearAddress: 0xFEC0_0000,
                        info: [.gvaValid, .gvaGPAValid], instruction: InstructionBytes([0xA4])))),
            .message(.halt(BareIntercept(header: machine.header()))))
        var exit = machine.vp.run()
        if case .mmioRead = exit {
            machine.vp.completeRead(1)
            exit = machine.vp.run()
        }
        #expect(exit == .halt(wakeAt: nil))
        let event = try #require(
            machine.port.driver.state.withLock { $0.registers[RegisterName.pendingEvent0.rawValue] })
        #expect(event == RegisterValue(low: 1 | 1 << 8 | 14 << 16 | 2 << 32, high: 0x7_0000))
        #expect(machine.port.driver.register(.rip) == 0x1000)
    }

    @Test func modelSpecificRegisters() throws {
        let machine = try Machine()
        machine.port.driver.run(
            .message(.msr(MSRIntercept(header: machine.header(), msr: 0x10))),
            .message(.msr(MSRIntercept(header: machine.header(2, .write), msr: 0x11, rdx: 5, rax: 6))),
            .message(.msr(MSRIntercept(header: machine.header(rip: 0x2000), msr: 0x12))),
            .message(.halt(BareIntercept(header: machine.header()))))
        #expect(machine.vp.run() == .msrRead(index: 0x10))
        machine.vp.completeRead(0x1_0000_0002)
        #expect(machine.port.driver.register(.rax) == 2 && machine.port.driver.register(.rdx) == 1)
        #expect(machine.port.driver.register(.rip) == 0x1002)
        #expect(machine.vp.run() == .msrWrite(index: 0x11, value: 5 << 32 | 6))
        #expect(machine.vp.run() == .msrRead(index: 0x12))
        machine.vp.failAccess()
        #expect(machine.port.driver.register(.pendingEvent0) == 1 | 1 << 8 | 13 << 16)
        #expect(machine.vp.run() == .halt(wakeAt: nil))
        #expect(machine.port.driver.register(.rip) == 0x1002)
    }

    @Test func processorIdentification() throws {
        let machine = try Machine()
        let intercept = CPUIDIntercept(
            header: machine.header(), rax: 0x4000_0100, rcx: 3, rdx: 0, rbx: 0, defaultRAX: 10, defaultRCX: 11,
            defaultRDX: 12, defaultRBX: 13)
        machine.port.driver.run(.message(.cpuid(intercept)), .message(.cpuid(intercept)))
        #expect(machine.vp.run() == .cpuid(leaf: 0x4000_0100, subleaf: 3))
        machine.vp.completeCPUID(CPUIDRegisters(eax: 1, ebx: 2, ecx: 3, edx: 4))
        #expect([.rax, .rbx, .rcx, .rdx].map { machine.port.driver.register($0) } == [1, 2, 3, 4])
        #expect(machine.vp.run() == .cpuid(leaf: 0x4000_0100, subleaf: 3))
        machine.port.driver.run(.message(.halt(BareIntercept(header: machine.header()))))
        // Nobody answered: the hypervisor's own values.
        #expect(machine.vp.run() == .halt(wakeAt: nil))
        #expect([.rax, .rbx, .rcx, .rdx].map { machine.port.driver.register($0) } == [10, 13, 11, 12])
    }

    @Test func theOtherMessages() throws {
        let machine = try Machine()
        let bare = BareIntercept(header: machine.header())
        machine.port.driver.run(
            .message(.none), .message(.apicEOI(APICEOI(vp: 0, vector: 0x31))), .message(.unrecoverableException(bare)),
            .message(
                .hypercall(HypercallIntercept(header: machine.header(3), rcx: 0x1_0000_0050, rdx: 0, r8: 0))),
            .message(.exception(ExceptionIntercept(header: machine.header(), vector: 6))),
            .failure(EIO))
        #expect(machine.vp.run() == .apicEOI(vector: 0x31))
        #expect(machine.vp.run() == .unrecoverableException)
        #expect(machine.vp.run() == .hypercall(ControlWord(rawValue: 0x1_0000_0050)))
        #expect(machine.vp.run() == .exception(vector: 6, errorCode: nil))
        #expect(machine.port.driver.register(.rax) == 2 && machine.port.driver.register(.rip) == 0x1003)
        let last = machine.vp.run()
        #expect(machine.port.driver.register(.pendingEvent0) == 1 | 6 << 16)
        guard case .failed(let why) = last else {
            Issue.record("\(last)")
            return
        }
        #expect(why.contains("MSHV_RUN_VP") && why.contains("errno 5"))
    }
}
