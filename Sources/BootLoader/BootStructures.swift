import GuestMemory

/// Where things a kernel is told about lie.
struct BootFacts {
    /// Address and bytes; nil where there is none.
    var initrd: InitrdPlan?
    /// Bytes of the command line without its NUL.
    var commandLineCount: Int
    var acpiRSDP: UInt64
    var memorySize: UInt64
}

/// boot_params, the "zero page" (Linux, arch/x86/include/uapi/asm/bootparam.h).
enum BootParameters {
    static func write(_ memory: GuestMemory, setupHeader: [UInt8], _ facts: BootFacts) throws(GuestMemoryError) {
        var page = [UInt8](repeating: 0, count: 4096)
        page.put(facts.acpiRSDP, at: 0x070)
        if setupHeader.isEmpty {
            // An ELF vmlinux has none: what Linux looks at without one.
            page.put(UInt16(0xAA55), at: 0x1FE)  // boot_flag
            page.put(UInt32(0x5372_6448), at: 0x202)  // header, "HdrS"
            page.put(UInt16(0x020F), at: 0x206)  // version
            page.put(UInt8(1), at: 0x211)  // loadflags: LOADED_HIGH
        } else {
            page.replaceSubrange(BzImage.headerStart..<(BzImage.headerStart + setupHeader.count), with: setupHeader)
            page.put(UInt16(0), at: 0x1FA)  // vid_mode, of the setup code that does not run
            page.put(UInt64(0), at: 0x250)  // setup_data: a list of the loader's, and we have none
        }
        page.put(UInt8(0xFF), at: 0x210)  // type_of_loader: none that has a number
        page.put(UInt32(facts.initrd?.gpa ?? 0), at: 0x218)
        page.put(UInt32(facts.initrd?.count ?? 0), at: 0x21C)
        page.put(UInt32(BootLayout.commandLine.lowerBound), at: 0x228)
        if setupHeader.isEmpty { page.put(UInt32(facts.commandLineCount), at: 0x238) }
        let map = MemoryMapEntry.map(memorySize: facts.memorySize)
        page.put(UInt8(map.count), at: 0x1E8)
        for (index, entry) in map.enumerated() {
            let at = 0x2D0 + index * 20
            page.put(entry.start, at: at)
            page.put(entry.count, at: at + 8)
            page.put(entry.kind.rawValue, at: at + 16)
        }
        try memory.write(BootLayout.bootParameters, page)
    }
}

/// hvm_start_info, version 1, with what it points to (xen/include/public/arch-x86/hvm/start_info.h).
enum StartInfo {
    static let magic: UInt32 = 0x336E_C578
    private static let moduleOffset = 64
    private static let memoryMapOffset = 128

    static func write(_ memory: GuestMemory, _ facts: BootFacts) throws(GuestMemoryError) {
        let address = BootLayout.startInfo
        var page = [UInt8](repeating: 0, count: 4096)
        page.put(magic, at: 0)
        page.put(UInt32(1), at: 4)  // version
        if let initrd = facts.initrd {
            page.put(UInt32(1), at: 12)  // nr_modules
            page.put(address + UInt64(moduleOffset), at: 16)
            page.put(initrd.gpa, at: moduleOffset)
            page.put(initrd.count, at: moduleOffset + 8)
        }
        page.put(BootLayout.commandLine.lowerBound, at: 24)
        page.put(facts.acpiRSDP, at: 32)
        page.put(address + UInt64(memoryMapOffset), at: 40)
        let map = MemoryMapEntry.map(memorySize: facts.memorySize)
        page.put(UInt32(map.count), at: 48)
        for (index, entry) in map.enumerated() {
            let at = memoryMapOffset + index * 24
            page.put(entry.start, at: at)
            page.put(entry.count, at: at + 8)
            page.put(entry.kind.rawValue, at: at + 16)
        }
        try memory.write(address, page)
    }
}
