import HypercallABI
import Hypervisor
import LinuxSystem

/// Finds out whether the Microsoft hypervisor really runs guest code here, by letting it run some.
package enum MshvProbe {
    /// Opens `/dev/mshv`, makes a throwaway partition and runs a loop in it. Takes less than a second.
    ///
    /// - Parameter isParent: whether CPUID shows this machine as a parent of the Microsoft hypervisor. Where it does not,
    ///   something else answers for the driver, which the description says.
    /// - Throws: `HypervisorError` with the step that failed.
    package static func probe(isParent: Bool) throws(HypervisorError) -> HypervisorDescription {
        try probe(device: try MshvHypervisor.openDevice(), isParent: isParent)
    }

    /// The same on a device that is open.
    package static func probe(
        device: any MshvDescriptor, isParent: Bool
    ) throws(HypervisorError) -> HypervisorDescription {
        let guest = try ProbeGuest(iterations: 10_000)
        let reports = Reports()
        let hypervisor = MshvHypervisor(
            device: device, firstPartitionID: PartitionID(rawValue: 1), report: { reports.add($0) })
        let nanoseconds: UInt64
        do throws(HypervisorError) {
            let partition = try Partition(on: hypervisor, flags: [.lapicEnabled, .x2apicCapable, .exoPartition])
            defer { partition.destroy() }
            try partition.map(gpa: 0, memory: guest.memory.base, count: guest.memory.count, writable: true)
            try partition.createVP(0)
            try partition.setRegisters(ProbeGuest.registers, vp: 0)
            let vp: any VirtualProcessor
            do throws(HypercallStatus) {
                vp = try partition.hotPath.virtualProcessor(0)
            } catch {
                throw HypervisorError("the probe's processor: \(error)")
            }
            nanoseconds = try guest.run(on: vp, name: KernelDescriptor.path, deadline: 500_000_000)
        } catch {
            // The driver's own words say more than a status.
            let words = reports.last.map { " (\($0))" } ?? ""
            throw HypervisorError("\(error)\(words)")
        }
        let seen = ProbeGuest.rate(instructions: UInt64(guest.iterations) * 2, nanoseconds: nanoseconds)
        let who =
            isParent
            ? "the Microsoft hypervisor runs guest code through \(KernelDescriptor.path)"
            : "\(KernelDescriptor.path) runs guest code, but CPUID shows no Microsoft hypervisor that would allow it, "
                + "so an emulator answers"
        return HypervisorDescription(
            kind: .mshv, detail: "\(who): \(seen) were seen",
            isEmulated: !isParent && !ProbeGuest.processorHasVirtualization())
    }

    /// The lines that the port reports.
    private final class Reports: Sendable {
        private let lines = Monitor<[String]>([])
        func add(_ line: String) { lines.withLock { $0.append(line) } }
        var last: String? { lines.read { $0.last } }
    }
}
