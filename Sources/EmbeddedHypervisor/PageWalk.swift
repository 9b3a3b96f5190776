import HypercallABI

/// Guest memory as a page walk uses it.
protocol PageTableMemory {
    /// Reads `size` bytes, 4 or 8, as a number.
    func entry(at gpa: UInt64, size: Int) -> Result<UInt64, PageWalkStop>
    /// Sets bits in the first byte of an entry.
    mutating func setBits(_ bits: UInt8, at gpa: UInt64) -> PageWalkStop?
}

/// Why a walk ended without an address.
struct PageWalkStop: Error {
    var result: TranslateGVAResult
    init(_ result: TranslateGVAResult) { self.result = result }
}

/// Translates a virtual address as an x86-64 processor does (Intel SDM volume 3, chapter 4): without paging, with
/// tables of 32 bits, PAE, four and five levels.
///
/// Guest physical addresses have 52 bits, pages of 1 GiB exist, protection keys do not count. With PAE the four
/// directory pointers are read from memory and not from where a processor keeps them.
struct PageWalk {
    struct Registers {
        var cr0: UInt64
        var cr3: UInt64
        var cr4: UInt64
        var efer: UInt64
        var rflags: UInt64
        var pat: UInt64
        /// 0...3.
        var privilegeLevel: UInt8
    }

    var registers: Registers
    var flags: TranslateGVAFlags

    private var hasPaging: Bool { registers.cr0 & 1 << 31 != 0 }
    private var isLongMode: Bool { registers.efer & 1 << 10 != 0 }
    private var hasNX: Bool { registers.efer & 1 << 11 != 0 }
    private var hasPAE: Bool { registers.cr4 & 1 << 5 != 0 }
    private var hasPSE: Bool { registers.cr4 & 1 << 4 != 0 }

    init(registers: Registers, flags: TranslateGVAFlags) {
        self.registers = registers
        self.flags = flags
    }

    /// Outside long mode only the address's lower 32 bits count. A page that the guest has no memory for is translated
    /// like any other: only the tables themselves must be there.
    func translate(_ gva: UInt64, memory: inout some PageTableMemory) -> TranslateGVAOutput {
        guard hasPaging else {
            return TranslateGVAOutput(
                result: .success, cacheType: 6, gpaPage: (isLongMode ? gva : gva & 0xFFFF_FFFF) >> 12)
        }
        var rights = Rights()
        var visited: [(gpa: UInt64, entry: UInt64)] = []
        let leaf: Leaf
        switch walk(gva, memory, &rights, &visited) {
        case .success(let found): leaf = found
        case .failure(let stop): return TranslateGVAOutput(result: stop.result)
        }
        guard allows(rights) else { return TranslateGVAOutput(result: .privilegeViolation) }
        if flags.contains(.setPageTableBits) {
            for (index, step) in visited.enumerated() {
                var bits: UInt8 = 0x20
                if index == visited.count - 1, flags.contains(.validateWrite) { bits |= 0x40 }
                if UInt8(truncatingIfNeeded: step.entry) & bits == bits { continue }
                if let stop = memory.setBits(bits, at: step.gpa) { return TranslateGVAOutput(result: stop.result) }
            }
        }
        return TranslateGVAOutput(
            result: .success, cacheType: cacheType(leaf), gpaPage: (leaf.base | gva & leaf.offsetMask) >> 12)
    }

    // MARK: The tables

    /// What all the levels together allow.
    private struct Rights {
        var user = true
        var write = true
        var execute = true
    }

    private struct Leaf {
        var base: UInt64
        /// The bits of the virtual address that are the offset in the page.
        var offsetMask: UInt64
        /// Into the page attribute table.
        var patIndex: UInt64
    }

    private func walk(
        _ address: UInt64, _ memory: some PageTableMemory, _ rights: inout Rights,
        _ visited: inout [(gpa: UInt64, entry: UInt64)]
    ) -> Result<Leaf, PageWalkStop> {
        var level: Int
        var table: UInt64
        let gva: UInt64
        let isWide = isLongMode || hasPAE
        if isLongMode {
            level = registers.cr4 & 1 << 12 != 0 ? 5 : 4
            // Canonical: all bits above the translated ones are copies of the highest of these.
            let top = Int64(bitPattern: address) >> Int64(9 * level + 11)
            guard top == 0 || top == -1 else { return .failure(PageWalkStop(.invalidPageTableFlags)) }
            table = registers.cr3 & 0xF_FFFF_FFFF_F000
            gva = address
        } else {
            level = hasPAE ? 3 : 2
            table = registers.cr3 & (hasPAE ? 0xFFFF_FFE0 : 0xFFFF_F000)
            gva = address & 0xFFFF_FFFF
        }
        while true {
            let shift = isWide ? UInt64(9 * level + 3) : UInt64(10 * level + 2)
            // Outside long mode the address's upper bits are zero: the third level of PAE has four entries.
            let index = gva >> shift & (isWide ? 0x1FF : 0x3FF)
            let size = isWide ? 8 : 4
            let place = table + index * UInt64(size)
            let entry: UInt64
            switch memory.entry(at: place, size: size) {
            case .success(let value): entry = value
            case .failure(let stop): return .failure(stop)
            }
            guard entry & 1 != 0 else { return .failure(PageWalkStop(.pageNotPresent)) }
            let isDirectoryPointer = !isLongMode && isWide && level == 3
            let isLarge = isLarge(entry, level)
            guard entry & reserved(level, isLarge: isLarge, isDirectoryPointer) == 0 else {
                return .failure(PageWalkStop(.invalidPageTableFlags))
            }
            // Directory pointers of PAE have no rights and no accessed bit.
            if !isDirectoryPointer {
                visited.append((place, entry))
                if entry & 0x2 == 0 { rights.write = false }
                if entry & 0x4 == 0 { rights.user = false }
                if isWide, hasNX, entry >> 63 != 0 { rights.execute = false }
            }
            if level == 1 || isLarge { return .success(leaf(entry, shift, isLarge: isLarge, isWide: isWide)) }
            table = entry & (isWide ? 0xF_FFFF_FFFF_F000 : 0xFFFF_F000)
            level -= 1
        }
    }

    private func isLarge(_ entry: UInt64, _ level: Int) -> Bool {
        guard entry & 0x80 != 0 else { return false }
        if isLongMode { return level == 2 || level == 3 }
        return level == 2 && (hasPAE || hasPSE)
    }

    private func reserved(_ level: Int, isLarge: Bool, _ isDirectoryPointer: Bool) -> UInt64 {
        if isDirectoryPointer { return 0xFFF0_0000_0000_01E6 }
        guard isLongMode || hasPAE else {
            // A page of 4 MiB: bits 13 to 20 are the address's bits 32 to 39.
            return isLarge ? 1 << 21 : 0
        }
        var mask: UInt64 = hasNX ? 0 : 1 << 63
        if !isLongMode { mask |= 0x7FF0_0000_0000_0000 }
        if isLarge { mask |= level == 3 ? 0x3FFF_E000 : 0x1F_E000 }
        if level > 3 { mask |= 0x80 }
        return mask
    }

    private func leaf(_ entry: UInt64, _ shift: UInt64, isLarge: Bool, isWide: Bool) -> Leaf {
        let offsetMask: UInt64 = (1 << shift) - 1
        let patBit = entry >> (isLarge ? 12 : 7) & 1
        var base = entry & 0xF_FFFF_FFFF_F000 & ~offsetMask
        if !isWide {
            base = entry & 0xFFFF_F000 & ~offsetMask
            if isLarge { base |= (entry >> 13 & 0xFF) << 32 }
        }
        return Leaf(base: base, offsetMask: offsetMask, patIndex: patBit << 2 | entry >> 3 & 0x3)
    }

    // MARK: Rights

    /// Only the accesses that the flags ask for are checked. With both user and supervisor access both must be allowed;
    /// with neither it is the processor's own.
    private func allows(_ rights: Rights) -> Bool {
        if flags.contains(.validateExecute), !rights.execute { return false }
        if flags.contains(.privilegeExempt) {
            return !flags.contains(.validateWrite) || rights.write || !hasWriteProtect
        }
        let isNamed = !flags.isDisjoint(with: [.userAccess, .supervisorAccess])
        let isUser = isNamed ? flags.contains(.userAccess) : registers.privilegeLevel == 3
        let isSupervisor = isNamed ? flags.contains(.supervisorAccess) : !isUser
        if isUser, !allowsUser(rights) { return false }
        if isSupervisor, !allowsSupervisor(rights) { return false }
        return true
    }

    private var hasWriteProtect: Bool { registers.cr0 & 1 << 16 != 0 }

    private func allowsUser(_ rights: Rights) -> Bool {
        if flags.isDisjoint(with: [.validateRead, .validateWrite, .validateExecute]) { return true }
        return rights.user && (rights.write || !flags.contains(.validateWrite))
    }

    private func allowsSupervisor(_ rights: Rights) -> Bool {
        if flags.contains(.validateWrite), !rights.write, hasWriteProtect { return false }
        guard rights.user else { return true }
        let hasSMEP = registers.cr4 & 1 << 20 != 0
        if flags.contains(.validateExecute), hasSMEP { return false }
        guard !flags.isDisjoint(with: [.validateRead, .validateWrite]) else { return true }
        let hasSMAP = registers.cr4 & 1 << 21 != 0
        let isAlignmentCheck = registers.rflags & 1 << 18 != 0
        return !hasSMAP || flags.contains(.overrideSMAP) || (isAlignmentCheck && !flags.contains(.enforceSMAP))
    }

    // MARK: Caching

    /// The entry of the page attribute table: the numbers are those of HV_CACHE_TYPE but for 7, which is uncached too.
    private func cacheType(_ leaf: Leaf) -> UInt8 {
        if registers.cr0 & 1 << 30 != 0 { return 0 }
        let type = UInt8(truncatingIfNeeded: registers.pat >> (8 * leaf.patIndex) & 0x7)
        return type == 7 ? 0 : type
    }
}
