import GuestMemory

/// Where the loader puts what a guest starts with, all below 640 KiB, and what it leaves to others.
///
///     0x00500  GDT                          0x10000  free: small flat images
///     0x06000  hvm_start_info               0x90000  command line
///     0x07000  boot_params                  0x9fc00  reserved (the BIOS data area of a PC)
///     0x08000  left to AP trampolines       0xe0000  ACPI tables, written by the machine
///     0x09000  page tables                 0x100000  kernel and initrd
///     0x0f000  stack, downwards from 0x10000
package enum BootLayout {
    package static let gdt: UInt64 = 0x500
    package static let startInfo: UInt64 = 0x6000
    package static let bootParameters: UInt64 = 0x7000
    /// Never touched by the loader: a guest's start-up code for other processors may be put here by whoever needs it.
    package static let trampoline: Range<UInt64> = 0x8000..<0x9000
    package static let pageTables: Range<UInt64> = 0x9000..<0xF000
    package static let stackTop: UInt64 = 0x10000
    /// A flat image below 1 MiB has to lie here.
    package static let lowFlat: Range<UInt64> = 0x10000..<0x90000
    package static let commandLine: Range<UInt64> = 0x90000..<0x9F000
    package static let lowRAMEnd: UInt64 = 0x9FC00
    /// The machine's ACPI tables.
    package static let acpiTables: Range<UInt64> = 0xE0000..<0x100000
    /// The first address for kernels.
    package static let kernelStart: UInt64 = 0x100000
}

/// One entry of the memory map a guest is given: e820 in boot_params, the same types in hvm_start_info.
struct MemoryMapEntry: Equatable {
    enum Kind: UInt32 {
        case ram = 1
        case reserved = 2
        case acpi = 3
    }
    var start: UInt64
    var count: UInt64
    var kind: Kind

    /// The map of a guest with `memorySize` bytes, which is 2 MiB or more.
    static func map(memorySize: UInt64) -> [MemoryMapEntry] {
        let lowEnd = max(GuestMemory.lowEnd(of: memorySize), BootLayout.kernelStart)
        var map = [
            MemoryMapEntry(start: 0, count: BootLayout.lowRAMEnd, kind: .ram),
            MemoryMapEntry(
                start: BootLayout.lowRAMEnd, count: BootLayout.acpiTables.lowerBound - BootLayout.lowRAMEnd,
                kind: .reserved),
            MemoryMapEntry(
                start: BootLayout.acpiTables.lowerBound,
                count: BootLayout.acpiTables.upperBound - BootLayout.acpiTables.lowerBound, kind: .acpi),
            MemoryMapEntry(start: BootLayout.kernelStart, count: lowEnd - BootLayout.kernelStart, kind: .ram),
        ]
        if memorySize > lowEnd {
            map.append(MemoryMapEntry(start: GuestMemory.highStart, count: memorySize - lowEnd, kind: .ram))
        }
        return map
    }
}
