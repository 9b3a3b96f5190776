import HypercallABI
import HypercallCore
import Hypervisor

/// Virtual processors (TLFS, "Virtual Processor Management").
extension PartitionState {
    /// - Throws: `invalidPartitionState` before initialize, `invalidVpIndex` for an index that is or was in use or that
    ///   the partition was not made for, `invalidParameter` for an unknown subnode or flags, `insufficientMemory`,
    ///   `operationFailed`.
    mutating func createVP(_ input: CreateVPInput) throws(HypercallStatus) {
        try requireActive()
        guard input.subnodeType <= 3, input.flags == 0 else { throw HypercallStatus.invalidParameter }
        guard input.index <= Limits.maximumVPIndex, Int(input.index) < parameters.vpCount,
            processors[input.index] == nil, !deletedProcessors.contains(input.index)
        else { throw HypercallStatus.invalidVpIndex }
        guard let engine else { throw HypercallStatus.invalidPartitionState }
        guard pool.use(PageCosts.createVP) else { throw HypercallStatus.insufficientMemory }
        do throws(HypervisorError) {
            let processor = try engine.createVP(input.index)
            let isSuspended = try? properties.value(of: .suspend) != 0
            processors[input.index] = EmbeddedVP(
                processor, index: input.index, partition: id, isPartitionSuspended: isSuspended ?? false,
                shared: registers, doorbells: doorbells)
        } catch {
            pool.release(PageCosts.createVP)
            throw failed("creating processor \(input.index)", error)
        }
    }

    /// Waits until the processor has stopped. The engine keeps its part until the partition is finalized.
    mutating func deleteVP(_ index: VPIndex) throws(HypercallStatus) {
        try requireActive()
        guard let processor = processors.removeValue(forKey: index) else { throw HypercallStatus.invalidVpIndex }
        let pages = statePageCost(of: processor)
        processor.retire()
        deletedProcessors.insert(index)
        pool.release(PageCosts.createVP + pages)
    }

    func processor(_ index: VPIndex) throws(HypercallStatus) -> EmbeddedVP {
        try requireActive()
        guard let processor = processors[index] else { throw HypercallStatus.invalidVpIndex }
        return processor
    }
}
