import HypercallABI
import HypercallCore
import Hypervisor

/// Everything the embedded hypervisor keeps of a partition, and the rules of its life (TLFS, "Partition Management"):
/// created, initialized, finalized, deleted, each only after the one before; a partition that was never initialized may
/// be deleted at once.
///
/// It is touched only under its `EmbeddedPartition`'s lock, and knows nothing of locks itself.
struct PartitionState {
    enum Life {
        case created, active, finalized, deleted
    }

    let id: PartitionID
    let creation: CreatePartitionInput
    let root: RootMemory
    /// Told what an engine said when it failed: a status has no room for it.
    let report: @Sendable (String) -> Void

    var life = Life.created
    var parameters: EngineParameters
    /// There while the partition is active.
    var engine: (any EnginePartition)?
    var pool = DepositedMemory()
    var memory = GuestPhysicalMap()
    var processors: [VPIndex: EmbeddedVP] = [:]
    /// Indices that were used and deleted: engines can't make a processor anew, so they stay used.
    var deletedProcessors: Set<VPIndex> = []
    var properties: PropertyStore
    /// The registers that the partition's processors have in common.
    let registers = PartitionRegisters()
    /// The guest's writes that ring the root.
    let doorbells = Doorbells()

    init(
        id: PartitionID, creation: CreatePartitionInput, parameters: EngineParameters, root: RootMemory,
        host: HostProcessor,
        report: @escaping @Sendable (String) -> Void
    ) {
        self.id = id
        self.creation = creation
        self.parameters = parameters
        self.root = root
        self.report = report
        properties = PropertyStore(creation, host: host)
    }

    /// - Throws: `invalidPartitionId` for a partition that is gone.
    func requireAlive() throws(HypercallStatus) {
        if life == .deleted { throw HypercallStatus.invalidPartitionId }
    }

    /// - Throws: `invalidPartitionState` for what only an initialized partition can have.
    func requireActive() throws(HypercallStatus) {
        try requireAlive()
        if life != .active { throw HypercallStatus.invalidPartitionState }
    }

    // MARK: Life

    /// - Throws: `invalidPartitionState` where it is initialized already, `insufficientMemory` until enough is
    ///   deposited, `operationFailed` where the engine can't.
    mutating func initialize(_ engine: any ProcessorEngine) throws(HypercallStatus) {
        try requireAlive()
        guard life == .created else { throw HypercallStatus.invalidPartitionState }
        guard pool.use(PageCosts.initializePartition) else { throw HypercallStatus.insufficientMemory }
        do throws(HypervisorError) {
            self.engine = try engine.createPartition(
                EnginePartitionConfiguration(
                    partitionID: id, vpCount: parameters.vpCount, simulation: parameters.simulation))
        } catch {
            pool.release(PageCosts.initializePartition)
            throw failed("creating the partition", error)
        }
        life = .active
        if isTrackingAccess { trackAccess(true) }
    }

    /// Frees all that the partition has: processors, guest memory, what it used of the pool. Waits for processors that
    /// run.
    ///
    /// - Throws: `invalidPartitionState` where it is not initialized or is finalized already.
    mutating func finalize() throws(HypercallStatus) {
        try requireActive()
        for processor in processors.values { processor.retire() }
        processors = [:]
        engine?.close()
        engine = nil
        for extent in memory.extents.extents { releaseSource(of: extent) }
        memory.removeAll()
        pool.release(pool.used)
        life = .finalized
    }

    /// - Throws: `invalidPartitionState` before it is finalized, and while deposited memory is not withdrawn.
    mutating func delete() throws(HypercallStatus) {
        try requireAlive()
        guard life != .active, pool.deposited == 0 else { throw HypercallStatus.invalidPartitionState }
        life = .deleted
    }

    // MARK: Deposits (TLFS, "Guest Physical Address Spaces")

    mutating func deposit(_ pages: [UInt64]) -> RepOutcome {
        if life == .deleted { return .refused(.invalidPartitionId) }
        return Self.deposit(pages, to: &pool, root)
    }

    /// Moves pages from the root into a pool: each must be root memory that nobody uses.
    static func deposit(_ pages: [UInt64], to pool: inout DepositedMemory, _ root: RootMemory) -> RepOutcome {
        var done = 0
        while done < pages.count {
            // A number that is no page of a 64-bit address space would overflow below.
            guard pages[done] < 1 << 52 else { return RepOutcome(done, .invalidParameter) }
            let run = contiguousRun(pages, from: done, stride: 1)
            let range = pages[done]..<(pages[done] + UInt64(run))
            let (count, status) = root.deposit(range)
            if count > 0 { pool.deposit(range.lowerBound..<(range.lowerBound + count)) }
            done += Int(count)
            if status != .success { return RepOutcome(done, status) }
        }
        return RepOutcome(done, .success)
    }

    mutating func withdraw(_ maximum: Int) -> (pages: [UInt64], status: HypercallStatus) {
        if life == .deleted { return ([], .invalidPartitionId) }
        return Self.withdraw(maximum, from: &pool, root)
    }

    /// `noResources` tells that the pool had fewer free pages; those that it had are given all the same, as Linux's
    /// driver expects.
    static func withdraw(
        _ maximum: Int, from pool: inout DepositedMemory, _ root: RootMemory
    ) -> (pages: [UInt64], status: HypercallStatus) {
        let pages = pool.withdraw(maximum)
        root.withdraw(pages)
        return (pages, pages.count < maximum ? .noResources : .success)
    }

    // MARK: Common

    /// Reports what the engine said and gives the status for it.
    func failed(_ doing: String, _ error: HypervisorError) -> HypercallStatus {
        report("partition \(id): \(doing): \(error)")
        return .operationFailed
    }

    /// Ends the root's count of an extent's mapping.
    func releaseSource(of extent: ExtentMap<Backing>.Extent) {
        guard let source = extent.value.source else { return }
        root.release(source..<(source + (extent.range.upperBound - extent.range.lowerBound)))
    }

    /// How many elements from `first` on follow each other by `stride`; at least one.
    static func contiguousRun(_ pages: [UInt64], from first: Int, stride: UInt64) -> Int {
        var next = first + 1
        while next < pages.count, pages[next] == pages[next - 1] &+ stride, pages[next] < 1 << 52 { next += 1 }
        return next - first
    }
}

/// What an engine needs of a partition beside the hypercalls.
struct EngineParameters: Sendable {
    var vpCount: Int
    var simulation: SimulationModel
}
