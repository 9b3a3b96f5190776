import EmbeddedHypervisor
import HypercallABI
import Hypervisor
import KvmEngine
import Log

/// The hypervisor that a worker's partition lives on.
///
/// - Throws: `HypervisorError` where this machine has none that runs guest code.
func makeBackend(partitionID: UInt64, vpCount: Int) throws(HypervisorError) -> any HypervisorBackend {
    EmbeddedHypervisor(
        engine: try KvmEngine(), firstPartitionID: PartitionID(rawValue: partitionID), vpCount: vpCount,
        report: { Log.warning($0) })
}
