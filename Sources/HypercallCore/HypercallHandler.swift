import HypercallABI

/// How far a repeat call came.
package struct RepOutcome: Sendable, Equatable {
    /// Repetitions done of those that were handed over.
    package var completed: Int
    package var status: HypercallStatus

    package init(_ completed: Int, _ status: HypercallStatus) {
        self.completed = completed
        self.status = status
    }

    /// Nothing was done.
    package static func refused(_ status: HypercallStatus) -> RepOutcome { RepOutcome(0, status) }
}

/// The answering side of the calls: one typed method for each, called with parsed arguments by `HypercallDispatcher`.
///
/// Repeat calls get only the repetitions that are still to do: lists begin with the first of them, and a `gpaPage` is
/// that of the first of them. Methods are called from any thread, several at once.
package protocol HypercallHandler: PartitionCallHandler, MemoryCallHandler, ProcessorCallHandler,
    ProcessorStateCallHandler, InterruptCallHandler, SynICCallHandler, PropertyCallHandler, StatisticsCallHandler,
    DeviceCallHandler, IsolationCallHandler
{}

/// The life of partitions and their properties.
package protocol PartitionCallHandler: Sendable {
    func createPartition(_ input: CreatePartitionInput) throws(HypercallStatus) -> PartitionID
    func initializePartition(_ partition: PartitionID) throws(HypercallStatus)
    func finalizePartition(_ partition: PartitionID) throws(HypercallStatus)
    func deletePartition(_ partition: PartitionID) throws(HypercallStatus)
    func getPartitionProperty(_ input: GetPartitionPropertyInput) throws(HypercallStatus) -> UInt64
    func setPartitionProperty(_ input: SetPartitionPropertyInput) throws(HypercallStatus)
    /// The caller's.
    func getPartitionID() throws(HypercallStatus) -> PartitionID
    /// - Returns: `PartitionID.invalid` behind the last one.
    func getNextChildPartition(_ input: NextChildPartitionInput) throws(HypercallStatus) -> PartitionID
    func notifyPartitionEvent(_ input: NotifyPartitionEventInput) throws(HypercallStatus)
}

/// Deposited memory and guest memory.
package protocol MemoryCallHandler: Sendable {
    func depositMemory(_ input: DepositMemoryInput, pages: [UInt64]) -> RepOutcome
    /// - Returns: at most `maximum` page numbers, and `success` only with all of them.
    func withdrawMemory(_ input: WithdrawMemoryInput, maximum: Int) -> (pages: [UInt64], status: HypercallStatus)
    func mapGPAPages(_ input: MapGPAPagesInput, sources: [UInt64]) -> RepOutcome
    func unmapGPAPages(_ input: UnmapGPAPagesInput, count: Int) -> RepOutcome
    /// - Returns: the states of the first pages, and `success` only with those of all.
    func getGPAAccessStates(
        _ input: GetGPAAccessStatesInput, count: Int
    ) -> (states: [GPAAccessState], status: HypercallStatus)
    func readGPA(_ input: AccessGPAInput) throws(HypercallStatus) -> ReadGPAOutput
    func writeGPA(_ input: WriteGPAInput) throws(HypercallStatus) -> GPAAccessResult
    func acquireSPAHostAccess(_ input: SPAHostAccessInput, pages: [UInt64]) -> RepOutcome
    func releaseSPAHostAccess(_ input: SPAHostAccessInput, pages: [UInt64]) -> RepOutcome
}

/// Virtual processors and their registers.
package protocol ProcessorCallHandler: Sendable {
    func createVP(_ input: CreateVPInput) throws(HypercallStatus)
    func deleteVP(_ input: DeleteVPInput) throws(HypercallStatus)
    /// - Returns: the values of the first names, and `success` only with those of all.
    func getVPRegisters(_ input: VPRegistersInput, names: [RegisterName])
        -> (values: [RegisterValue], status: HypercallStatus)
    func setVPRegisters(_ input: VPRegistersInput, registers: [RegisterAssociation]) -> RepOutcome
}
