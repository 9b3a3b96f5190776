import Glibc
import HypercallABI
import HypercallCore
import Hypervisor
import LinuxSystem
import Synchronization

/// The statistics pages that are mapped. Locked before any partition and before the root's pool.
struct StatisticsPages: Sendable {
    var pages: [StatisticsIdentity: SharedPage] = [:]
    /// Whether a thread writes them anew ten times a second.
    var isRefreshed = false
}

/// Statistics pages: of the hypervisor, of a processor of the host, of a partition and of a virtual processor.
///
/// Mapping answers in this order:
/// - an object nobody knows, and reserved bytes: `invalidParameter`;
/// - areas: there is only the object's own; `accessDenied` for the hypervisor's internal one, `invalidParameter` for
///   the parent's, as hypervisors answer that do not have it, and for all others; `invalidParameter` for flags of a
///   virtual processor;
/// - the object: `invalidLpIndex`, or `invalidPartitionId`, `invalidPartitionState` before it is initialized and after
///   it is finalized, `invalidVpIndex`;
/// - `objectInUse` where its page is mapped already;
/// - the caller's page (HvCallMapStatsPage2): `invalidParameter` for one that is not root memory or can't be touched,
///   `operationDenied` for one that is deposited; a page of the hypervisor's own costs one of the root's pool
///   (`insufficientMemory`).
///
/// Unmapping checks the input in the same way, and then only whether the page is mapped (`notFound`). Pages of a virtual
/// processor go with it, and those of a partition when it is finalized.
///
/// A page is right when it is mapped, and is written anew ten times a second and by `refreshStatistics`. Counters that
/// nobody here counts stay zero.
extension EmbeddedCore {
    func mapStatsPage(_ input: StatisticsPageInput) throws(HypercallStatus) -> UInt64 {
        try map(input.identity, at: nil)
    }

    func mapStatsPage2(_ input: MapStatisticsPage2Input) throws(HypercallStatus) {
        _ = try map(input.page.identity, at: input.location)
    }

    func unmapStatsPage(_ input: StatisticsPageInput) throws(HypercallStatus) {
        try Self.check(input.identity)
        try statistics.withLock { statistics throws(HypercallStatus) in
            guard let page = statistics.pages.removeValue(forKey: input.identity) else {
                throw HypercallStatus.notFound
            }
            release(page)
        }
    }

    /// Forgets the pages of a virtual processor that is gone, or with nil all of a partition.
    func forgetStatistics(of partition: PartitionID, processor: VPIndex?) {
        statistics.withLock { statistics in
            for (identity, page) in statistics.pages where identity.partition == partition {
                let isOfProcessor = identity.object == .virtualProcessor && identity.index == processor
                guard processor == nil || isOfProcessor else { continue }
                statistics.pages[identity] = nil
                release(page)
            }
        }
    }

    /// Writes all pages anew.
    ///
    /// - Returns: false where there are none; whoever does this regularly ends then.
    @discardableResult
    func refreshStatistics() -> Bool {
        statistics.withLock { statistics in
            // With the lock held, so that no page is written after it was unmapped. What can't be told or written now
            // stays as it was.
            for (identity, page) in statistics.pages {
                guard let counters = try? counters(of: identity) else { continue }
                try? Self.write(counters, to: page.number)
            }
            statistics.isRefreshed = statistics.isRefreshed && !statistics.pages.isEmpty
            return !statistics.pages.isEmpty
        }
    }

    // MARK: Mapping

    private func map(_ identity: StatisticsIdentity, at location: UInt64?) throws(HypercallStatus) -> UInt64 {
        try Self.check(identity)
        let (number, isFirst) = try statistics.withLock { statistics throws(HypercallStatus) -> (UInt64, Bool) in
            let counters = try counters(of: identity)
            guard statistics.pages[identity] == nil else { throw HypercallStatus.objectInUse }
            let page = try page(at: location)
            do throws(Errno) {
                try Self.write(counters, to: page.number)
            } catch {
                release(page)
                throw HypercallStatus.invalidParameter
            }
            statistics.pages[identity] = page
            let isFirst = !statistics.isRefreshed
            statistics.isRefreshed = true
            return (page.number, isFirst)
        }
        if isFirst { refreshRegularly() }
        return number
    }

    private static func check(_ identity: StatisticsIdentity) throws(HypercallStatus) {
        if identity.area == .internal { throw HypercallStatus.accessDenied }
        guard identity.area == .own, identity.flags == 0 else { throw HypercallStatus.invalidParameter }
    }

    private func page(at location: UInt64?) throws(HypercallStatus) -> SharedPage {
        if let location {
            let status = rootMemory.checkUse(of: location)
            if status != .success { throw status }
            return SharedPage(of: location)
        }
        guard rootPool.withLock({ $0.use(PageCosts.statePage) }) else { throw HypercallStatus.insufficientMemory }
        guard let own = try? SharedPage() else {
            rootPool.withLock { $0.release(PageCosts.statePage) }
            throw HypercallStatus.insufficientMemory
        }
        return own
    }

    private func release(_ page: SharedPage) {
        if page.isOwn { rootPool.withLock { $0.release(PageCosts.statePage) } }
    }

    private func refreshRegularly() {
        do throws(Errno) {
            let thread = try SystemThread(name: "statistics") { [weak self] in
                repeat { usleep(100_000) } while self?.refreshStatistics() ?? false
            }
            thread.detach()
        } catch {
            // The pages are right only when they are mapped or refreshed by hand.
            report("the thread for statistics pages could not be started: \(error)")
            statistics.withLock { $0.isRefreshed = false }
        }
    }

    private static func write(_ counters: [Int: UInt64], to page: UInt64) throws(Errno) {
        var words = [UInt64](repeating: 0, count: StatisticsPageLayout.count)
        for (index, value) in counters where words.indices.contains(index) { words[index] = value.littleEndian }
        let result = words.withUnsafeBytes { bytes -> Result<Void, Errno> in
            do throws(Errno) {
                return .success(try OwnMemory.write(page << 12, from: bytes))
            } catch {
                return .failure(error)
            }
        }
        try result.get()
    }

    // MARK: Counters

    private func counters(of identity: StatisticsIdentity) throws(HypercallStatus) -> [Int: UInt64] {
        switch identity.object {
        case .hypervisor: hypervisorCounters().byIndex
        case .logicalProcessor: try logicalProcessorCounters(identity.index).byIndex
        case .partition:
            try partition(identity.partition).with { state throws(HypercallStatus) in
                try state.requireActive()
                return state.counters.byIndex
            }
        case .virtualProcessor: try processor(identity.index, of: identity.partition).counters.byIndex
        default: throw HypercallStatus.invalidParameter
        }
    }

    private func hypervisorCounters() -> [HypervisorCounter: UInt64] {
        let partitions = allPartitions
        let processors = partitions.reduce(0) { sum, partition in
            sum + partition.withOutcome { $0.processors.count }
        }
        return [
            .logicalProcessors: UInt64(max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))),
            .partitions: UInt64(partitions.count), .virtualProcessors: UInt64(processors),
            .totalPages: PageCosts.rootBootPages + rootMemory.depositedPages,
        ]
    }

    private func logicalProcessorCounters(
        _ index: UInt32
    ) throws(HypercallStatus) -> [LogicalProcessorCounter: UInt64] {
        let time = try logicalProcessorRunTime(index)
        return [.globalTime: time.global, .totalRunTime: time.local, .hypervisorRunTime: time.hypervisor]
    }
}

extension Dictionary where Key: StatisticsCounter, Value == UInt64 {
    fileprivate var byIndex: [Int: UInt64] {
        reduce(into: [:]) { result, counter in result[counter.key.rawValue] = counter.value }
    }
}

extension PartitionState {
    fileprivate var counters: [PartitionCounter: UInt64] {
        [
            .virtualProcessors: UInt64(processors.count), .depositedPages: pool.deposited, .addressSpaces: 1,
            .gpaPages: memory.pageCount, .partitionId: id.rawValue,
        ]
    }
}
