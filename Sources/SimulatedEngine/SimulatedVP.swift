import HypercallABI
import Hypervisor
import Synchronization

/// A processor of the simulated engine: `run` never blocks, it tells what the model does next.
final class SimulatedVP: EngineVP, SimulatedProcessor {
    let index: VPIndex
    private let partition: SimulatedPartition
    private let cancelled = Atomic<Bool>(false)
    private let values = Mutex<[RegisterName: RegisterValue]>([:])

    init(index: VPIndex, partition: SimulatedPartition) {
        self.index = index
        self.partition = partition
    }

    func run() -> VPExit {
        if cancelled.exchange(false, ordering: .acquiringAndReleasing) { return .interrupted }
        return partition.step(index)
    }

    func completeRead(_ value: UInt64) { partition.answer(value) }

    /// The model makes no MSR accesses.
    func failAccess() {}

    func cancelRun() { cancelled.store(true, ordering: .releasing) }

    var runTime: UInt64 { partition.runTime }

    func registers(_ names: [RegisterName]) throws(HypercallStatus) -> [RegisterValue] {
        for name in names where RegisterName.names[name] == nil { throw .invalidParameter }
        return values.withLock { values in names.map { values[$0] ?? RegisterValue(0) } }
    }

    func setRegisters(_ registers: [RegisterAssociation]) throws(HypercallStatus) {
        for register in registers where RegisterName.names[register.name] == nil { throw .invalidParameter }
        values.withLock { values in
            for register in registers { values[register.name] = register.value }
        }
    }
}
