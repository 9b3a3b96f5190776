import HypercallABI
import HypercallCore
import Hypervisor
import Synchronization

/// Answers the calls: finds the partition and hands over to it. The rules are in `PartitionState`.
///
/// The caller is the root partition. It names itself HV_PARTITION_ID_SELF, which deposit and withdraw accept for its
/// own pool; no other call here is about the root (`invalidPartitionId`).
final class EmbeddedCore: HypercallHandler {
    private struct Registry {
        var partitions: [PartitionID: EmbeddedPartition] = [:]
        var nextID: UInt64
    }

    let rootMemory = RootMemory()
    private let engine: any ProcessorEngine
    private let standardParameters: EngineParameters
    let report: @Sendable (String) -> Void
    let host: HostProcessor
    let statistics = Mutex(StatisticsPages())
    /// Whether the root locked its sleep states.
    let isSleepLocked = Mutex(false)
    private let registry: Mutex<Registry>
    let rootPool = Mutex(DepositedMemory(boot: PageCosts.rootBootPages))
    /// Locked before any partition.
    let devices = Mutex(DeviceTable())
    /// Locked before any partition.
    let ports = Mutex(PortTable())
    let rings = RootRings()

    init(
        engine: any ProcessorEngine, firstPartitionID: PartitionID, parameters: EngineParameters, host: HostProcessor,
        report: @escaping @Sendable (String) -> Void
    ) {
        self.engine = engine
        self.report = report
        self.host = host
        standardParameters = parameters
        // 0 is no partition.
        registry = Mutex(Registry(nextID: min(max(1, firstPartitionID.rawValue), UInt64.max >> 1)))
    }

    func partition(_ id: PartitionID) throws(HypercallStatus) -> EmbeddedPartition {
        guard let partition = registry.withLock({ $0.partitions[id] }) else {
            throw HypercallStatus.invalidPartitionId
        }
        return partition
    }

    /// In order of their ids.
    var allPartitions: [EmbeddedPartition] {
        registry.withLock { Array($0.partitions.values) }.sorted { $0.id.rawValue < $1.id.rawValue }
    }

    /// - Throws: `invalidPartitionState` once it is initialized.
    func setParameters(_ parameters: EngineParameters, of id: PartitionID) throws(HypercallStatus) {
        try partition(id).with { state throws(HypercallStatus) in
            try state.requireAlive()
            guard state.life == .created else { throw HypercallStatus.invalidPartitionState }
            state.parameters = parameters
        }
    }

    var rootStatistics: (deposited: UInt64, used: UInt64) { rootPool.withLock { ($0.deposited, $0.used) } }

    // MARK: Partitions (TLFS, "Partition Management")

    /// `invalidParameter` for creation flags nobody knows and for a compatibility version newer than ours;
    /// `featureUnavailable` for isolation, which no engine here can give.
    func createPartition(_ input: CreatePartitionInput) throws(HypercallStatus) -> PartitionID {
        guard PartitionCreationFlags.known.isSuperset(of: input.flags),
            (1...CreatePartitionInput.compatibility21H2).contains(input.compatibilityVersion)
        else { throw HypercallStatus.invalidParameter }
        guard input.isolation == .none else { throw HypercallStatus.featureUnavailable }
        guard rootPool.withLock({ $0.use(PageCosts.createPartition) }) else {
            throw HypercallStatus.insufficientMemory
        }
        return registry.withLock { registry in
            // The lowest free id: a machine that is reset gets the id again that it is known by. There are more ids
            // than can ever be in use, so the loop ends before the last one, which names the caller.
            while registry.partitions[PartitionID(rawValue: registry.nextID)] != nil { registry.nextID += 1 }
            let id = PartitionID(rawValue: registry.nextID)
            registry.partitions[id] = EmbeddedPartition(
                PartitionState(
                    id: id, creation: input, parameters: standardParameters, root: rootMemory, host: host,
                    report: report))
            return id
        }
    }

    func initializePartition(_ partition: PartitionID) throws(HypercallStatus) {
        try self.partition(partition).initialize(engine)
    }

    func finalizePartition(_ partition: PartitionID) throws(HypercallStatus) {
        try self.partition(partition).finalize()
        forgetStatistics(of: partition, processor: nil)
        forget(partition)
    }

    func deletePartition(_ partition: PartitionID) throws(HypercallStatus) {
        try self.partition(partition).with { state throws(HypercallStatus) in try state.delete() }
        registry.withLock { registry in
            _ = registry.partitions.removeValue(forKey: partition)
            registry.nextID = min(registry.nextID, partition.rawValue)
        }
        rootPool.withLock { $0.release(PageCosts.createPartition) }
    }

    // MARK: Memory (TLFS, "Guest Physical Address Spaces")

    func depositMemory(_ input: DepositMemoryInput, pages: [UInt64]) -> RepOutcome {
        if input.partition == .own {
            return rootPool.withLock { PartitionState.deposit(pages, to: &$0, rootMemory) }
        }
        return outcome(of: input.partition) { $0.deposit(pages) }
    }

    func withdrawMemory(
        _ input: WithdrawMemoryInput, maximum: Int
    ) -> (pages: [UInt64], status: HypercallStatus) {
        if input.partition == .own {
            return rootPool.withLock { PartitionState.withdraw(maximum, from: &$0, rootMemory) }
        }
        guard let partition = try? partition(input.partition) else { return ([], .invalidPartitionId) }
        return partition.withOutcome { $0.withdraw(maximum) }
    }

    func mapGPAPages(_ input: MapGPAPagesInput, sources: [UInt64]) -> RepOutcome {
        outcome(of: input.partition) { $0.map(input, sources: sources) }
    }

    func unmapGPAPages(_ input: UnmapGPAPagesInput, count: Int) -> RepOutcome {
        outcome(of: input.partition) { $0.unmap(input, count: count) }
    }

    func getGPAAccessStates(
        _ input: GetGPAAccessStatesInput, count: Int
    ) -> (states: [GPAAccessState], status: HypercallStatus) {
        do throws(HypercallStatus) {
            let states = try partition(input.partition).with { state throws(HypercallStatus) in
                try state.accessStates(input, count: count)
            }
            return (states, .success)
        } catch {
            return ([], error)
        }
    }

    func readGPA(_ input: AccessGPAInput) throws(HypercallStatus) -> ReadGPAOutput {
        try partition(input.partition).with { state throws(HypercallStatus) in try state.read(input) }
    }

    func writeGPA(_ input: WriteGPAInput) throws(HypercallStatus) -> GPAAccessResult {
        try partition(input.access.partition).with { state throws(HypercallStatus) in try state.write(input) }
    }

    func acquireSPAHostAccess(_ input: SPAHostAccessInput, pages: [UInt64]) -> RepOutcome {
        outcome(of: input.partition) { $0.acquireHostAccess(input, pages: pages) }
    }

    func releaseSPAHostAccess(_ input: SPAHostAccessInput, pages: [UInt64]) -> RepOutcome {
        outcome(of: input.partition) { $0.releaseHostAccess(input, pages: pages) }
    }

    private func outcome(of id: PartitionID, _ body: (inout PartitionState) -> RepOutcome) -> RepOutcome {
        guard let partition = try? partition(id) else { return .refused(.invalidPartitionId) }
        return partition.withOutcome(body)
    }

    // MARK: Processors (TLFS, "Virtual Processor Management")

    func createVP(_ input: CreateVPInput) throws(HypercallStatus) {
        try partition(input.partition).with { state throws(HypercallStatus) in try state.createVP(input) }
    }

    func deleteVP(_ input: DeleteVPInput) throws(HypercallStatus) {
        try partition(input.partition).with { state throws(HypercallStatus) in try state.deleteVP(input.index) }
        forgetStatistics(of: input.partition, processor: input.index)
    }

    func getVPRegisters(
        _ input: VPRegistersInput, names: [RegisterName]
    ) -> (values: [RegisterValue], status: HypercallStatus) {
        do throws(HypercallStatus) {
            return try processor(input.index, of: input.partition, vtl: input.vtl).registers(names)
        } catch {
            return ([], error)
        }
    }

    func setVPRegisters(_ input: VPRegistersInput, registers: [RegisterAssociation]) -> RepOutcome {
        do throws(HypercallStatus) {
            let outcome = try processor(input.index, of: input.partition, vtl: input.vtl).setRegisters(registers)
            if registers.prefix(outcome.completed).contains(where: { HypervisorRegister.isSynIC($0.name) }) {
                try partition(input.partition).with { state throws(HypercallStatus) in
                    state.deliverWaiting(to: input.index)
                }
            }
            return outcome
        } catch {
            return .refused(error)
        }
    }
}
