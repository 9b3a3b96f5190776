import EmbeddedHypervisor
import Glibc
import HypercallABI
import HypercallCore
import Hypervisor
import KvmEngine
import LinuxSystem

/// `/dev/mshv` of one process: the hypervisor that answers, and what is shared by its partitions.
package final class MshvEmulator: Sendable {
    package let hypervisor: EmbeddedHypervisor
    let driver: DriverCalls
    let pump: IrqfdPump
    let makeProcessor: ProcessorFactory
    let report: @Sendable (String) -> Void
    /// The most processors that a partition can have.
    let processorLimit: Int

    /// - Parameters:
    ///   - processorLimit: CPUID shows the guest a package of so many processors, because partitions are created
    ///     without saying how many they will have.
    ///   - report: is given a line for each thing that the engine could not do.
    package init(
        engine: any ProcessorEngine, processorLimit: Int, makeProcessor: @escaping ProcessorFactory,
        report: @escaping @Sendable (String) -> Void = { _ in }
    ) {
        // 1 is the root's own, as on Hyper-V.
        hypervisor = EmbeddedHypervisor(
            engine: engine, firstPartitionID: PartitionID(rawValue: 2), vpCount: processorLimit, report: report)
        driver = DriverCalls(hypervisor)
        pump = IrqfdPump()
        self.makeProcessor = makeProcessor
        self.report = report
        self.processorLimit = processorLimit
    }

    /// An open of `/dev/mshv`.
    package func openDevice() throws(Errno) -> any EmulatedFile {
        DeviceFile(self, memory: try MemoryFile(name: "mshv", count: 0))
    }

    /// Answers a request on a descriptor of `/dev/mshv` that another process opened and this one inherited.
    package func deviceRequest(
        _ request: UInt32, _ argument: UInt64, _ install: Installer
    ) throws(Errno) -> Int32 {
        try DeviceRequests(emulator: self).ioctl(request, argument, install)
    }
}
