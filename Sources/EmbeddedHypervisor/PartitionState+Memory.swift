import HypercallABI
import HypercallCore
import Hypervisor
import LinuxSystem

/// Guest memory (TLFS, "Guest Physical Address Spaces").
///
/// - A mapping replaces what was mapped there before. To a running processor the range is empty for a moment.
/// - Unmapping what is not mapped succeeds: the driver unmaps whole regions of which it filled in only a part.
/// - Both give `invalidParameter` for unknown flags, addresses beyond 52 bits, and large pages that are not aligned to
///   2 MiB on both sides (`invalidAlignment` is about where the parameters lie, TLFS, "Hypercall Interface"); mapping
///   also for a source that is not root memory, and for writing or executing without reading. Mapping a page that is
///   deposited is `operationDenied`.
/// - Guest memory in small pages costs page tables; a call that runs out of them is left at the first page that it
///   could not map, with `insufficientMemory`. Unmapping part of a large page costs one too.
extension PartitionState {
    mutating func map(_ input: MapGPAPagesInput, sources: [UInt64]) -> RepOutcome {
        let isLarge = input.flags.contains(.largePage)
        let stride = isLarge ? Limits.largePage : 1
        let count = UInt64(sources.count) * stride
        do throws(HypercallStatus) {
            try requireActive()
            try Self.check(input.flags)
            try Self.checkRange(input.gpaPage, count: count, isLarge: isLarge)
        } catch {
            return .refused(error)
        }
        var done = 0
        while done < sources.count {
            let gpa = input.gpaPage + UInt64(done) * stride
            let outcome: (pages: UInt64, status: HypercallStatus)
            if input.flags.contains(.noAccess) {
                let range = gpa..<(gpa + UInt64(sources.count - done) * stride)
                outcome = mapRun(range, source: nil, flags: input.flags)
            } else {
                let source = sources[done]
                // Page numbers of a 64-bit address space; `contiguousRun` goes no further either.
                guard source < 1 << 52, !isLarge || source.isMultiple(of: Limits.largePage) else {
                    return RepOutcome(done, .invalidParameter)
                }
                let run = Self.contiguousRun(sources, from: done, stride: stride)
                outcome = mapRun(gpa..<(gpa + UInt64(run) * stride), source: source, flags: input.flags)
            }
            done += Int(outcome.pages / stride)
            if outcome.status != .success { return RepOutcome(done, outcome.status) }
        }
        return RepOutcome(done, .success)
    }

    mutating func unmap(_ input: UnmapGPAPagesInput, count reps: Int) -> RepOutcome {
        let isLarge = input.flags.contains(.largePage)
        let stride = isLarge ? Limits.largePage : 1
        let count = UInt64(reps) * stride
        do throws(HypercallStatus) {
            try requireActive()
            guard UnmapGPAFlags.known.isSuperset(of: input.flags) else { throw HypercallStatus.invalidParameter }
            try Self.checkRange(input.gpaPage, count: count, isLarge: isLarge)
        } catch {
            return .refused(error)
        }
        let range = input.gpaPage..<(input.gpaPage + count)
        var done: UInt64 = 0
        for part in Self.cutAtLargePages(range) {
            guard memory.tablesNeeded(toRemove: part) <= pool.free else {
                return RepOutcome(Int(done / stride), .insufficientMemory)
            }
            let (pages, status) = accountingTables { state in state.remove(part) }
            done += pages
            if status != .success { return RepOutcome(Int(done / stride), status) }
        }
        return RepOutcome(reps, .success)
    }

    /// Maps pages that follow each other on both sides, with one call to the engine.
    ///
    /// - Returns: how many pages from the start of `range` on are mapped, whole large pages, and why not all.
    private mutating func mapRun(
        _ range: Range<UInt64>, source: UInt64?, flags: MapGPAFlags
    ) -> (pages: UInt64, status: HypercallStatus) {
        var pages = range.upperBound - range.lowerBound
        var status = HypercallStatus.success
        if !flags.contains(.largePage) {
            let affordable = memory.affordablePages(range, budget: pool.free)
            if affordable < pages { (pages, status) = (affordable, .insufficientMemory) }
        }
        if let source, pages > 0 {
            let (retained, refusal) = root.retain(source..<(source + pages))
            if retained < pages {
                let whole = flags.contains(.largePage) ? retained / Limits.largePage * Limits.largePage : retained
                root.release((source + whole)..<(source + retained))
                (pages, status) = (whole, refusal)
            }
        }
        guard pages > 0 else { return (0, status) }
        let backing = Backing(source: source, flags: flags)
        let failure = place(backing, at: range.lowerBound..<(range.lowerBound + pages))
        if let failure {
            if let source { root.release(source..<(source + pages)) }
            return (0, failure)
        }
        return (pages, status)
    }

    /// Puts a mapping where others may be.
    ///
    /// - Returns: why not; what was there before may be gone then.
    private mutating func place(_ backing: Backing, at range: Range<UInt64>) -> HypercallStatus? {
        accountingTables { state in
            let (_, status) = state.remove(range)
            if status != .success { return status }
            if backing.isInEngine, let source = backing.source {
                do throws(HypervisorError) {
                    try state.engine?.map(
                        gpa: range.lowerBound * UInt64(pageSize), hostAddress: UInt(source) * UInt(pageSize),
                        count: (range.upperBound - range.lowerBound) * UInt64(pageSize), access: backing.access)
                } catch {
                    return state.failed("mapping guest page \(range.lowerBound)", error)
                }
            }
            state.memory.replace(range, with: backing)
            return nil
        }
    }

    /// Takes away what is mapped in `range`.
    ///
    /// - Returns: how many pages from its start on have nothing now, and why not all.
    private mutating func remove(_ range: Range<UInt64>) -> (pages: UInt64, status: HypercallStatus) {
        for piece in memory.pieces(in: range) {
            if piece.value.isInEngine {
                do throws(HypervisorError) {
                    try engine?.unmap(
                        gpa: piece.range.lowerBound * UInt64(pageSize),
                        count: (piece.range.upperBound - piece.range.lowerBound) * UInt64(pageSize))
                } catch {
                    let status = failed("unmapping guest page \(piece.range.lowerBound)", error)
                    return (piece.range.lowerBound - range.lowerBound, status)
                }
            }
            memory.replace(piece.range, with: nil)
            releaseSource(of: piece)
        }
        return (range.upperBound - range.lowerBound, .success)
    }

    /// Takes from the pool, or gives back to it, what `change` does to the page tables. The caller has made sure that
    /// there is enough.
    private mutating func accountingTables<Result>(_ change: (inout PartitionState) -> Result) -> Result {
        let before = memory.tables
        let result = change(&self)
        if memory.tables > before {
            _ = pool.use(memory.tables - before)
        } else {
            pool.release(before - memory.tables)
        }
        return result
    }

    private static func check(_ flags: MapGPAFlags) throws(HypercallStatus) {
        guard MapGPAFlags.known.isSuperset(of: flags) else { throw HypercallStatus.invalidParameter }
        if flags.contains(.noAccess) || flags.contains(.readable) { return }
        guard flags.isDisjoint(with: .permissions) else { throw HypercallStatus.invalidParameter }
    }

    private static func checkRange(_ page: UInt64, count: UInt64, isLarge: Bool) throws(HypercallStatus) {
        guard count <= Limits.gpaPages, page <= Limits.gpaPages - count,
            !isLarge || page.isMultiple(of: Limits.largePage)
        else { throw HypercallStatus.invalidParameter }
    }

    /// At most three parts: up to the first 2 MiB, whole ones, and the rest.
    private static func cutAtLargePages(_ range: Range<UInt64>) -> [Range<UInt64>] {
        let size = Limits.largePage
        let low = min((range.lowerBound + size - 1) / size * size, range.upperBound)
        let high = max(range.upperBound / size * size, low)
        return [range.lowerBound..<low, low..<high, high..<range.upperBound].filter { !$0.isEmpty }
    }
}
