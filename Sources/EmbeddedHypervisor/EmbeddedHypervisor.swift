import HypercallABI
import HypercallCore
import Hypervisor
import LinuxSystem

/// A hypervisor of our own: answers hypercalls by the specification's rules, with virtual processors that a
/// `ProcessorEngine` executes.
///
/// Any number of partitions live in one, made and used from any thread.
package final class EmbeddedHypervisor: HypervisorBackend {
    package let description: HypervisorDescription
    package var port: any HypercallPort { countingPort }

    private let core: EmbeddedCore
    private let countingPort: CountingPort

    /// - Parameters:
    ///   - engine: executes the processors.
    ///   - firstPartitionID: the first partition's id; each partition gets the lowest free id from there on. 0 counts
    ///     as 1.
    ///   - vpCount: how many processors a partition can have at most, where `setEngineParameters` does not say.
    ///   - simulation: what a simulated partition does, where `setEngineParameters` does not say.
    ///   - host: what partitions' properties tell of the processors; nil asks the engine and this machine.
    ///   - report: is given one line for each thing an engine could not do; the status of the hypercall has no room for
    ///     it. Called from any thread, with a partition's lock held: it must not call the hypervisor.
    package init(
        engine: any ProcessorEngine, firstPartitionID: PartitionID, vpCount: Int = 1,
        simulation: SimulationModel = SimulationModel(), host: HostProcessor? = nil,
        report: @escaping @Sendable (String) -> Void = { _ in }
    ) {
        description = engine.description
        core = EmbeddedCore(
            engine: engine, firstPartitionID: firstPartitionID,
            parameters: EngineParameters(vpCount: vpCount, simulation: simulation),
            host: host ?? HostProcessor(engine: engine), report: report)
        countingPort = CountingPort(HypercallDispatcher(core))
    }

    /// Tells the engine's part of a partition's configuration, which hypercalls don't carry. Between creating and
    /// initializing it: `Partition.init(on:flags:configure:)` has the place for it.
    ///
    /// - Throws: `HypervisorError` where there is no such partition or it is initialized.
    package func setEngineParameters(
        vpCount: Int, simulation: SimulationModel = SimulationModel(), for partition: PartitionID
    ) throws(HypervisorError) {
        do throws(HypercallStatus) {
            try core.setParameters(EngineParameters(vpCount: vpCount, simulation: simulation), of: partition)
        } catch {
            throw HypervisorError("setting the processor count of partition \(partition): \(error)")
        }
    }

    /// - Throws: `invalidPartitionId`; `invalidPartitionState` before it is initialized.
    package func hotPath(of partition: PartitionID) throws(HypercallStatus) -> any PartitionHotPath {
        let partition = try core.partition(partition)
        try partition.with { state throws(HypercallStatus) in try state.requireActive() }
        return partition
    }

    /// Registrations may overlap; each needs its own `unregisterRootMemory`.
    package func registerRootMemory(base: UnsafeMutableRawPointer, count: Int) {
        core.rootMemory.register(Self.pages(base, count))
    }

    package func unregisterRootMemory(base: UnsafeMutableRawPointer, count: Int) {
        core.rootMemory.unregister(Self.pages(base, count))
    }

    /// Makes a device of the root known. What is not known can't be mapped, attached or put into a domain.
    package func registerDevice(_ device: DeviceID) {
        core.register(device)
    }

    /// Sends an interrupt of a device, by its physical name, as its partition has mapped it.
    ///
    /// - Parameter entry: what HvCallMapDeviceInterrupt gave to set the device up with.
    /// - Returns: false where nobody mapped it, or the device is the root's, whose processors are not here.
    /// - Throws: `HypervisorError` where the engine does not take it.
    package func raiseInterrupt(of device: DeviceID, _ entry: InterruptEntry) throws(HypervisorError) -> Bool {
        try core.raiseInterrupt(of: device, entry)
    }

    /// Where an access of a device leads through the IOMMU.
    ///
    /// - Parameters:
    ///   - device: the physical name.
    ///   - page: the page of the address that the device uses.
    /// - Returns: the root's page number; nil where the IOMMU ends the access.
    package func page(reachedBy device: DeviceID, at page: UInt64, writing: Bool) -> UInt64? {
        core.page(reachedBy: device, at: page, writing: writing)
    }

    /// The ports whose doorbells rang since the ring of a SINT of the root was read; with this it is read. After it
    /// comes HvCallNotifyPortRingEmpty, which brings those for which there was no room.
    package func readRing(sint: UInt32) -> [PortID] { core.rings.read(sint) }

    /// - Parameter handler: is given the SINT of the root whose ring is no longer empty; called from the thread of the
    ///   processor that rang, or that made HvCallNotifyPortRingEmpty.
    package func onRing(_ handler: @escaping @Sendable (UInt32) -> Void) { core.rings.onRing(handler) }

    package var hypercallCounts: [HypercallCount] {
        countingPort.counts
            .map { HypercallCount(code: $0.key.code, status: $0.key.status, count: $0.value) }
            .sorted {
                ($0.code.rawValue, $0.status.rawValue) < ($1.code.rawValue, $1.status.rawValue)
            }
    }

    /// The whole pages inside a piece of memory.
    private static func pages(_ base: UnsafeMutableRawPointer, _ count: Int) -> Range<UInt64> {
        let page = UInt64(pageSize)
        let start = UInt64(UInt(bitPattern: base))
        let (end, overflow) = start.addingReportingOverflow(UInt64(max(0, count)))
        let first = start / page + (start % page == 0 ? 0 : 1)
        let last = (overflow ? UInt64.max : end) / page
        return first..<max(first, last)
    }
}

/// What a partition holds of memory, in pages, for metrics and tests.
package struct PartitionMemoryStatistics: Sendable, Equatable {
    package var deposited: UInt64
    package var used: UInt64
    package var free: UInt64
    package var mapped: UInt64
    /// Those of `mapped` that have memory of the root behind them.
    package var backed: UInt64
    /// Runs of guest memory: how much it takes to remember the map.
    package var extents: Int
}

extension EmbeddedHypervisor {
    /// - Throws: `invalidPartitionId`.
    package func memoryStatistics(
        of partition: PartitionID
    ) throws(HypercallStatus) -> PartitionMemoryStatistics {
        try core.partition(partition).with { state throws(HypercallStatus) in
            PartitionMemoryStatistics(
                deposited: state.pool.deposited, used: state.pool.used, free: state.pool.free,
                mapped: state.memory.pageCount, backed: state.memory.backedPages,
                extents: state.memory.extents.extents.count)
        }
    }

    /// The root's own pool, and what all partitions together have of its memory.
    package var rootStatistics: (deposited: UInt64, used: UInt64, allDeposited: UInt64, allMapped: UInt64) {
        let pool = core.rootStatistics
        return (pool.deposited, pool.used, core.rootMemory.depositedPages, core.rootMemory.mappedPages)
    }
}

extension EmbeddedHypervisor {
    /// Writes the statistics pages that are mapped, now; they are written ten times a second anyway.
    package func refreshStatistics() { core.refreshStatistics() }

    /// The root's page number of a page that HvCallMapVpStatePage shared, for who fills it in; nil: it is not there.
    ///
    /// - Throws: `invalidPartitionId`, `invalidPartitionState`, `invalidVpIndex`.
    package func statePage(
        _ type: VPStatePageType, of index: VPIndex, in partition: PartitionID
    ) throws(HypercallStatus) -> UInt64? {
        try core.processor(index, of: partition).withRecord { record throws(HypercallStatus) in
            record.statePages[type]?.number
        }
    }
}
