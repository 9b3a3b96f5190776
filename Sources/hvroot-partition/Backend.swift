import EmbeddedHypervisor
import HypercallABI
import Hypervisor
import KvmEngine
import Log
import MshvHypervisor
import WorkerProtocol

/// The hypervisor that a worker's partition lives on.
///
/// - Throws: `HypervisorError` where this machine does not have it, or it runs no guest code.
func makeBackend(_ launch: WorkerLaunch) throws(HypervisorError) -> any HypervisorBackend {
    let id = PartitionID(rawValue: launch.partitionID)
    switch launch.hypervisor {
    case .mshv: return try MshvHypervisor(firstPartitionID: id, report: { Log.warning($0) })
    case .kvm:
        return EmbeddedHypervisor(
            engine: try KvmEngine(), firstPartitionID: id, vpCount: launch.vpCapacity, report: { Log.warning($0) })
    case .simulated: throw HypervisorError("a simulated guest has no process of its own")
    }
}
