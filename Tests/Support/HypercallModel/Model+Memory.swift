import HypercallABI
import HypercallCore

/// Deposited memory and guest memory (TLFS, "Guest Physical Address Spaces").
extension Model {
    static let memoryForms: [UInt16: ModelForm] = [
        CallCode.depositMemory.rawValue: ModelForm(input: 8, repetition: (8, 0)),
        CallCode.withdrawMemory.rawValue: ModelForm(input: 16, repetition: (0, 8)),
        CallCode.mapGpaPages.rawValue: ModelForm(input: 24, repetition: (8, 0)),
        CallCode.unmapGpaPages.rawValue: ModelForm(input: 24, repetition: (0, 0)),
    ]

    mutating func memoryCall(_ call: ModelCall, _ answer: ModelAnswer) -> Expectation? {
        switch call.control.code {
        case .depositMemory: return deposit(call)
        case .withdrawMemory: return withdraw(call, answer)
        case .mapGpaPages: return map(call)
        case .unmapGpaPages: return unmap(call)
        default: return nil
        }
    }

    /// Pages beyond this are not in 64 bits of addresses.
    static let endOfPages: UInt64 = 1 << 52
    /// Guest addresses have 52 bits.
    static let endOfGuestPages: UInt64 = 1 << 40
    static let own = UInt64.max

    // MARK: Deposits

    private mutating func deposit(_ call: ModelCall) -> Expectation {
        let id = call.word64(0)
        guard id == Self.own || partitions[id] != nil else {
            return .refused([.invalidPartitionId], start: call.control.repStart)
        }
        for index in call.control.repStart..<call.control.repCount {
            let page = call.word64(8 + 8 * index)
            if !isRootMemory(page) { return .refused([.invalidParameter], start: index) }
            if root[page] != nil { return .refused([.operationDenied], start: index) }
            root[page] = .deposited
            if id == Self.own { rootDeposited.insert(page) } else { partitions[id]?.deposited.insert(page) }
        }
        return Expectation(statuses: [.success], completed: call.control.repCount)
    }

    private mutating func withdraw(_ call: ModelCall, _ answer: ModelAnswer) -> Expectation {
        let start = call.control.repStart
        var wrong: Set<HypercallStatus> = []
        let id = call.word64(0)
        if Self.isProximityWrong(call.word32(12)) { wrong.insert(.invalidProximityDomainInfo) }
        let partition = partitions[id]
        if id != Self.own, partition == nil { wrong.insert(.invalidPartitionId) }
        if !wrong.isEmpty { return .refused(wrong, start: start) }
        let pool = id == Self.own ? rootDeposited : partition?.deposited ?? []
        // What was there from the start is never given.
        let free = id == Self.own ? min(rootFree, rootDeposited.count) : partition?.free ?? 0
        let asked = call.control.repCount - start
        let count = min(asked, free)
        var expected = Expectation(
            statuses: count < asked ? [.noResources] : [.success], completed: start + count)
        // Which of the pages is the hypervisor's choice.
        var given: Set<UInt64> = []
        for index in start..<(start + count) {
            let page = answer.word64(8 * index)
            guard pool.contains(page), !given.contains(page) else {
                expected.output.append((8 * index, Self.bytes(pool.subtracting(given).max() ?? 0)))
                return expected
            }
            given.insert(page)
            expected.output.append((8 * index, Self.bytes(page)))
        }
        for page in given {
            root[page] = nil
            if id == Self.own { rootDeposited.remove(page) } else { partitions[id]?.deposited.remove(page) }
        }
        return expected
    }

    // MARK: Guest memory

    /// The guest pages of the repetitions that are still to do; nil where they leave the guest's address space or do
    /// not begin where they must.
    ///
    /// - Parameter offset: where the input has the page of repetition 0.
    static func range(_ call: ModelCall, isLarge: Bool, at offset: Int = 8) -> Range<UInt64>? {
        let stride: UInt64 = isLarge ? 512 : 1
        let (first, overflow) = call.word64(offset).addingReportingOverflow(UInt64(call.control.repStart) * stride)
        let count = UInt64(call.control.repCount - call.control.repStart) * stride
        if overflow || first > endOfGuestPages || count > endOfGuestPages - first { return nil }
        if first % stride != 0 { return nil }
        return first..<(first + count)
    }

    private mutating func map(_ call: ModelCall) -> Expectation {
        let start = call.control.repStart
        let id = call.word64(0)
        let flags = call.word32(16)
        var wrong: Set<HypercallStatus> = []
        let known: UInt32 = 0xF | 0x8000 | 0x1_0000 | 0x20_0000 | 0x8000_0000
        if flags & ~known != 0 { wrong.insert(.invalidParameter) }
        let isLarge = flags & 0x8000_0000 != 0
        let noAccess = flags & 0x1_0000 != 0
        // Nothing can be written or executed that can't be read.
        if !noAccess, flags & 0x1 == 0, flags & 0xE != 0 { wrong.insert(.invalidParameter) }
        let range = Self.range(call, isLarge: isLarge)
        if range == nil { wrong.insert(.invalidParameter) }
        guard var partition = partitions[id] else { return .refused(wrong.union([.invalidPartitionId]), start: start) }
        if partition.life != .active { wrong.insert(.invalidPartitionState) }
        guard wrong.isEmpty, let range else { return .refused(wrong, start: start) }
        // Out of its dictionary while it is worked on: else each page would copy it.
        partitions[id] = nil
        defer { partitions[id] = partition }

        for index in start..<call.control.repCount {
            let size: UInt64 = isLarge ? 512 : 1
            let guest = range.lowerBound + UInt64(index - start) * size
            let source = noAccess ? nil : call.word64(24 + 8 * index)
            var stopped: Set<HypercallStatus> = []
            if let source {
                if source >= Self.endOfPages || source % size != 0 {
                    return .refused([.invalidParameter], start: index)
                }
                // The first page that can't be mapped decides.
                for page in source..<(source + size) {
                    if !isRootMemory(page) { stopped.insert(.invalidParameter) }
                    if root[page] == .deposited { stopped.insert(.operationDenied) }
                    if !stopped.isEmpty { break }
                }
            }
            if !isLarge, partition.units[guest / 512]?.needsTable != true, partition.free < 1 {
                stopped.insert(.insufficientMemory)
            }
            if !stopped.isEmpty { return .refused(stopped, start: index) }
            for offset in 0..<size {
                if let source { mapRoot(source + offset) }
                put(GuestPage(source: source.map { $0 + offset }, flags: flags), at: guest + offset, &partition)
            }
            countTables(of: guest / 512, &partition)
        }
        return Expectation(statuses: [.success], completed: call.control.repCount)
    }

    private mutating func unmap(_ call: ModelCall) -> Expectation {
        let start = call.control.repStart
        let id = call.word64(0)
        let flags = call.word32(16)
        var wrong: Set<HypercallStatus> = []
        if flags & ~0x2 != 0 { wrong.insert(.invalidParameter) }
        let isLarge = flags & 0x2 != 0
        let range = Self.range(call, isLarge: isLarge)
        if range == nil { wrong.insert(.invalidParameter) }
        guard var partition = partitions[id] else { return .refused(wrong.union([.invalidPartitionId]), start: start) }
        if partition.life != .active { wrong.insert(.invalidPartitionState) }
        guard wrong.isEmpty, let range else { return .refused(wrong, start: start) }
        partitions[id] = nil
        defer { partitions[id] = partition }

        var page = range.lowerBound
        while page < range.upperBound {
            let unit = page / 512
            let end = min(range.upperBound, (unit + 1) * 512)
            // To keep a part of a large page, the hypervisor needs a page table.
            if end - page < 512, partition.units[unit]?.isLarge == true, partition.free < 1 {
                return .refused([.insufficientMemory], start: start + Int(page - range.lowerBound))
            }
            if partition.units[unit] != nil {
                for guest in page..<end { put(nil, at: guest, &partition) }
            }
            countTables(of: unit, &partition)
            page = end
        }
        return Expectation(statuses: [.success], completed: call.control.repCount)
    }

    /// Puts a page, or nothing, where another may be.
    private mutating func put(_ new: GuestPage?, at page: UInt64, _ partition: inout Partition) {
        var unit = partition.units[page / 512] ?? Unit()
        if let old = partition.guest.removeValue(forKey: page) {
            if let source = old.source { unmapRoot(source) }
            unit.pages -= 1
            if old.flags & 0x8000_0000 != 0 { unit.largePages -= 1 }
        }
        if let new {
            partition.guest[page] = new
            unit.pages += 1
            if new.flags & 0x8000_0000 != 0 { unit.largePages += 1 }
        }
        // `tables` is counted when all of a unit's pages are put.
        if unit.hadTable == nil { unit.hadTable = partition.units[page / 512]?.needsTable ?? false }
        partition.units[page / 512] = unit
    }

    private func countTables(of number: UInt64, _ partition: inout Partition) {
        guard var unit = partition.units[number], let hadTable = unit.hadTable else { return }
        partition.tables += (unit.needsTable ? 1 : 0) - (hadTable ? 1 : 0)
        unit.hadTable = nil
        partition.units[number] = unit.pages == 0 ? nil : unit
    }

    mutating func mapRoot(_ page: UInt64) {
        if case .mapped(let count) = root[page] { root[page] = .mapped(count + 1) } else { root[page] = .mapped(1) }
    }

    mutating func unmapRoot(_ page: UInt64) {
        if case .mapped(let count) = root[page], count > 1 { root[page] = .mapped(count - 1) } else { root[page] = nil }
    }
}
