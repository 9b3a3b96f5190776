import Glibc
import HypercallABI
import LinuxSystem

/// A guest of a dozen bytes that proves that guest code runs: it counts down and writes to a port, in real mode.
package struct ProbeGuest: ~Copyable {
    private static let codeAddress: UInt64 = 0x1000
    private static let port: UInt16 = 0xF4

    /// Guest memory from address 0 on.
    package let memory: MemoryMapping
    package let iterations: UInt32

    /// - Throws: `HypervisorError` where there is no memory.
    package init(iterations: UInt32) throws(HypervisorError) {
        self.iterations = iterations
        do throws(Errno) {
            memory = try MemoryMapping(anonymous: 2 * pageSize)
        } catch {
            throw HypervisorError("no memory for a probe: \(error)")
        }
        // mov ecx, iterations; again: dec ecx; jnz again; mov al, 0x5A; out port, al; jmp itself
        let count = (0..<4).map { UInt8(truncatingIfNeeded: iterations >> (8 * UInt32($0))) }
        let code: [UInt8] =
            [0x66, 0xB9] + count + [0x66, 0x49, 0x75, 0xFC, 0xB0, 0x5A, 0xE6, UInt8(Self.port), 0xEB, 0xFE]
        UnsafeMutableRawBufferPointer(start: memory.base + Int(Self.codeAddress), count: code.count)
            .copyBytes(from: code)
    }

    /// Where it starts.
    package static let registers = [
        RegisterAssociation(
            .cs, RegisterValue(SegmentRegister(base: 0, limit: 0xFFFF, selector: 0, attributes: 0x9B))),
        RegisterAssociation(.rip, codeAddress), RegisterAssociation(.rflags, 2),
    ]

    /// Runs it and takes the time.
    ///
    /// - Parameters:
    ///   - name: the hypervisor's, for errors.
    ///   - deadline: nanoseconds after which it is given up.
    /// - Returns: nanoseconds for `2 * iterations` instructions.
    package func run(
        on vp: any VirtualProcessor, name: String, deadline: UInt64
    ) throws(HypervisorError) -> UInt64 {
        let watch = try Watch(vp, deadline: deadline)
        let start = monotonicNanoseconds()
        let exit = vp.run()
        let end = monotonicNanoseconds()
        watch.end()
        switch exit {
        case .portWrite(Self.port, 1, 0x5A): return end - start
        case .interrupted:
            throw HypervisorError(
                "\(name) opens, but did not get through \(UInt64(iterations) * 2) instructions in "
                    + "\(deadline / 1_000_000) ms")
        case .failed(let detail):
            throw HypervisorError("\(name) opens, but does not run guest code: \(detail)")
        default:
            throw HypervisorError(
                "\(name) opens, but its guest ended with \(exit.reason.label) where it writes to a port")
        }
    }

    /// Cancels a run that takes too long.
    private final class Watch {
        private let done: EventFD
        private let thread: SystemThread

        init(_ vp: any VirtualProcessor, deadline: UInt64) throws(HypervisorError) {
            do {
                let done = try EventFD()
                self.done = done
                thread = try SystemThread(name: "probe") {
                    var wait = pollfd(fd: done.raw, events: Int16(POLLIN), revents: 0)
                    if poll(&wait, 1, Int32(clamping: deadline / 1_000_000)) == 0 { vp.cancelRun() }
                }
            } catch {
                throw HypervisorError("no thread to watch a probe: \(error)")
            }
        }

        func end() {
            done.signal()
            thread.join()
        }
    }

    /// "about 300 million instructions a second".
    package static func rate(instructions: UInt64, nanoseconds: UInt64) -> String {
        let rate = instructions * 1000 / max(nanoseconds, 1)
        return rate == 0 ? "under a million instructions a second" : "about \(rate) million instructions a second"
    }

    /// Whether this machine's processor shows VMX or SVM; where it does not, KVM emulates instructions.
    package static func processorHasVirtualization() -> Bool {
        guard let file = try? FileDescriptor(opening: "/proc/cpuinfo", O_RDONLY),
            let bytes = try? file.read(count: 16_384)
        else { return false }
        for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") where line.hasPrefix("flags") {
            return line.split(separator: " ").contains { $0 == "vmx" || $0 == "svm" }
        }
        return false
    }
}
