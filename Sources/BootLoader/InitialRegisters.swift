import GuestMemory
import HypercallABI

/// The state the first processor starts in, and the tables in memory that it refers to.
enum InitialRegisters {
    private static let codeSelector: UInt16 = 0x10
    private static let dataSelector: UInt16 = 0x18
    private static let taskSelector: UInt16 = 0x20
    private static let tableCount = 4096

    /// Writes the GDT, and for 64-bit mode page tables that map the first 4 GiB one to one.
    static func writeTables(_ memory: GuestMemory, longMode: Bool) throws(GuestMemoryError) {
        let code: UInt64 = longMode ? 0x00AF_9B00_0000_FFFF : 0x00CF_9B00_0000_FFFF
        let data: UInt64 = 0x00CF_9300_0000_FFFF
        // A busy TSS at 0, never used: VMX wants TR to be one. In 64-bit mode it takes two entries.
        let task: UInt64 = 0x0000_8B00_0000_0067
        for (index, descriptor) in [0, 0, code, data, task, 0].enumerated() {
            try memory.store(BootLayout.gdt + UInt64(index * 8), descriptor)
        }
        guard longMode else { return }
        var entries = [UInt8](repeating: 0, count: BootLayout.pageTables.count)
        let presentWritable: UInt64 = 0x3
        let largePage: UInt64 = 0x80
        let directories = BootLayout.pageTables.lowerBound + UInt64(2 * tableCount)
        entries.put(BootLayout.pageTables.lowerBound + UInt64(tableCount) | presentWritable, at: 0)
        for gib in 0..<4 {
            entries.put(directories + UInt64(gib * tableCount) | presentWritable, at: tableCount + gib * 8)
        }
        for page in 0..<(4 * 512) {
            let address = UInt64(page) << 21
            entries.put(address | largePage | presentWritable, at: 2 * tableCount + page * 8)
        }
        try memory.write(BootLayout.pageTables.lowerBound, entries)
    }

    /// 64-bit mode with paging, interrupts off (boot.rst, "64-bit Boot Protocol").
    static func longMode(rip: UInt64, rsi: UInt64 = 0, rbx: UInt64 = 0) -> [RegisterAssociation] {
        [
            RegisterAssociation(.cr4, 0x20),  // PAE
            RegisterAssociation(.cr3, BootLayout.pageTables.lowerBound),
            RegisterAssociation(.efer, 0x500),  // LME, LMA
            RegisterAssociation(.cr0, 0x8000_0031),  // PG, NE, ET, PE
        ] + segments(codeAttributes: 0xA09B) + general(rip: rip, rsi: rsi, rbx: rbx)
    }

    /// 32-bit protected mode without paging (x86/HVM direct boot ABI).
    static func protectedMode(rip: UInt64, rbx: UInt64) -> [RegisterAssociation] {
        [
            RegisterAssociation(.cr4, 0),
            RegisterAssociation(.cr3, 0),
            RegisterAssociation(.efer, 0),
            RegisterAssociation(.cr0, 0x11),  // ET, PE
        ] + segments(codeAttributes: 0xC09B) + general(rip: rip, rsi: 0, rbx: rbx)
    }

    private static func segments(codeAttributes: UInt16) -> [RegisterAssociation] {
        func segment(_ name: RegisterName, _ selector: UInt16, _ limit: UInt32, _ attributes: UInt16)
            -> RegisterAssociation
        {
            let value = SegmentRegister(base: 0, limit: limit, selector: selector, attributes: attributes)
            return RegisterAssociation(name, RegisterValue(value))
        }
        let data = [RegisterName.ds, .es, .fs, .gs, .ss].map { segment($0, dataSelector, .max, 0xC093) }
        return [segment(.cs, codeSelector, .max, codeAttributes)] + data + [
            segment(.tr, taskSelector, 0x67, 0x8B),
            segment(.ldtr, 0, 0xFFFF, 0x82),
            RegisterAssociation(.gdtr, RegisterValue(TableRegister(base: BootLayout.gdt, limit: 6 * 8 - 1))),
            // No handlers: a fault before the guest has its own table is a shutdown, as it should be.
            RegisterAssociation(.idtr, RegisterValue(TableRegister(base: 0, limit: 0))),
        ]
    }

    /// Every general register, so that a processor that ran before starts clean.
    private static func general(rip: UInt64, rsi: UInt64, rbx: UInt64) -> [RegisterAssociation] {
        let zero: [RegisterName] = [.rax, .rcx, .rdx, .rbp, .rdi, .r8, .r9, .r10, .r11, .r12, .r13, .r14, .r15, .cr2]
        return zero.map { RegisterAssociation($0, 0) } + [
            RegisterAssociation(.rsp, BootLayout.stackTop),
            RegisterAssociation(.rbx, rbx),
            RegisterAssociation(.rsi, rsi),
            RegisterAssociation(.rip, rip),
            RegisterAssociation(.rflags, 2),
        ]
    }
}
