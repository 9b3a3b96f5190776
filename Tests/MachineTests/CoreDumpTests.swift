import BootLoader
import EmbeddedHypervisor
import Glibc
import GuestMemory
import HypercallABI
import KvmEngine
import LinuxSystem
import Testing

@testable import VirtualMachine

@Suite struct CoreDumpTests {
    /// A directory that goes away with its test.
    private final class Directory {
        let path: String
        init() {
            var template = Array("/tmp/hvroot-core-XXXXXX".utf8CString)
            path = template.withUnsafeMutableBufferPointer { buffer in
                buffer.baseAddress.flatMap { mkdtemp($0) }.map { String(cString: $0) } ?? "/nonexistent"
            }
        }
        deinit {
            for name in ["core", "core.partial"] { unlink("\(path)/\(name)") }
            rmdir(path)
        }
    }

    /// What a debugger reads of a core file.
    private struct Core {
        struct Header {
            var type: UInt32
            var offset, virtual, physical, fileSize, memorySize: UInt64
        }
        let bytes: [UInt8]
        var headers: [Header] = []
        /// By name; the first of each.
        var notes: [String: [UInt8]] = [:]

        init(_ path: String) throws {
            bytes = try WholeFile.read(path, limit: 1 << 30)
            func load<T: FixedWidthInteger & BitwiseCopyable>(_ at: UInt64, _ type: T.Type) -> UInt64 {
                bytes.withUnsafeBytes { UInt64($0.loadUnaligned(fromByteOffset: Int(at), as: type)) }
            }
            let magic = Array(bytes.prefix(7))
            try #require(magic == [0x7F, 0x45, 0x4C, 0x46, 2, 1, 1])
            let kind = load(16, UInt32.self)
            try #require(kind == 4 | 62 << 16)
            for index in 0..<load(56, UInt16.self) {
                let at = load(32, UInt64.self) + 56 * index
                headers.append(
                    Header(
                        type: UInt32(load(at, UInt32.self)), offset: load(at + 8, UInt64.self),
                        virtual: load(at + 16, UInt64.self), physical: load(at + 24, UInt64.self),
                        fileSize: load(at + 32, UInt64.self), memorySize: load(at + 40, UInt64.self)))
            }
            guard let note = headers.first, note.type == 4 else { return }
            var at = note.offset
            while at < note.offset + note.fileSize {
                let (name, count) = (load(at, UInt32.self), load(at + 4, UInt32.self))
                let start = Int(at + 12 + (name + 3) / 4 * 4)
                let text = String(decoding: bytes[Int(at + 12)..<Int(at + 11 + name)], as: UTF8.self)
                if notes[text] == nil { notes[text] = Array(bytes[start..<start + Int(count)]) }
                at = UInt64(start) + (count + 3) / 4 * 4
            }
        }

        func physical(_ address: UInt64, _ count: Int) -> [UInt8]? {
            for header in headers where header.type == 1 && header.virtual == header.physical {
                guard address >= header.physical, address - header.physical < header.fileSize else { continue }
                let start = Int(header.offset + address - header.physical)
                return Array(bytes[start..<start + count])
            }
            return nil
        }
    }

    @Test(.enabled(if: access("/dev/kvm", R_OK | W_OK) == 0, "there is no /dev/kvm that we may open"))
    func aTripleFaultLeavesACoreFile() throws {
        let directory = Directory()
        let backend = EmbeddedHypervisor(
            engine: try KvmEngine(), firstPartitionID: PartitionID(rawValue: 7), vpCount: 2)
        let observer = RecordingObserver()
        var configuration = MachineConfiguration(
            vpCount: 2, memorySize: 16 << 20, boot: BootSource(kernel: BootSource.demoKernel))
        configuration.coreDump = CoreDumpPlace(directory: directory.path, name: "core")
        let machine = try Machine(configuration, on: backend, observer: observer)
        try machine.start()
        #expect(observer.waitForConsole("ready> "))
        #expect(machine.receive(Array("crash\n".utf8)) == 6)
        #expect(observer.waitForEnd() == .crashed(.tripleFault, "processor 0 took a triple fault"))

        let core = try Core("\(directory.path)/core")
        #expect(core.headers.count >= 2)
        #expect(core.headers[1].fileSize == 16 << 20 && core.headers[1].physical == 0)
        // What the machine put into memory before the guest ran is where it was.
        #expect(core.physical(ACPIPlace.rsdp, 8) == Array("RSD PTR ".utf8))
        let status = try #require(core.notes["CORE"])
        #expect(status.count == 336)
        #expect(core.notes["QEMU"]?.count == 440)
        // Zero pages are holes.
        var information = stat()
        #expect(stat("\(directory.path)/core", &information) == 0)
        #expect(Int(information.st_blocks) * 512 < 8 << 20 && information.st_size >= 16 << 20)
        #expect(information.st_mode & 0o777 == 0o600)
        #expect(access("\(directory.path)/core.partial", F_OK) != 0)
    }

    private enum ACPIPlace { static let rsdp: UInt64 = 0xE_0000 }

    @Test func registersAreWhereDebuggersLookForThem() {
        var values: [RegisterName: RegisterValue] = [:]
        for (index, name) in ProcessorNotes.registers.enumerated() { values[name] = RegisterValue(UInt64(index) + 1) }
        values[.cs] = RegisterValue(SegmentRegister(base: 0, limit: 0xFFFF_FFFF, selector: 0x10, attributes: 0xA09B))
        values[.fs] = RegisterValue(SegmentRegister(base: 0x1234_5678_9ABC, limit: 0, selector: 0, attributes: 0))
        values[.idtr] = RegisterValue(TableRegister(base: 0xFFFF_FE00_0000_0000, limit: 0xFFF))
        let notes = ProcessorNotes.notes(vp: 3, values)
        func word(_ bytes: [UInt8], _ at: Int) -> UInt64 {
            bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: at, as: UInt64.self) }
        }
        func value(_ name: RegisterName) -> UInt64 { values[name]?.low ?? 0 }
        // user_regs_struct begins at 112 of elf_prstatus.
        let status = notes[0].descriptor
        #expect(word(status, 32) & 0xFFFF_FFFF == 4)
        #expect(word(status, 112) == value(.r15) && word(status, 112 + 8 * 10) == value(.rax))
        #expect(word(status, 112 + 8 * 16) == value(.rip) && word(status, 112 + 8 * 17) == 0x10)
        #expect(word(status, 112 + 8 * 19) == value(.rsp) && word(status, 112 + 8 * 21) == 0x1234_5678_9ABC)
        let qemu = notes[1].descriptor
        #expect(word(qemu, 0) == 1 | 440 << 32)
        #expect(word(qemu, 8) == value(.rax) && word(qemu, 8 + 8 * 16) == value(.rip))
        // CS: selector, limit, flags as in a descriptor.
        #expect(word(qemu, 152) == 0x10 | 0xFFFF_FFFF << 32 && word(qemu, 160) == 0xA09B00)
        #expect(word(qemu, 152 + 24 * 9 + 16) == 0xFFFF_FE00_0000_0000)
        #expect(word(qemu, 392 + 8 * 3) == value(.cr3) && word(qemu, 432) == value(.kernelGsBase))
    }

    @Test func theKernelsHalfOfTheAddressSpaceIsMapped() throws {
        let memory = try GuestMemory(size: 16 << 20)
        // 4 levels at 0x1000: ...ffff80000000 maps 2 MiB pages, and two 4 KiB pages after them.
        try memory.store(0x1000 + 8 * 511, UInt64(0x2003))
        try memory.store(0x2000 + 8 * 510, UInt64(0x3003))
        try memory.store(0x3000, UInt64(0x20_0083))
        try memory.store(0x3008, UInt64(0x40_0083))
        try memory.store(0x3010, UInt64(0x4003))
        try memory.store(0x4000, UInt64(0x8000_0000_0060_0003))
        try memory.store(0x4010, UInt64(0x70_0003))
        // Not memory; the lower half; not there.
        try memory.store(0x3018, UInt64(0xF000_0083))
        try memory.store(0x1000, UInt64(0x2003))
        try memory.store(0x3020, UInt64(0x80_0082))
        typealias Mapping = KernelMappings.Mapping
        #expect(
            KernelMappings(memory, root: 0x1000, levels: 4).mappings == [
                Mapping(virtualAddress: 0xFFFF_FFFF_8000_0000, physicalAddress: 0x20_0000, count: 0x40_1000),
                Mapping(virtualAddress: 0xFFFF_FFFF_8040_2000, physicalAddress: 0x70_0000, count: 0x1000),
            ])
    }

    /// A table that is its own child has no end.
    @Test(.timeLimit(.minutes(1))) func hostilePageTablesEnd() throws {
        let memory = try GuestMemory(size: 16 << 20)
        for index in 0..<UInt64(512) { try memory.store(0x1000 + 8 * index, UInt64(0x1003)) }
        let found = KernelMappings(memory, root: 0x1000, levels: 5).mappings
        #expect(found.count <= KernelMappings.maximumMappings)
    }

    @Test func linuxsNoteIsFound() throws {
        let memory = try GuestMemory(size: 16 << 20)
        #expect(KernelNote.find(in: memory) == nil)
        func put(_ page: UInt64, count: UInt32, _ text: String) throws {
            var bytes = ELFCore.Bytes()
            for field in [11, count, 0] { bytes.append(UInt32(field)) }
            bytes.append(Array("VMCOREINFO\0".utf8), alignedTo: 4)
            try memory.write(page, bytes.content + Array(text.utf8))
        }
        try put(0x5000, count: 20, "something else")
        try put(0xFF_F000, count: 4097, "OSRELEASE=x")
        #expect(KernelNote.find(in: memory) == nil)
        try put(0x9000, count: 22, "OSRELEASE=6.1\nKERNELOFFSET=1f")
        #expect(KernelNote.find(in: memory)?.descriptor == Array("OSRELEASE=6.1\nKERNELOF".utf8))
    }

    @Test func theHeaderIsAsLongAsItSays() throws {
        let memory = try GuestMemory(size: 16 << 20)
        let segments = [
            ELFCore.Segment(offset: 0x1000, virtualAddress: 0, physicalAddress: 0, count: UInt64(memory.size))
        ]
        let note = ELFCore.Note(name: "CORE", type: 1, descriptor: [1, 2, 3])
        #expect(note.bytes.count == 12 + 8 + 4)
        let header = ELFCore.header(segments: segments, notes: [note])
        #expect(UInt64(header.count) <= ELFCore.contentOffset(segments: 1, notes: [note]))
        #expect(header.count == 64 + 2 * 56 + 24)
    }
}
