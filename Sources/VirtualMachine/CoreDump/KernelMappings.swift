import GuestMemory

/// The upper half of a processor's address space, where a kernel is, by its page tables (Intel SDM, volume 3, chapter
/// "Paging"; 4 and 5 levels): what a debugger needs to read by the kernel's own addresses.
///
/// The tables are the guest's: they may hold anything, loops too, so that the work is bounded.
struct KernelMappings {
    struct Mapping: Equatable {
        var virtualAddress: UInt64
        var physicalAddress: UInt64
        var count: UInt64
    }

    private enum Entry {
        static let present: UInt64 = 1 << 0
        static let large: UInt64 = 1 << 7
        static let address: UInt64 = 0x000F_FFFF_FFFF_F000
    }

    /// Tables looked at: a kernel that maps all of a guest of 1 TiB by 2 MiB needs some thousands.
    private static let maximumTables = 16384
    /// Mappings kept; what lies above is left out.
    static let maximumMappings = 8192

    private let memory: GuestMemory
    private var tables = 0
    private(set) var mappings: [Mapping] = []

    /// - Parameters:
    ///   - root: CR3.
    ///   - levels: 4 or 5.
    init(_ memory: GuestMemory, root: UInt64, levels: Int) {
        self.memory = memory
        walk(table: root & Entry.address, level: levels, base: 0, first: 256)
    }

    /// - Parameters:
    ///   - level: 1 maps pages.
    ///   - base: the virtual address of the table's first entry.
    ///   - first: the first entry to look at.
    private mutating func walk(table: UInt64, level: Int, base: UInt64, first: Int) {
        tables += 1
        guard tables <= Self.maximumTables, let bytes = try? memory.read(table, count: 4096) else { return }
        let shift = UInt64(12 + 9 * (level - 1))
        for index in first..<512 {
            guard mappings.count < Self.maximumMappings else { return }
            let entry = bytes.withUnsafeBytes {
                UInt64(littleEndian: $0.loadUnaligned(fromByteOffset: 8 * index, as: UInt64.self))
            }
            guard entry & Entry.present != 0 else { continue }
            var address = base | UInt64(index) << shift
            // The address's upper bits repeat its highest used one: only the upper half is walked.
            if first != 0 { address |= UInt64.max << (shift + 9) }
            if level == 1 || (level <= 3 && entry & Entry.large != 0) {
                add(address, entry & Entry.address & (UInt64.max << shift), 1 << shift)
            } else {
                walk(table: entry & Entry.address, level: level - 1, base: address, first: 0)
            }
        }
    }

    /// Only what is memory; a mapping of a device says nothing.
    private mutating func add(_ virtual: UInt64, _ physical: UInt64, _ count: UInt64) {
        guard memory.slice(physical, Int(count)) != nil else { return }
        if let last = mappings.last, last.virtualAddress &+ last.count == virtual,
            last.physicalAddress &+ last.count == physical,
            memory.slice(last.physicalAddress, Int(last.count + count)) != nil
        {
            mappings[mappings.count - 1].count += count
        } else {
            mappings.append(Mapping(virtualAddress: virtual, physicalAddress: physical, count: count))
        }
    }
}
