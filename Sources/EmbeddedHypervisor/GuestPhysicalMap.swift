import HypercallABI
import Hypervisor

/// What a guest page is mapped to.
struct Backing: ExtentValue {
    /// The root's page number; nil for a range without access.
    var source: UInt64?
    var flags: MapGPAFlags

    func advanced(by pages: UInt64) -> Backing {
        // The map bounds both, so this can't overflow; wrapping keeps even a mistake from ending the process.
        Backing(source: source.map { $0 &+ pages }, flags: flags)
    }

    /// Whether the engine knows of it. Without read access every access intercepts, as if nothing were there.
    var isInEngine: Bool { source != nil && flags.contains(.readable) }

    var access: GPAAccess {
        var access: GPAAccess = []
        if flags.contains(.writable) { access.insert(.write) }
        if !flags.isDisjoint(with: .executable) { access.insert(.execute) }
        return access
    }
}

/// A partition's guest physical memory by page number, as runs, with the page tables that it costs.
struct GuestPhysicalMap: Sendable {
    private(set) var extents = ExtentMap<Backing>()

    /// The page tables in use: each 2 MiB with anything in it that is not wholly mapped as a large page needs one.
    private(set) var tables: UInt64 = 0

    /// Pages that are mapped and were not written since their dirty state was cleared. Every page begins as written.
    private var clean = PageSet()

    var pageCount: UInt64 { extents.pageCount }

    /// Pages with memory of the root behind them.
    var backedPages: UInt64 {
        extents.extents.reduce(0) { sum, extent in
            extent.value.source == nil ? sum : sum + (extent.range.upperBound - extent.range.lowerBound)
        }
    }

    func pieces(in range: Range<UInt64>) -> [ExtentMap<Backing>.Extent] { extents.pieces(in: range) }

    /// Changes a range and counts its page tables anew.
    mutating func replace(_ range: Range<UInt64>, with backing: Backing?) {
        guard !range.isEmpty else { return }
        let before = tableCount(in: range)
        extents.replace(range, with: backing)
        clean.remove(range)
        tables = tables - before + tableCount(in: range)
    }

    mutating func removeAll() {
        extents = ExtentMap()
        clean = PageSet()
        tables = 0
    }

    // MARK: Access states

    mutating func markAllDirty() { clean = PageSet() }

    mutating func markDirty(_ range: Range<UInt64>) { clean.remove(range) }

    /// Clears the dirty state of pages that have memory which can be read; others have no such state.
    mutating func markClean(_ range: Range<UInt64>) {
        for piece in extents.pieces(in: range) where piece.value.isInEngine {
            clean.insert(piece.range)
        }
    }

    /// The states of pages, one after the other.
    func accessStates(_ range: Range<UInt64>) -> [GPAAccessState] {
        var states = [GPAAccessState](repeating: [], count: range.count)
        for piece in extents.pieces(in: range) where piece.value.isInEngine {
            for page in piece.range { states[Int(page - range.lowerBound)] = [.accessed, .dirty] }
        }
        for run in clean.runs(in: range) {
            for page in run { states[Int(page - range.lowerBound)].remove(.dirty) }
        }
        return states
    }

    /// How many pages of `range`, from its start on, can be mapped as small pages with `budget` new page tables.
    func affordablePages(_ range: Range<UInt64>, budget: UInt64) -> UInt64 {
        var remaining = budget
        for unit in Self.units(of: range) where !needsTable(unit) {
            if remaining == 0 { return max(unit * Limits.largePage, range.lowerBound) - range.lowerBound }
            remaining -= 1
        }
        return range.upperBound - range.lowerBound
    }

    /// Whether unmapping `range` cuts a large page at its start or its end, and so needs page tables: how many.
    func tablesNeeded(toRemove range: Range<UInt64>) -> UInt64 {
        guard let last = range.last else { return 0 }
        var count: UInt64 = 0
        let first = range.lowerBound / Limits.largePage
        for unit in Set([first, last / Limits.largePage]) {
            let whole = Self.pages(of: unit)
            let covers = range.lowerBound <= whole.lowerBound && range.upperBound >= whole.upperBound
            if !covers, !needsTable(unit), !extents.isEmpty(in: whole) { count += PageCosts.pageTable }
        }
        return count
    }

    private func tableCount(in range: Range<UInt64>) -> UInt64 {
        let units = Self.units(of: range)
        if extents.isEmpty(in: (units.lowerBound * Limits.largePage)..<(units.upperBound * Limits.largePage)) {
            return 0
        }
        return units.reduce(0) { $0 + (needsTable($1) ? PageCosts.pageTable : 0) }
    }

    private func needsTable(_ unit: UInt64) -> Bool {
        let whole = Self.pages(of: unit)
        let pieces = extents.pieces(in: whole)
        guard let piece = pieces.first else { return false }
        return pieces.count > 1 || piece.range != whole || !piece.value.flags.contains(.largePage)
    }

    /// The units of 2 MiB that `range`, which is not empty, touches.
    private static func units(of range: Range<UInt64>) -> Range<UInt64> {
        (range.lowerBound / Limits.largePage)..<((range.upperBound - 1) / Limits.largePage + 1)
    }

    private static func pages(of unit: UInt64) -> Range<UInt64> {
        (unit * Limits.largePage)..<((unit + 1) * Limits.largePage)
    }
}
