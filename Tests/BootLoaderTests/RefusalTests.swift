import Glibc
import GuestMemory
import LinuxSystem
import Testing

@testable import BootLoader

/// One way a boot source can be wrong, and what has to be said of it.
struct Refusal: Sendable, CustomTestStringConvertible {
    var name: String
    var field: String
    var fragment: String
    var memorySize: UInt64 = 16 * mebibyte
    var source: @Sendable (Workspace) throws -> BootSource
    var testDescription: String { name }

    init(
        _ name: String, _ field: String, _ fragment: String, memory: UInt64 = 16,
        _ source: @escaping @Sendable (Workspace) throws -> BootSource
    ) {
        self.name = name
        self.field = field
        self.fragment = fragment
        memorySize = memory * mebibyte
        self.source = source
    }

    static func bz(
        _ name: String, _ fragment: String, field: String = "kernel", memory: UInt64 = 16,
        _ change: @escaping @Sendable (inout SyntheticBzImage) -> Void
    ) -> Refusal {
        Refusal("bzImage: " + name, field, fragment, memory: memory) { workspace in
            var image = SyntheticBzImage()
            change(&image)
            return BootSource(kernel: try workspace.file("k", image.bytes))
        }
    }

    static func elf(
        _ name: String, _ fragment: String, field: String = "kernel", format: BootSource.Format = .auto,
        memory: UInt64 = 16, _ change: @escaping @Sendable (inout SyntheticElf) -> Void
    ) -> Refusal {
        Refusal("ELF: " + name, field, fragment, memory: memory) { workspace in
            var image = SyntheticElf()
            change(&image)
            return BootSource(kernel: try workspace.file("k", image.bytes), format: format)
        }
    }

    /// A file with `bytes` at `offset`.
    static func magic(_ name: String, _ fragment: String, _ bytes: [UInt8], at offset: Int = 0) -> Refusal {
        Refusal("magic: " + name, "kernel", fragment) { workspace in
            var file = [UInt8](repeating: 0, count: offset) + bytes
            file += [UInt8](repeating: 0, count: 1024)
            return BootSource(kernel: try workspace.file("k", file))
        }
    }

    /// A good bzImage with another part of the source wrong.
    static func with(
        _ name: String, _ field: String, _ fragment: String, memory: UInt64 = 16,
        _ change: @escaping @Sendable (inout BootSource, Workspace) throws -> Void
    ) -> Refusal {
        Refusal(name, field, fragment, memory: memory) { workspace in
            var source = BootSource(kernel: try workspace.file("k", SyntheticBzImage().bytes))
            try change(&source, workspace)
            return source
        }
    }
}

@Suite struct RefusalTests {
    @Test(arguments: files + bzImages + elfFiles + magics + others)
    func isRefused(_ refusal: Refusal) throws {
        let workspace = try Workspace()
        let source = try refusal.source(workspace)
        let error = #expect(throws: BootError.self) {
            try BootImage.inspect(source, memorySize: refusal.memorySize)
        }
        #expect(error?.field == refusal.field)
        #expect(error?.reason.contains(refusal.fragment) == true, "\(error?.reason ?? "")")
    }

    static let files: [Refusal] = [
        Refusal("no file", "kernel", "No such file") { BootSource(kernel: $0.path + "/none") },
        Refusal("relative path", "kernel", "not an absolute path") { _ in BootSource(kernel: "vmlinuz") },
        Refusal("empty path", "kernel", "the path is empty") { _ in BootSource(kernel: "") },
        Refusal("NUL in the path", "kernel", "NUL") { BootSource(kernel: $0.path + "/k\0x") },
        Refusal("directory", "kernel", "is a directory") { BootSource(kernel: $0.path) },
        Refusal("device", "kernel", "is a character device") { _ in BootSource(kernel: "/dev/zero") },
        Refusal("unknown builtin", "kernel", "not an absolute path") { _ in BootSource(kernel: "builtin:other") },
        Refusal("FIFO", "kernel", "is a FIFO") {
            #expect(mkfifo($0.place("fifo"), 0o600) == 0)
            return BootSource(kernel: $0.path + "/fifo")
        },
        Refusal("empty file", "kernel", "is empty") { BootSource(kernel: try $0.file("k", [])) },
        Refusal("3 GiB", "kernel", "is oversized: 3221225472 bytes") {
            BootSource(kernel: try $0.sparse("k", SyntheticBzImage().bytes, size: 3 << 30))
        },
        Refusal("path too long", "kernel", "too long") { _ in
            BootSource(kernel: "/" + String(repeating: "x", count: 5000))
        },
        Refusal("under a file", "kernel", "Not a directory") {
            BootSource(kernel: try $0.file("k", [1]) + "/vmlinuz")
        },
    ]

    static let bzImages: [Refusal] = [
        .bz("header only", "truncated bzImage: its header promises 5120 bytes, the file has 1024") {
            $0.kernelCount = 0
        },
        .bz("last byte missing", "promises 5120 bytes, the file has 5119") { $0.kernelCount = 4095 },
        .bz("syssize of 64 GiB", "promises 68719477744 bytes") { $0.head.put(UInt32.max, at: 0x1F4) },
        .bz("syssize 0", "syssize gives 0 bytes") { $0.head.put(UInt32(0), at: 0x1F4) },
        .bz("more setup than file", "promises 135168 bytes") { $0.head.put(UInt8(255), at: 0x1F1) },
        .bz("boot flag", "boot flag at 0x1fe is 0x0") { $0.head.put(UInt16(0), at: 0x1FE) },
        .bz("old protocol", "boot protocol 2.11") { $0.head.put(UInt16(0x20B), at: 0x206) },
        .bz("zImage", "a zImage") { $0.head.put(UInt8(0), at: 0x211) },
        .bz("32-bit kernel", "a 32-bit kernel") { $0.head.put(UInt16(0), at: 0x236) },
        .bz("no jump", "the jump over the setup header is 0x90") { $0.head.put(UInt8(0x90), at: 0x200) },
        .bz("short header", "the jump over the setup header is 0xeb 0x10") { $0.head.put(UInt8(0x10), at: 0x201) },
        .bz("jump backwards", "the jump over the setup header is 0xeb 0xff") { $0.head.put(UInt8(0xFF), at: 0x201) },
        .bz("init_size 0", "init_size is 0") { $0.head.put(UInt32(0), at: 0x260) },
        .bz("init_size of 20 MiB", "at least 22 MiB would be right") { $0.head.put(UInt32(20 << 20), at: 0x260) },
        .bz("init_size of 4 GiB", "oversized: it needs memory up to 0x1001fffff") {
            $0.head.put(UInt32.max, at: 0x260)
        },
        .bz("pref_address above memory", "the VM has 16 MiB, at least 2052 MiB") {
            $0.head.put(UInt64(0x8000_0000), at: 0x258)
        },
        .bz("pref_address above 4 GiB", "pref_address 0xffffffffffffffff") { $0.head.put(UInt64.max, at: 0x258) },
        .bz("pref_address below 1 MiB", "pref_address 0x1000 is below 1 MiB") {
            $0.head.put(UInt8(0), at: 0x234)
            $0.head.put(UInt64(0x1000), at: 0x258)
        },
        .bz("kernel_alignment 0", "kernel_alignment 0x0") { $0.head.put(UInt32(0), at: 0x230) },
        .bz("kernel_alignment 3 MiB", "kernel_alignment 0x300000") { $0.head.put(UInt32(3 << 20), at: 0x230) },
        .bz("kernel_alignment 2 GiB", "kernel_alignment 0x80000000") { $0.head.put(UInt32(1 << 31), at: 0x230) },
        .bz("payload beyond the kernel", "its payload ends at 4294967551") { $0.head.put(UInt32.max, at: 0x24C) },
        .bz("little memory", "the VM has 4 MiB, at least 6 MiB would be right", memory: 4) { _ in },
        Refusal("bzImage: cut in the header", "kernel", "truncated bzImage: 600 bytes") {
            BootSource(kernel: try $0.file("k", Array(SyntheticBzImage().bytes.prefix(600))))
        },
    ]

    static let elfFiles: [Refusal] = [
        Refusal("ELF: magic only", "kernel", "truncated ELF file: 4 bytes") {
            BootSource(kernel: try $0.file("k", [0x7F, 0x45, 0x4C, 0x46]))
        },
        .elf("32-bit", "a 32-bit ELF file") { $0.bytes[4] = 1 },
        .elf("class 9", "class 9") { $0.bytes[4] = 9 },
        .elf("big-endian", "a big-endian ELF file") { $0.bytes[5] = 2 },
        .elf("arm64", "machine 183 (arm64)") { $0.bytes.put(UInt16(183), at: 18) },
        .elf("module", "kernel module (ET_REL)") { $0.bytes.put(UInt16(1), at: 16) },
        .elf("position-independent", "(ET_DYN)") { $0.bytes.put(UInt16(3), at: 16) },
        .elf("core dump", "(ET_CORE)") { $0.bytes.put(UInt16(4), at: 16) },
        .elf("no program headers", "no program headers") { $0.bytes.put(UInt16(0), at: 56) },
        .elf("65535 program headers", "oversized: 65535 program headers") { $0.bytes.put(UInt16.max, at: 56) },
        .elf("phentsize 0", "program headers of 0 bytes") { $0.bytes.put(UInt16(0), at: 54) },
        .elf("phoff at the end", "truncated ELF file: program headers") { $0.bytes.put(UInt64(0x900), at: 32) },
        .elf("phoff overflow", "at 0xffffffffffffffff") { $0.bytes.put(UInt64.max, at: 32) },
        .elf("interpreter", "it names an interpreter") { $0.bytes.put(UInt32(3), at: SyntheticElf.note) },
        .elf("nothing to load", "no PT_LOAD segment") {
            $0.bytes.put(UInt32(0), at: SyntheticElf.text)
            $0.bytes.put(UInt32(0), at: SyntheticElf.data)
        },
        .elf("filesz over memsz", "but only 256 in memory") { $0.bytes.put(UInt64(0x100), at: SyntheticElf.text + 40) },
        .elf("segment beyond the file", "the file has 2304") { $0.bytes.put(UInt64(0x8FF), at: SyntheticElf.text + 8) },
        .elf("offset overflow", "at 0xffffffffffffff00") { $0.bytes.put(UInt64.max - 255, at: SyntheticElf.text + 8) },
        .elf("truncated", "truncated ELF file: the segment at 0x300000") { $0.bytes.removeLast(0x200) },
        .elf("below 1 MiB", "lies below 1 MiB") { $0.bytes.put(UInt64(0x7000), at: SyntheticElf.text + 24) },
        .elf("above memory", "at least 514 MiB would be right") {
            $0.bytes.put(UInt64(512 << 20), at: SyntheticElf.text + 24)
        },
        .elf("huge bss", "oversized") { $0.bytes.put(UInt64(1) << 62, at: SyntheticElf.data + 40) },
        .elf("address overflow", "goes round the end of the address space") {
            $0.bytes.put(UInt64.max - 0x10, at: SyntheticElf.text + 24)
        },
        .elf("in the device hole", "oversized", memory: 8192) {
            $0.bytes.put(UInt64(0xC000_0000), at: SyntheticElf.data + 24)
        },
        .elf("overlap", "the segments at 0x200000 and 0x200100 overlap") {
            $0.bytes.put(UInt64(0x20_0100), at: SyntheticElf.data + 24)
        },
        .elf("same address twice", "the segments at 0x200000 and 0x200000 overlap") {
            $0.bytes.put(UInt64(0x20_0000), at: SyntheticElf.data + 24)
        },
        .elf("entry in data", "its entry 0x300000 is in no executable segment", format: .linux64) {
            $0.bytes.put(UInt64(0x30_0000), at: 24)
        },
        .elf("entry behind the text", "its entry 0x200200 is in no", format: .linux64) {
            $0.bytes.put(UInt64(0x20_0200), at: 24)
        },
        .elf("entry 0", "its entry 0x0 is in no executable segment", format: .linux64) {
            $0.bytes.put(UInt64(0), at: 24)
        },
        .elf("PVH entry outside", "its PVH entry 0xffffffff is in no") { $0.note(24, type: 18, [255, 255, 255, 255]) },
        .elf("PVH entry beyond 4 GiB", "is beyond 4 GiB") { $0.note(24, type: 18, [0, 0, 0, 0, 1, 0, 0, 0]) },
        .elf("PVH note of 2 bytes", "its PVH note has 2 bytes") { $0.note(24, type: 18, [0, 0]) },
        .elf("note name overruns", "goes beyond them") { $0.bytes.put(UInt32.max, at: SyntheticElf.noteOffset) },
        .elf("note value overruns", "goes beyond them") { $0.bytes.put(UInt32.max, at: SyntheticElf.noteOffset + 4) },
        .elf("notes beyond the file", "truncated ELF file: notes") {
            $0.bytes.put(UInt64(0x1000), at: SyntheticElf.note + 8)
        },
        .elf("PVH asked for without a note", "has no PVH note", field: "format", format: .pvh) {
            $0.note(24, type: 17, [0, 0, 0, 0])
        },
        .elf("bzImage asked for", "is an ELF file, not a bzImage", field: "format", format: .bzImage) { _ in },
        Refusal("ELF: notes of 1 MiB", "kernel", "oversized: 1048576 bytes of notes") {
            var image = SyntheticElf()
            image.bytes.put(mebibyte, at: SyntheticElf.note + 32)
            return BootSource(kernel: try $0.sparse("k", image.bytes, size: 2 << 20))
        },
    ]

    static let magics: [Refusal] = [
        .magic("gzip", "is gzip-compressed: unpack it", [0x1F, 0x8B, 8]),
        .magic("xz", "is xz-compressed", [0xFD, 0x37, 0x7A, 0x58, 0x5A, 0]),
        .magic("zstd", "is zstd-compressed", [0x28, 0xB5, 0x2F, 0xFD]),
        .magic("arm64", "is an arm64 Image: an x86-64", Array("ARMd".utf8), at: 0x38),
        .magic("EFI", "is an EFI program without a Linux setup header", Array("MZ".utf8)),
        .magic("qcow2", "is a qcow2 disk image: give the kernel inside", [0x51, 0x46, 0x49, 0xFB]),
        .magic("ISO", "is an ISO 9660 image", Array("CD001".utf8), at: 0x8001),
        .magic("boot sector", "is a disk image (boot sector)", [0x55, 0xAA], at: 0x1FE),
        .magic("cpio", "is a cpio archive: it belongs in boot.initrd", Array("070701".utf8)),
        .magic("text", "neither a bzImage nor an ELF file (it begins with 0x68 0x65", Array("hello".utf8)),
        .magic("zeros", "neither a bzImage nor an ELF file", [0]),
    ]

    static let others: [Refusal] = [
        .with("command line too long", "commandLine", "2048 bytes long; this kernel takes at most 2047") { source, _ in
            source.commandLine = String(repeating: "x", count: 2048)
        },
        .with("NUL in the command line", "commandLine", "NUL") { source, _ in source.commandLine = "a\0b" },
        .with("bzImage as ELF", "format", "format bzimage or auto") { source, _ in source.format = .elf },
        .with("bzImage as linux64", "format", "is a bzImage") { source, _ in source.format = .linux64 },
        .with("load address of a bzImage", "loadAddress", "only with format flat") { source, _ in
            source.loadAddress = 0x100000
        },
        .with("initrd missing", "initrd", "No such file") { source, _ in source.initrd = "/none" },
        .with("initrd empty", "initrd", "is empty") { $0.initrd = try $1.file("rd", []) },
        .with("initrd is a directory", "initrd", "is a directory") { $0.initrd = $1.path },
        .with("initrd is the kernel", "initrd", "is a bzImage") { source, _ in source.initrd = source.kernel },
        .with("initrd larger than memory", "initrd", "is oversized") {
            $0.initrd = try $1.sparse("rd", size: 17 << 20)
        },
        .with("initrd larger than what is left", "initrd", "the VM has 16 MiB, at least 18 MiB would be right") {
            $0.initrd = try $1.sparse("rd", size: 12 << 20)
        },
        Refusal("initrd above the kernel's limit", "initrd", "the highest address this kernel allows") {
            var image = SyntheticBzImage()
            image.head.put(UInt32(0xFFFF), at: 0x22C)
            return BootSource(kernel: try $0.file("k", image.bytes), initrd: try $0.file("rd", [1]))
        },
        .with("flat without an address", "loadAddress", "needs the address") { source, _ in source.format = .flat },
        .with("flat on boot structures", "loadAddress", "meet what the loader puts") { source, _ in
            source.format = .flat
            source.loadAddress = 0x7000
        },
        .with("flat into the command line", "loadAddress", "meet what the loader puts") { source, _ in
            source.format = .flat
            source.loadAddress = 0x8F000
        },
        .with("flat on the ACPI tables", "loadAddress", "meet what the loader puts") { source, _ in
            source.format = .flat
            source.loadAddress = 0xFFFFF
        },
        .with("flat round the end", "loadAddress", "round the end") { source, _ in
            source.format = .flat
            source.loadAddress = .max
        },
        .with("flat above memory", "kernel", "it needs memory up to 0x1000400") { source, _ in
            source.format = .flat
            source.loadAddress = 16 * mebibyte - 0x1000
        },
        .with("flat command line", "commandLine", "at most 4095") { source, _ in
            source.format = .flat
            source.loadAddress = 0x100000
            source.commandLine = String(repeating: "x", count: 4096)
        },
        Refusal("demo as ELF", "format", "is a flat image") { _ in BootSource(kernel: "builtin:demo", format: .elf) },
        Refusal("demo elsewhere", "loadAddress", "runs at 0x200000 only") { _ in
            BootSource(kernel: "builtin:demo", format: .flat, loadAddress: 0x100000)
        },
        Refusal("demo with initrd", "initrd", "no use for an initrd") { _ in
            BootSource(kernel: "builtin:demo", initrd: "/x")
        },
        Refusal("demo in too little memory", "kernel", "at least 4 MiB would be right", memory: 2) { _ in
            BootSource(kernel: "builtin:demo")
        },
    ]
}

/// What was checked may have changed by the time it is loaded.
@Suite struct ChangedImageTests {
    @Test func aKernelThatChangedIsNotLoaded() throws {
        let workspace = try Workspace()
        let memory = try GuestMemory(size: 16 * mebibyte)
        var synthetic = SyntheticBzImage()
        let kernel = try workspace.file("k", synthetic.bytes)
        let image = try BootImage.inspect(BootSource(kernel: kernel), memorySize: memory.size)
        synthetic.head.put(UInt32(0x40_0000), at: 0x260)
        try workspace.file("k", synthetic.bytes)
        #expect(throws: BootError("kernel", "\(kernel) changed since it was checked; check it again")) {
            try image.load(into: memory, acpiRSDP: 0)
        }
        try workspace.file("k", Array(synthetic.bytes.dropLast()))
        let error = #expect(throws: BootError.self) { try image.load(into: memory, acpiRSDP: 0) }
        #expect(error?.reason.contains("truncated bzImage") == true)
        #expect(unlink(kernel) == 0)
        #expect(throws: BootError.self) { try image.load(into: memory, acpiRSDP: 0) }
    }

    @Test func anInitrdThatChangedIsNotLoaded() throws {
        let workspace = try Workspace()
        let memory = try GuestMemory(size: 16 * mebibyte)
        let source = BootSource(
            kernel: try workspace.file("k", SyntheticElf().bytes), initrd: try workspace.file("rd", [1, 2]))
        let image = try BootImage.inspect(source, memorySize: memory.size)
        try workspace.file("rd", [1, 2, 3])
        let error = #expect(throws: BootError.self) { try image.load(into: memory, acpiRSDP: 0) }
        #expect(error?.field == "initrd")
    }

    @Test func aFileWrittenToWhileOpenIsNoticed() throws {
        let workspace = try Workspace()
        let file = try ImageFile(workspace.file("k", [1, 2]), field: "kernel")
        try file.checkUnchanged()
        try workspace.file("k", [1, 2, 3])
        let error = #expect(throws: BootError.self) { try file.checkUnchanged() }
        #expect(error?.reason.contains("was written to while it was loaded") == true)
    }

    @Test func otherMemoryIsRefused() throws {
        let image = try BootImage.inspect(BootSource(kernel: "builtin:demo"), memorySize: 16 * mebibyte)
        let other = try GuestMemory(size: 8 * mebibyte)
        #expect(throws: BootError("kernel", "checked for 16 MiB of memory, but the guest has 8 MiB")) {
            try image.load(into: other, acpiRSDP: 0)
        }
        let reserved = try GuestMemory(size: 16 * mebibyte, mapped: false)
        #expect(throws: BootError.self) { try image.load(into: reserved, acpiRSDP: 0) }
    }
}
