import CLinux
import Glibc
import HypercallABI
import Hypervisor
import LinuxSystem
import Synchronization

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
            let isEmulated = !processorHasVirtualization()
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
        let rate = sample.instructions * 1000 / max(sample.nanoseconds, 1)
        let seen = rate == 0 ? "under a million instructions a second" : "about \(rate) million instructions a second"
        return isEmulated
            ? "KVM at \(KvmEngine.path) runs guest code, but only emulated (no vmx or svm in /proc/cpuinfo): "
                + "\(seen) were seen"
            : "KVM at \(KvmEngine.path) runs guest code on the processor: \(seen) were seen"
    }

    /// Whether this machine's processor shows VMX or SVM; where it does not, KVM emulates instructions.
    private static func processorHasVirtualization() -> Bool {
        guard let file = try? FileDescriptor(opening: "/proc/cpuinfo", O_RDONLY),
            let bytes = try? file.read(count: 16_384)
        else { return false }
        for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") where line.hasPrefix("flags") {
            return line.split(separator: " ").contains { $0 == "vmx" || $0 == "svm" }
        }
        return false
    }

    /// Where the code lies and starts, in real mode.
    private static let codeAddress: UInt64 = 0x1000
    private static let port: UInt16 = 0xF4

    private static func measure(
        on engine: KvmEngine, iterations: UInt32, deadline: UInt64
    ) throws(HypervisorError) -> Sample {
        let memory: MemoryMapping
        do {
            memory = try MemoryMapping(anonymous: 2 * pageSize)
        } catch {
            throw HypervisorError("no memory for KVM's probe: \(error)")
        }
        // mov ecx, iterations; again: dec ecx; jnz again; mov al, 0x5A; out port, al; jmp itself
        let count = (0..<4).map { UInt8(truncatingIfNeeded: iterations >> (8 * UInt32($0))) }
        let code: [UInt8] =
            [0x66, 0xB9] + count + [0x66, 0x49, 0x75, 0xFC, 0xB0, 0x5A, 0xE6, UInt8(port), 0xEB, 0xFE]
        UnsafeMutableRawBufferPointer(start: memory.base + Int(codeAddress), count: code.count).copyBytes(from: code)

        let partition = try engine.createPartition(
            EnginePartitionConfiguration(partitionID: PartitionID(rawValue: 1), vpCount: 1))
        defer { partition.close() }
        try partition.map(
            gpa: 0, hostAddress: UInt(bitPattern: memory.base), count: UInt64(memory.count), access: .all)
        let vp = try partition.createVP(0)
        do {
            try vp.setRegisters([
                RegisterAssociation(
                    .cs, RegisterValue(SegmentRegister(base: 0, limit: 0xFFFF, selector: 0, attributes: 0x9B))),
                RegisterAssociation(.rip, codeAddress), RegisterAssociation(.rflags, 2),
            ])
        } catch {
            throw HypervisorError("KVM does not take registers in its probe: \(error)")
        }
        let watch = try Watch(vp, deadline: deadline)
        let start = monotonicNanoseconds()
        let exit = vp.run()
        let end = monotonicNanoseconds()
        watch.end()
        switch exit {
        case .portWrite(port, 1, 0x5A):
            return Sample(instructions: UInt64(iterations) * 2, nanoseconds: end - start)
        case .interrupted:
            throw HypervisorError(
                "KVM opens, but did not get through \(iterations * 2) instructions in \(deadline / 1_000_000) ms")
        case .failed(let detail):
            throw HypervisorError("KVM opens, but does not run guest code: \(detail)")
        default:
            throw HypervisorError("KVM opens, but its guest ended with \(exit.reason.label) where it writes to a port")
        }
    }

    /// Cancels a run that takes too long.
    private final class Watch {
        private let done: EventFD
        private let thread: SystemThread

        init(_ vp: any EngineVP, deadline: UInt64) throws(HypervisorError) {
            do {
                let done = try EventFD()
                self.done = done
                thread = try SystemThread(name: "kvm-probe") {
                    var wait = pollfd(fd: done.raw, events: Int16(POLLIN), revents: 0)
                    if poll(&wait, 1, Int32(clamping: deadline / 1_000_000)) == 0 { vp.cancelRun() }
                }
            } catch {
                throw HypervisorError("no thread to watch KVM's probe: \(error)")
            }
        }

        func end() {
            done.signal()
            thread.join()
        }
    }
}
