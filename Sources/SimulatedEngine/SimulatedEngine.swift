import HypercallABI
import Hypervisor
import LinuxSystem
import Synchronization

/// The engine without a processor: no guest code runs. A partition follows its `SimulationModel` on simulated time,
/// and the same model, clock and inputs give the same exits. It needs no thread: a driver calls `run` when it likes,
/// and again when the time of the last `halt` has come or `onWake` was called.
package final class SimulatedEngine: ProcessorEngine {
    package let description = HypervisorDescription(
        kind: .simulated, detail: "simulated: no guest code runs, virtual processors follow a declared model",
        isEmulated: false)
    private let clock: @Sendable () -> UInt64
    private let partitions = Mutex<[PartitionID: SimulatedPartition]>([:])

    /// - Parameter clock: nanoseconds that never go back; `halt(wakeAt:)` is on this clock.
    package init(clock: @escaping @Sendable () -> UInt64 = monotonicNanoseconds) { self.clock = clock }

    package func createPartition(
        _ configuration: EnginePartitionConfiguration
    ) throws(HypervisorError) -> any EnginePartition {
        let id = configuration.partitionID
        guard configuration.vpCount > 0 else {
            throw HypervisorError(
                "partition \(id) asks for \(configuration.vpCount) virtual processors; 1 is the least")
        }
        let partition = SimulatedPartition(configuration, clock: clock) { [weak self] in
            self?.partitions.withLock { _ = $0.removeValue(forKey: id) }
        }
        partitions.withLock { $0[id] = partition }
        return partition
    }

    /// The partition with that id, for those who pause it or wait for it; nil where there is none (any more).
    package func partition(_ id: PartitionID) -> SimulatedPartition? { partitions.withLock { $0[id] } }
}

/// What only a simulated processor can tell.
package protocol SimulatedProcessor: AnyObject, Sendable {
    /// Simulated nanoseconds of processor time consumed since the partition started.
    var runTime: UInt64 { get }
}
