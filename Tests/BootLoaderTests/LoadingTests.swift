import Glibc
import GuestMemory
import HypercallABI
import LinuxSystem
import Testing

@testable import BootLoader

/// Good images: what memory and registers a guest starts with.
@Suite struct LoadingTests {
    private let workspace: Workspace
    private let memory: GuestMemory
    private let rsdp: UInt64 = 0xE0000

    init() throws {
        workspace = try Workspace()
        memory = try GuestMemory(size: 16 * mebibyte)
    }

    private func boot(_ source: BootSource) throws -> [RegisterName: RegisterValue] {
        let image = try BootImage.inspect(source, memorySize: memory.size)
        let registers = try image.load(into: memory, acpiRSDP: rsdp)
        #expect(Set(registers.map(\.name)).count == registers.count)
        return Dictionary(uniqueKeysWithValues: registers.map { ($0.name, $0.value) })
    }

    private func expectLongMode(_ registers: [RegisterName: RegisterValue]) throws {
        #expect(registers[.cr0]?.low == 0x8000_0031)
        #expect(registers[.cr4]?.low == 0x20)
        #expect(registers[.efer]?.low == 0x500)
        #expect(registers[.rflags]?.low == 2)
        #expect(registers[.cs]?.segment == SegmentRegister(base: 0, limit: .max, selector: 0x10, attributes: 0xA09B))
        for name in [RegisterName.ds, .es, .fs, .gs, .ss] {
            #expect(
                registers[name]?.segment == SegmentRegister(base: 0, limit: .max, selector: 0x18, attributes: 0xC093))
        }
        #expect(registers[.tr]?.segment == SegmentRegister(base: 0, limit: 0x67, selector: 0x20, attributes: 0x8B))
        #expect(registers[.gdtr]?.table == TableRegister(base: 0x500, limit: 47))
        #expect(try memory.load(0x510, as: UInt64.self) == 0x00AF_9B00_0000_FFFF)
        #expect(try memory.load(0x518, as: UInt64.self) == 0x00CF_9300_0000_FFFF)
        // Walk the page tables as a processor does, at the ends of each GiB.
        let root = try #require(registers[.cr3]).low
        for address: UInt64 in [0, 0x20_0000, 0x3FFF_FFFF, 0x4000_0000, 0xBFE0_0000, 0xFFFF_FFFF] {
            let top = try memory.load(root, as: UInt64.self)
            #expect(top & 0xFFF == 3)
            let pointer = try memory.load(top & ~0xFFF + (address >> 30) * 8, as: UInt64.self)
            #expect(pointer & 0xFFF == 3)
            let entry = try memory.load(pointer & ~0xFFF + (address >> 21 & 511) * 8, as: UInt64.self)
            #expect(entry == address & ~0x1F_FFFF | 0x83)
        }
        #expect(try memory.load(root + 8, as: UInt64.self) == 0)
    }

    private func expectMemoryMap(_ at: UInt64, stride: UInt64, count: UInt64, memory: GuestMemory) throws {
        var expected: [[UInt64]] = [
            [0, 0x9FC00, 1], [0x9FC00, 0x40400, 2], [0xE0000, 0x20000, 3],
            [0x100000, GuestMemory.lowEnd(of: memory.size) - 0x100000, 1],
        ]
        if memory.size > 3 << 30 { expected.append([4 << 30, memory.size - 3 << 30, 1]) }
        #expect(count == UInt64(expected.count))
        for (index, entry) in expected.enumerated() {
            let place = at + UInt64(index) * stride
            #expect(try memory.load(place, as: UInt64.self) == entry[0])
            #expect(try memory.load(place + 8, as: UInt64.self) == entry[1])
            #expect(try UInt64(memory.load(place + 16, as: UInt32.self)) == entry[2])
        }
    }

    @Test func bzImage() throws {
        let synthetic = SyntheticBzImage()
        let kernel = try workspace.file("bz", synthetic.bytes + [0xAA, 0xBB])  // a signature behind it
        let initrd = try workspace.file("rd", [UInt8](repeating: 0x55, count: 5000))
        let registers = try boot(BootSource(kernel: kernel, initrd: initrd, commandLine: "console=ttyS0 ü"))
        try expectLongMode(registers)
        #expect(registers[.rip]?.low == 0x20_0200)
        #expect(registers[.rsi]?.low == 0x7000)
        #expect(try memory.read(0x20_0000, count: 4096) == synthetic.kernel)
        #expect(try memory.read(0x20_1000, count: 4) == [0, 0, 0, 0])

        let page = try memory.read(0x7000, count: 4096)
        #expect(page.little(0x070, UInt64.self) == rsdp)
        #expect(page.little(0x1EF, UInt8.self) == 0)  // sentinel
        #expect(page.little(0x1F1, UInt8.self) == 1)
        #expect(page.little(0x1FE, UInt16.self) == 0xAA55)
        #expect(page.has("HdrS", at: 0x202))
        #expect(page.little(0x1FA, UInt16.self) == 0)
        #expect(page.little(0x210, UInt8.self) == 0xFF)
        #expect(page.little(0x228, UInt32.self) == 0x90000)
        #expect(page.little(0x250, UInt64.self) == 0)
        #expect(page.little(0x260, UInt32.self) == 0x30_0000)
        #expect(page[0x26C..<0x2D0].allSatisfy { $0 == 0 })
        try expectMemoryMap(0x72D0, stride: 20, count: UInt64(page[0x1E8]), memory: memory)
        #expect(try memory.read(0x90000, count: 18) == Array("console=ttyS0 ü".utf8) + [0, 0])

        let address = UInt64(page.little(0x218, UInt32.self))
        #expect(address == 16 * mebibyte - 8192)
        #expect(page.little(0x21C, UInt32.self) == 5000)
        #expect(try memory.read(address, count: 5001) == [UInt8](repeating: 0x55, count: 5000) + [0])
    }

    @Test func bzImageThatPrefersAnOddAddressIsAligned() throws {
        var synthetic = SyntheticBzImage()
        synthetic.head.put(UInt64(0x20_1000), at: 0x258)
        let kernel = try workspace.file("bz", synthetic.bytes)
        #expect(try BootImage.inspect(BootSource(kernel: kernel), memorySize: memory.size).entry == 0x40_0200)
        synthetic.head.put(UInt8(0), at: 0x234)  // not relocatable: exactly there
        try workspace.file("bz", synthetic.bytes)
        let image = try BootImage.inspect(BootSource(kernel: kernel, format: .bzImage), memorySize: memory.size)
        #expect(image.entry == 0x20_1200)
        #expect(image.summary == "Linux bzImage 6.1-x, boot protocol 2.15, entered by linux64 at 0x201200")
    }

    @Test func setupSectorsOfZeroMeanFour() throws {
        var synthetic = SyntheticBzImage()
        synthetic.head.put(UInt8(0), at: 0x1F1)
        let padding = [UInt8](repeating: 0, count: 5 * 512 - synthetic.head.count)
        let kernel = try workspace.file("bz", synthetic.head + padding + synthetic.kernel)
        _ = try boot(BootSource(kernel: kernel))
        #expect(try memory.read(0x20_0000, count: 4096) == synthetic.kernel)
    }

    @Test func initrdStaysBelowTheKernelsLimit() throws {
        var synthetic = SyntheticBzImage()
        synthetic.head.put(UInt32(0x7F_FFFF), at: 0x22C)
        let kernel = try workspace.file("bz", synthetic.bytes)
        let initrd = try workspace.file("rd", [1, 2, 3])
        _ = try boot(BootSource(kernel: kernel, initrd: initrd))
        #expect(try memory.load(0x7218, as: UInt32.self) == 0x7F_F000)
        #expect(try memory.read(0x7F_F000, count: 3) == [1, 2, 3])
    }

    private func expectElfLoaded(_ synthetic: SyntheticElf) throws {
        #expect(try memory.read(0x20_0000, count: 0x200) == Array(synthetic.bytes[0x400..<0x600]))
        #expect(try memory.read(0x30_0000, count: 0x180) == [UInt8](repeating: 0xD0, count: 0x180))
        #expect(try memory.read(0x30_0180, count: 0x3000 - 0x180).allSatisfy { $0 == 0 })
        #expect(try memory.load(0x30_3000, as: UInt8.self) == 0xEE)
    }

    @Test(arguments: [BootSource.Format.auto, .elf, .pvh])
    func elfByPVH(_ format: BootSource.Format) throws {
        try memory.write(0x30_0000, [UInt8](repeating: 0xEE, count: 0x4000))  // bss is made zero
        let synthetic = SyntheticElf()
        let kernel = try workspace.file("elf", synthetic.bytes)
        let initrd = try workspace.file("rd", [7, 8, 9])
        let registers = try boot(BootSource(kernel: kernel, initrd: initrd, commandLine: "quiet", format: format))
        try expectElfLoaded(synthetic)
        #expect(registers[.rip]?.low == 0x20_0040)
        #expect(registers[.rbx]?.low == 0x6000)
        #expect(registers[.cr0]?.low == 0x11)
        #expect(registers[.cr4]?.low == 0)
        #expect(registers[.efer]?.low == 0)
        #expect(registers[.rflags]?.low == 2)
        #expect(registers[.cs]?.segment == SegmentRegister(base: 0, limit: .max, selector: 0x10, attributes: 0xC09B))
        #expect(registers[.ds]?.segment == SegmentRegister(base: 0, limit: .max, selector: 0x18, attributes: 0xC093))
        #expect(registers[.tr]?.segment == SegmentRegister(base: 0, limit: 0x67, selector: 0x20, attributes: 0x8B))

        let info = try memory.read(0x6000, count: 4096)
        #expect(info.little(0, UInt32.self) == 0x336E_C578)
        #expect(info.little(4, UInt32.self) == 1)
        #expect(info.little(12, UInt32.self) == 1)
        let module = try memory.read(info.little(16), count: 32)
        #expect(try memory.read(module.little(0), count: 3) == [7, 8, 9])
        #expect(module.little(8, UInt64.self) == 3)
        #expect(try memory.read(info.little(24), count: 6) == Array("quiet\0".utf8))
        #expect(info.little(32, UInt64.self) == rsdp)
        try expectMemoryMap(
            info.little(40), stride: 24, count: UInt64(info.little(48, UInt32.self)), memory: memory)
    }

    @Test(arguments: [BootSource.Format.auto, .elf, .linux64])
    func elfByThe64BitProtocol(_ format: BootSource.Format) throws {
        try memory.write(0x30_0000, [UInt8](repeating: 0xEE, count: 0x4000))
        let synthetic = SyntheticElf(note: format == .linux64)
        let kernel = try workspace.file("elf", synthetic.bytes)
        let registers = try boot(BootSource(kernel: kernel, format: format))
        try expectElfLoaded(synthetic)
        try expectLongMode(registers)
        #expect(registers[.rip]?.low == 0x20_0010)
        #expect(registers[.rsi]?.low == 0x7000)
        let page = try memory.read(0x7000, count: 4096)
        #expect(page.has("HdrS", at: 0x202))
        #expect(page.little(0x218, UInt32.self) == 0)
        #expect(page.little(0x228, UInt32.self) == 0x90000)
        try expectMemoryMap(0x72D0, stride: 20, count: UInt64(page[0x1E8]), memory: memory)
    }

    @Test func aVirtualEntryIsTranslated() throws {
        var synthetic = SyntheticElf(note: false)
        synthetic.bytes.put(SyntheticElf.virtualBase + 0x20_0010, at: 24)
        let kernel = try workspace.file("elf", synthetic.bytes)
        #expect(try BootImage.inspect(BootSource(kernel: kernel), memorySize: memory.size).entry == 0x20_0010)
    }

    @Test func aPVHNoteOfEightBytesIsRead() throws {
        var synthetic = SyntheticElf()
        synthetic.note(24, type: 18, [0x80, 0x00, 0x20, 0x00, 0, 0, 0, 0])
        let kernel = try workspace.file("elf", synthetic.bytes)
        let image = try BootImage.inspect(BootSource(kernel: kernel, format: .pvh), memorySize: memory.size)
        #expect(image.entry == 0x20_0080)
        #expect(image.bootProtocol == .pvh)
    }

    @Test(arguments: [0x10000, 0x8FFFD, 0x100000, 0x123457, 16 * 1024 * 1024 - 3] as [UInt64])
    func flat(_ address: UInt64) throws {
        let kernel = try workspace.file("flat", [0xFA, 0xF4, 0xEB])
        let registers = try boot(BootSource(kernel: kernel, commandLine: "a", format: .flat, loadAddress: address))
        try expectLongMode(registers)
        #expect(registers[.rip]?.low == address)
        #expect(registers[.rbx]?.low == 0x6000)
        #expect(try memory.read(address, count: 3) == [0xFA, 0xF4, 0xEB])
        #expect(try memory.load(0x6000, as: UInt32.self) == 0x336E_C578)
    }

    @Test func demoKernel() throws {
        for source in [
            BootSource(kernel: "builtin:demo"),
            BootSource(kernel: "builtin:demo", commandLine: "x", format: .flat, loadAddress: DemoKernel.loadAddress),
        ] {
            let registers = try boot(source)
            #expect(registers[.rip]?.low == DemoKernel.loadAddress)
            #expect(
                try memory.read(DemoKernel.loadAddress, count: DemoKernel.bytes.count) == Array(DemoKernel.bytes))
        }
    }

    @Test func theTrampolinePageAndTheACPITablesAreLeftAlone() throws {
        let kernel = try workspace.file("bz", SyntheticBzImage().bytes)
        let left = [BootLayout.trampoline, BootLayout.acpiTables, 0..<0x500, 0x9FC00..<0xE0000]
        for range in left { try memory.write(range.lowerBound, [UInt8](repeating: 0x77, count: range.count)) }
        _ = try boot(BootSource(kernel: kernel, commandLine: String(repeating: "x", count: 2047)))
        for range in left {
            #expect(try memory.read(range.lowerBound, count: range.count).allSatisfy { $0 == 0x77 })
        }
    }

    @Test func memoryBeyondThreeGibibytesIsInTheMap() throws {
        let large = try GuestMemory(size: 5 << 30)
        let kernel = try workspace.file("bz", SyntheticBzImage().bytes)
        let initrd = try workspace.file("rd", [1])
        let image = try BootImage.inspect(BootSource(kernel: kernel, initrd: initrd), memorySize: large.size)
        _ = try image.load(into: large, acpiRSDP: rsdp)
        try expectMemoryMap(0x72D0, stride: 20, count: UInt64(large.load(0x71E8, as: UInt8.self)), memory: large)
        #expect(try large.load(0x7218, as: UInt32.self) == 0x7FFF_F000)
    }

    @Test func aSymbolicLinkIsFollowed() throws {
        let kernel = try workspace.file("bz", SyntheticBzImage().bytes)
        #expect(symlink(kernel, workspace.place("vmlinuz")) == 0)
        _ = try BootImage.inspect(BootSource(kernel: workspace.path + "/vmlinuz"), memorySize: memory.size)
    }
}
