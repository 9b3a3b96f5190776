import HypercallABI
import Hypervisor
import LinuxSystem

/// Finds out whether KVM really runs guest code here, by letting it run some.
package enum HypervisorProbe {
    /// Opens KVM, runs a loop of a few thousand instructions in a throwaway VM (and a longer one where that was too
    /// quick to time), and tells how it went. Takes less than 300 ms.
    ///
    /// - Returns: an engine that describes itself by what was seen, and that description; or why KVM is of no use.
    package static func probeKVM() -> Result<(KvmEngine, HypervisorDescription), HypervisorError> {
        do throws(HypervisorError) {
            let engine = try KvmEngine()
            var sample = try measure(on: engine, iterations: 10_000, deadline: 200_000_000)
            if sample.nanoseconds < 2_000_000 {
                sample = try measure(on: engine, iterations: 1_000_000, deadline: 80_000_000)
            }
            let isEmulated = !ProbeGuest.processorHasVirtualization()
            let description = HypervisorDescription(
                kind: .kvm, detail: sentence(sample, isEmulated: isEmulated), isEmulated: isEmulated)
            return .success((try KvmEngine(description: description), description))
        } catch {
            return .failure(error)
        }
    }

    /// A timed loop of two instructions.
    private struct Sample {
        var instructions: UInt64
        var nanoseconds: UInt64
    }

    private static func sentence(_ sample: Sample, isEmulated: Bool) -> String {
        let seen = ProbeGuest.rate(instructions: sample.instructions, nanoseconds: sample.nanoseconds)
        return isEmulated
            ? "KVM at \(KvmEngine.path) runs guest code, but only emulated (no vmx or svm in /proc/cpuinfo): "
                + "\(seen) were seen"
            : "KVM at \(KvmEngine.path) runs guest code on the processor: \(seen) were seen"
    }

    private static func measure(
        on engine: KvmEngine, iterations: UInt32, deadline: UInt64
    ) throws(HypervisorError) -> Sample {
        let guest = try ProbeGuest(iterations: iterations)
        let partition = try engine.createPartition(
            EnginePartitionConfiguration(partitionID: PartitionID(rawValue: 1), vpCount: 1))
        defer { partition.close() }
        try partition.map(
            gpa: 0, hostAddress: UInt(bitPattern: guest.memory.base), count: UInt64(guest.memory.count), access: .all)
        let vp = try partition.createVP(0)
        do {
            try vp.setRegisters(ProbeGuest.registers)
        } catch {
            throw HypervisorError("KVM does not take registers in its probe: \(error)")
        }
        let nanoseconds = try guest.run(on: vp, name: "KVM", deadline: deadline)
        return Sample(instructions: UInt64(iterations) * 2, nanoseconds: nanoseconds)
    }
}
