import GuestMemory

/// An x86-64 ELF kernel: System V ABI, chapters 4 and 5, as vmlinux uses them.
enum ElfImage {
    private static let headerCount = 64
    private static let programHeaderCount = 56
    private static let programHeaderLimit = 64
    /// Linux's own limit for x86 without a setup header to say otherwise (COMMAND_LINE_SIZE, with the NUL).
    private static let commandLineLimit = 2047
    /// What every x86-64 bzImage declares as initrd_addr_max.
    private static let initrdLimit: UInt64 = 0x7FFF_FFFF

    struct ProgramHeader {
        var type, flags: UInt32
        var offset, virtual, physical, fileCount, memoryCount, alignment: UInt64
        var isExecutable: Bool { flags & 1 != 0 }

        init(_ bytes: [UInt8], _ at: Int) {
            type = bytes.little(at)
            flags = bytes.little(at + 4)
            offset = bytes.little(at + 8)
            virtual = bytes.little(at + 16)
            physical = bytes.little(at + 24)
            fileCount = bytes.little(at + 32)
            memoryCount = bytes.little(at + 40)
            alignment = bytes.little(at + 48)
        }
    }

    /// - Parameters:
    ///   - head: the file's first bytes, which have ELF's magic.
    ///   - format: `auto`, `elf`, `linux64` or `pvh`.
    static func plan(
        _ file: ImageFile, head: [UInt8], format: BootSource.Format, memorySize: UInt64
    ) throws(BootError) -> KernelPlan {
        let fault = { (reason: String) in BootError("kernel", "\(file.path): " + reason) }
        try checkKind(head, file.size, fault)
        let headers = try programHeaders(file, head, fault)
        let loads = headers.filter { $0.type == 1 && $0.memoryCount > 0 }
        guard !loads.isEmpty else { throw fault("corrupt ELF file: nothing to load (no PT_LOAD segment)") }
        for load in loads { try check(load, file.size, memorySize, fault) }
        try checkDisjoint(loads, fault)

        var pvhEntry: UInt32?
        if format != .linux64 { pvhEntry = try ElfNotes.pvhEntry(file, headers, fault) }
        if format == .pvh, pvhEntry == nil {
            throw BootError(
                "format",
                "\(file.path) has no PVH note (PT_NOTE \"Xen\", type 18: CONFIG_PVH in Linux); "
                    + "format linux64 enters it by the 64-bit boot protocol")
        }
        let entry: UInt64
        if let pvhEntry {
            entry = UInt64(pvhEntry)
            guard physical(entry, in: loads, virtual: false) != nil else {
                throw fault("corrupt ELF file: its PVH entry \(hex(entry)) is in no executable segment")
            }
        } else {
            entry = try entryPoint(head.little(24), loads, fault)
        }
        return KernelPlan(
            bootProtocol: pvhEntry == nil ? .linux64 : .pvh, entry: entry,
            segments: loads.map {
                .init(offset: $0.offset, fileCount: $0.fileCount, gpa: $0.physical, memoryCount: $0.memoryCount)
            },
            end: loads.map { $0.physical + $0.memoryCount }.max() ?? BootLayout.kernelStart,
            commandLineLimit: commandLineLimit, initrdLimit: initrdLimit,
            summary: "ELF kernel of \(loads.count) segments")
    }

    /// Refuses what is ELF but no x86-64 kernel, and names it.
    private static func checkKind(
        _ head: [UInt8], _ fileSize: UInt64, _ fault: (String) -> BootError
    ) throws(BootError) {
        guard head.count >= headerCount else {
            throw fault("truncated ELF file: \(fileSize) bytes, its header alone takes \(headerCount)")
        }
        guard head[4] == 2 else {
            throw fault(
                head[4] == 1
                    ? "a 32-bit ELF file; an x86-64 kernel is needed"
                    : "corrupt ELF file: class \(head[4]) is neither 32 nor 64-bit")
        }
        guard head[5] == 1 else {
            throw fault(
                head[5] == 2
                    ? "a big-endian ELF file; an x86-64 kernel is needed"
                    : "corrupt ELF file: byte order \(head[5])")
        }
        let machine = head.little(18, UInt16.self)
        guard machine == 62 else {
            let known: [UInt16: String] = [
                183: " (arm64)", 243: " (RISC-V)", 21: " (ppc64)", 22: " (s390)", 3: " (i386)",
            ]
            throw fault("an ELF file for machine \(machine)\(known[machine] ?? ""); x86-64 (62) is needed")
        }
        let type = head.little(16, UInt16.self)
        guard type == 2 else {
            let kind =
                switch type {
                case 1: "an object file or kernel module (ET_REL)"
                case 3: "a shared library or position-independent program (ET_DYN)"
                case 4: "a core dump (ET_CORE)"
                default: "an ELF file of type \(type)"
                }
            throw fault("\(kind), not a kernel linked at fixed addresses (ET_EXEC)")
        }
    }

    private static func programHeaders(
        _ file: ImageFile, _ head: [UInt8], _ fault: (String) -> BootError
    ) throws(BootError) -> [ProgramHeader] {
        let offset = head.little(32, UInt64.self)
        let entryCount = head.little(54, UInt16.self)
        let number = Int(head.little(56, UInt16.self))
        guard number > 0 else { throw fault("corrupt ELF file: it has no program headers") }
        guard entryCount == programHeaderCount else {
            throw fault("corrupt ELF file: program headers of \(entryCount) bytes, not \(programHeaderCount)")
        }
        guard number <= programHeaderLimit else {
            throw fault("oversized: \(number) program headers, at most \(programHeaderLimit) are read")
        }
        let count = number * programHeaderCount
        guard offset <= file.size, UInt64(count) <= file.size - offset else {
            throw fault(
                "truncated ELF file: program headers of \(count) bytes at \(hex(offset)), the file has \(file.size)")
        }
        let bytes = try file.read(offset, count)
        let headers = (0..<number).map { ProgramHeader(bytes, $0 * programHeaderCount) }
        guard !headers.contains(where: { $0.type == 3 }) else {
            throw fault("a program for an operating system (it names an interpreter), not a kernel")
        }
        return headers
    }

    private static func check(
        _ load: ProgramHeader, _ fileSize: UInt64, _ memorySize: UInt64, _ fault: (String) -> BootError
    ) throws(BootError) {
        let name = "the segment at \(hex(load.physical))"
        guard load.fileCount <= load.memoryCount else {
            throw fault(
                "corrupt ELF file: \(name) has \(load.fileCount) bytes in the file, but only \(load.memoryCount) in memory"
            )
        }
        guard load.offset <= fileSize, load.fileCount <= fileSize - load.offset else {
            throw fault(
                "truncated ELF file: \(name) takes \(load.fileCount) bytes at \(hex(load.offset)), "
                    + "the file has \(fileSize)")
        }
        guard load.physical >= BootLayout.kernelStart else {
            throw fault("\(name) lies below 1 MiB, where boot structures and ACPI tables are")
        }
        let (end, overflow) = load.physical.addingReportingOverflow(load.memoryCount)
        guard !overflow else {
            throw fault(
                "corrupt ELF file: \(name) of \(load.memoryCount) bytes goes round the end of the address space")
        }
        try KernelPlan.checkFits(
            end: end, memorySize: memorySize,
            detail: "an ELF file whose segment at \(hex(load.physical)) takes \(load.memoryCount) bytes")
    }

    private static func checkDisjoint(_ loads: [ProgramHeader], _ fault: (String) -> BootError) throws(BootError) {
        let sorted = loads.sorted { $0.physical < $1.physical }
        for (lower, upper) in zip(sorted, sorted.dropFirst())
        where upper.physical - lower.physical < lower.memoryCount {
            throw fault(
                "corrupt ELF file: the segments at \(hex(lower.physical)) and \(hex(upper.physical)) overlap")
        }
    }

    /// e_entry as a physical address. Linux gives the physical one; others give the virtual one, where the two differ.
    private static func entryPoint(
        _ entry: UInt64, _ loads: [ProgramHeader], _ fault: (String) -> BootError
    ) throws(BootError) -> UInt64 {
        if let address = physical(entry, in: loads, virtual: false) ?? physical(entry, in: loads, virtual: true) {
            return address
        }
        throw fault("corrupt ELF file: its entry \(hex(entry)) is in no executable segment")
    }

    /// The physical address of what the file has at `address` of an executable segment.
    private static func physical(_ address: UInt64, in loads: [ProgramHeader], virtual: Bool) -> UInt64? {
        for load in loads where load.isExecutable {
            let start = virtual ? load.virtual : load.physical
            if address >= start, address - start < load.fileCount { return load.physical + (address - start) }
        }
        return nil
    }
}
