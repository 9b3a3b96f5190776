import HypercallABI
import HypercallCore
import LinuxSystem
import Synchronization

/// A partition as its owner sees it: made, given memory and processors, and taken down over any hypervisor's port, with
/// the deposits that Linux's driver makes (drivers/hv/mshv_root_hv_call.c, hv_proc.c).
///
/// Methods may be called from any thread; those that change the same partition wait for each other.
package final class Partition: Sendable {
    package let id: PartitionID
    /// Runs the processors and delivers interrupts.
    package let hotPath: any PartitionHotPath

    let backend: any HypervisorBackend
    let client: HypercallClient
    private let pool: DepositPool
    let state = Mutex(State())

    struct State {
        var mappings = ExtentMap<MappedMemory>()
        var processors: Set<VPIndex> = []
        var depositedPages: UInt64 = 0
        var isDestroyed = false
    }

    /// Creates and initializes a partition.
    ///
    /// - Parameter configure: is called with the new partition's id before it is initialized: the time to set the
    ///   properties that are fixed from then on, and what an engine needs to know.
    /// - Throws: `HypervisorError` that names the call and its status; nothing is left behind then.
    package init(
        on backend: any HypervisorBackend, flags: PartitionCreationFlags,
        configure: (PartitionID) throws(HypervisorError) -> Void = { _ in }
    ) throws(HypervisorError) {
        let client = HypercallClient(backend.port)
        let pool = DepositPool.of(backend)
        let deposits = Deposits(backend: backend, client: client, pool: pool)
        // The root's pages: they are not this partition's.
        var rootPages: UInt64 = 0
        let id = try deposits.retrying(depositTo: .own, counting: &rootPages) { () throws(HypercallFailure) in
            try client.createPartition(CreatePartitionInput(flags: flags))
        }
        var pages: UInt64 = 0
        do throws(HypervisorError) {
            try configure(id)
            try deposits.deposit(DepositCount.initializePartition, to: id)
            pages += UInt64(DepositCount.initializePartition)
            try deposits.retrying(depositTo: id, counting: &pages) { () throws(HypercallFailure) in
                try client.initializePartition(id)
            }
            hotPath = try Self.hotPath(of: id, backend)
        } catch {
            // Finalizing fails where it was not initialized, and is not needed there.
            try? client.finalizePartition(id)
            deposits.withdrawAll(from: id)
            try? client.deletePartition(id)
            throw error
        }
        self.id = id
        self.backend = backend
        self.client = client
        self.pool = pool
        state.withLock { [pages] in $0.depositedPages = pages }
    }

    deinit { destroy() }

    /// Memory that the hypervisor holds to manage this partition.
    package var depositedBytes: UInt64 { state.withLock { $0.depositedPages } * UInt64(pageSize) }

    /// Guest memory that is mapped.
    package var mappedBytes: UInt64 { state.withLock { $0.mappings.pageCount } * UInt64(pageSize) }

    // MARK: Processors

    /// Creates virtual processor `index`.
    package func createVP(_ index: VPIndex) throws(HypervisorError) {
        try state.withLock { state throws(HypervisorError) in
            try Self.requireAlive(state, id)
            let client = client
            let id = id
            try deposits.deposit(DepositCount.createVP, to: id)
            state.depositedPages += UInt64(DepositCount.createVP)
            try deposits.retrying(depositTo: id, counting: &state.depositedPages) { () throws(HypercallFailure) in
                try client.createVP(CreateVPInput(partition: id, index: index))
            }
            state.processors.insert(index)
        }
    }

    /// The values of a processor's registers, in the order of `names`.
    package func registers(_ names: [RegisterName], vp: VPIndex) throws(HypervisorError) -> [RegisterValue] {
        do throws(HypercallFailure) {
            return try client.registers(names, of: vp, in: id)
        } catch {
            let name = error.repsCompleted < names.count ? " reading \(names[error.repsCompleted])" : ""
            throw HypervisorError("processor \(vp) of partition \(id)\(name): \(error)")
        }
    }

    package func setRegisters(_ registers: [RegisterAssociation], vp: VPIndex) throws(HypervisorError) {
        do throws(HypercallFailure) {
            try client.setRegisters(registers, of: vp, in: id)
        } catch {
            let name = error.repsCompleted < registers.count ? " setting \(registers[error.repsCompleted].name)" : ""
            throw HypervisorError("processor \(vp) of partition \(id)\(name): \(error)")
        }
    }

    /// Suspends a processor; when it returns, the processor executes nothing. Suspending twice is the same as once.
    package func suspend(_ vp: VPIndex) throws(HypervisorError) {
        try setRegisters([RegisterAssociation(.explicitSuspend, 1)], vp: vp)
    }

    /// Lets a suspended processor go on.
    package func resume(_ vp: VPIndex) throws(HypervisorError) {
        try setRegisters([RegisterAssociation(.explicitSuspend, 0)], vp: vp)
    }

    // MARK: The end

    /// Takes the partition down: processors, memory, deposits, the partition. Calling it again does nothing; the last
    /// reference's end calls it too. Processors that still run are stopped by the hypervisor.
    package func destroy() {
        state.withLock { state in
            guard !state.isDestroyed else { return }
            state.isDestroyed = true
            // Nothing here can be answered by the caller, and each step frees more where it succeeds: go on in any
            // case. Finalizing unmaps and deletes whatever is left, as Linux's driver relies on.
            for index in state.processors.sorted() { try? client.deleteVP(index, of: id) }
            state.processors = []
            let mappings = state.mappings.extents
            for extent in mappings { try? unmapExtent(extent) }
            try? client.finalizePartition(id)
            for extent in mappings { unregister(extent) }
            state.mappings = ExtentMap()
            deposits.withdrawAll(from: id)
            state.depositedPages = 0
            try? client.deletePartition(id)
        }
    }

    // MARK: Deposits

    var deposits: Deposits { Deposits(backend: backend, client: client, pool: pool) }

    static func requireAlive(_ state: borrowing State, _ id: PartitionID) throws(HypervisorError) {
        if state.isDestroyed { throw HypervisorError("partition \(id) is destroyed") }
    }

    private static func hotPath(
        of id: PartitionID, _ backend: any HypervisorBackend
    ) throws(HypervisorError) -> any PartitionHotPath {
        do throws(HypercallStatus) {
            return try backend.hotPath(of: id)
        } catch {
            throw HypervisorError("partition \(id) has no processors to run: \(error)")
        }
    }
}
