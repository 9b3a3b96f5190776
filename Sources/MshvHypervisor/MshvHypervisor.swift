import CLinux
import HypercallABI
import HypercallCore
import Hypervisor
import LinuxSystem

/// The Microsoft hypervisor below Linux's `/dev/mshv`.
///
/// Any number of partitions live in one, made and used from any thread.
package final class MshvHypervisor: HypervisorBackend {
    package let description: HypervisorDescription
    package var port: any HypercallPort { countingPort }

    private let mshv: MshvPort
    private let countingPort: CountingPort

    /// - Parameters:
    ///   - device: `/dev/mshv`, open.
    ///   - firstPartitionID: the first partition's id; each partition gets the lowest free id from there on. 0 counts
    ///     as 1.
    ///   - description: nil: one that says no more than the device's name.
    ///   - report: is given one line for each thing the driver refused, with its errno; the status of a hypercall has
    ///     no room for it. Called from any thread, perhaps with a partition's lock held: it must not call back.
    package init(
        device: any MshvDescriptor, firstPartitionID: PartitionID, description: HypervisorDescription? = nil,
        report: @escaping @Sendable (String) -> Void = { _ in }
    ) {
        // Twice is no harm, and failing means a signal number out of range, which it is not.
        _ = hv_run_kick_install()
        self.description =
            description
            ?? HypervisorDescription(
                kind: .mshv, detail: "the Microsoft hypervisor through \(KernelDescriptor.path)", isEmulated: false)
        mshv = MshvPort(device: device, firstPartitionID: firstPartitionID, report: report)
        countingPort = CountingPort(mshv)
    }

    /// Opens `/dev/mshv`.
    ///
    /// - Throws: `HypervisorError` that says what is missing.
    package convenience init(
        firstPartitionID: PartitionID, description: HypervisorDescription? = nil,
        report: @escaping @Sendable (String) -> Void = { _ in }
    ) throws(HypervisorError) {
        self.init(
            device: try Self.openDevice(), firstPartitionID: firstPartitionID, description: description,
            report: report)
    }

    /// - Throws: `HypervisorError` that says what is missing.
    package static func openDevice() throws(HypervisorError) -> any MshvDescriptor {
        do throws(Errno) {
            return try KernelDescriptor.openDevice()
        } catch {
            throw HypervisorError("\(KernelDescriptor.path) can't be opened: \(error)")
        }
    }

    /// - Throws: `invalidPartitionId`; `invalidPartitionState` before it is initialized.
    package func hotPath(of partition: PartitionID) throws(HypercallStatus) -> any PartitionHotPath {
        try mshvPartition(partition)
    }

    /// A partition with what only this hypervisor offers.
    ///
    /// - Throws: as `hotPath`.
    package func mshvPartition(_ id: PartitionID) throws(HypercallStatus) -> MshvPartition {
        let partition = try mshv.partition(id)
        try partition.requireActive()
        return partition
    }

    /// Nothing to do: the driver takes any memory of this process, by its address, when it is mapped.
    package func registerRootMemory(base: UnsafeMutableRawPointer, count: Int) {}

    package func unregisterRootMemory(base: UnsafeMutableRawPointer, count: Int) {}

    /// The driver pins the pages that it maps (`mshv_region_populate` of Linux).
    package var pinsGuestMemory: Bool { true }

    package var hypercallCounts: [HypercallCount] {
        countingPort.counts
            .map { HypercallCount(code: $0.key.code, status: $0.key.status, count: $0.value) }
            .sorted {
                ($0.code.rawValue, $0.status.rawValue) < ($1.code.rawValue, $1.status.rawValue)
            }
    }
}
