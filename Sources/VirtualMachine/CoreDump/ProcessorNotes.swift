import HypercallABI

/// A processor's registers as notes of a core file: NT_PRSTATUS, which every debugger reads, and QEMU's note with the
/// control registers, by which `crash` finds where the kernel is.
enum ProcessorNotes {
    static let registers: [RegisterName] =
        generalRegisters + segmentRegisters + [.gdtr, .idtr, .cr0, .cr2, .cr3, .cr4, .kernelGsBase]

    /// In the order of QEMU's note.
    private static let generalRegisters: [RegisterName] = [
        .rax, .rbx, .rcx, .rdx, .rsi, .rdi, .rsp, .rbp, .r8, .r9, .r10, .r11, .r12, .r13, .r14, .r15, .rip, .rflags,
    ]
    private static let segmentRegisters: [RegisterName] = [.cs, .ds, .es, .fs, .gs, .ss, .ldtr, .tr]

    /// - Parameters:
    ///   - vp: the processor's index.
    ///   - values: of `registers`; what is missing is zero.
    static func notes(vp: UInt32, _ values: [RegisterName: RegisterValue]) -> [ELFCore.Note] {
        [
            ELFCore.Note(name: "CORE", type: 1, descriptor: status(vp: vp, values)),
            ELFCore.Note(name: "QEMU", type: 0, descriptor: qemu(values)),
        ]
    }

    /// `struct elf_prstatus`: 112 bytes of signals, process ids and times, 27 registers, a flag.
    private static func status(vp: UInt32, _ values: [RegisterName: RegisterValue]) -> [UInt8] {
        var bytes = ELFCore.Bytes()
        bytes.append([UInt8](repeating: 0, count: 32))
        // Debuggers show each processor as a thread; 0 is none.
        bytes.append(vp + 1)
        bytes.append([UInt8](repeating: 0, count: 76))
        func general(_ name: RegisterName) -> UInt64 { values[name]?.low ?? 0 }
        func selector(_ name: RegisterName) -> UInt64 { UInt64(values[name]?.segment.selector ?? 0) }
        func base(_ name: RegisterName) -> UInt64 { values[name]?.segment.base ?? 0 }
        for name: RegisterName in [
            .r15, .r14, .r13, .r12, .rbp, .rbx, .r11, .r10, .r9, .r8, .rax, .rcx, .rdx, .rsi, .rdi,
        ] { bytes.append(general(name)) }
        bytes.append(UInt64.max)  // orig_rax: not in a system call
        for value in [
            general(.rip), selector(.cs), general(.rflags), general(.rsp), selector(.ss), base(.fs), base(.gs),
            selector(.ds), selector(.es), selector(.fs), selector(.gs),
        ] { bytes.append(value) }
        bytes.append(UInt64(0))
        return bytes.content
    }

    /// QEMU's `QEMUCPUState`, version 1.
    private static func qemu(_ values: [RegisterName: RegisterValue]) -> [UInt8] {
        var bytes = ELFCore.Bytes()
        let size: UInt32 = 440
        bytes.append(UInt32(1))
        bytes.append(size)
        for name in generalRegisters { bytes.append(values[name]?.low ?? 0) }
        for name in segmentRegisters {
            let segment =
                values[name]?.segment ?? SegmentRegister(base: 0, limit: 0, selector: 0, attributes: 0)
            bytes.append(UInt32(segment.selector))
            bytes.append(segment.limit)
            // As in the second half of a descriptor.
            bytes.append(UInt32(segment.attributes) << 8)
            bytes.append(UInt32(0))
            bytes.append(segment.base)
        }
        for name: RegisterName in [.gdtr, .idtr] {
            let table = values[name]?.table ?? TableRegister(base: 0, limit: 0)
            bytes.append(UInt32(0))
            bytes.append(UInt32(table.limit))
            bytes.append(UInt64(0))
            bytes.append(table.base)
        }
        for name: RegisterName? in [.cr0, nil, .cr2, .cr3, .cr4] {
            bytes.append(name.flatMap { values[$0]?.low } ?? 0)
        }
        bytes.append(values[.kernelGsBase]?.low ?? 0)
        return bytes.content
    }
}
