import HypercallABI

/// Why a virtual processor stopped running and what its intercept asks for.
package enum VPExit: Equatable, Sendable {
    /// IN: `completeRead` gives the value before the next run. `size` is 1, 2 or 4 bytes.
    case portRead(port: UInt16, size: UInt8)
    /// OUT. `size` is 1, 2 or 4 bytes; the other bits of `value` are zero.
    case portWrite(port: UInt16, size: UInt8, value: UInt32)
    /// A read of a guest physical address without memory: `completeRead` gives the value. `size` is 1, 2, 4 or 8.
    case mmioRead(gpa: UInt64, size: UInt8)
    /// A write to a guest physical address without memory (or to read-only memory).
    case mmioWrite(gpa: UInt64, size: UInt8, value: UInt64)
    /// HLT that the hypervisor does not wait out itself; `wakeAt` (monotonic nanoseconds) where the engine knows when
    /// to go on.
    case halt(wakeAt: UInt64?)
    /// The guest ended a level-triggered interrupt whose vector the I/O APIC routes.
    case apicEOI(vector: UInt8)
    /// RDMSR of a register the hypervisor does not own: `completeRead` gives the value, or `failAccess` a #GP.
    case msrRead(index: UInt32)
    /// WRMSR of a register the hypervisor does not own; `failAccess` gives a #GP.
    case msrWrite(index: UInt32, value: UInt64)
    /// CPUID that is intercepted: `completeCPUID` gives the result.
    case cpuid(leaf: UInt32, subleaf: UInt32)
    /// An exception that is intercepted, not delivered yet.
    case exception(vector: UInt8, errorCode: UInt32?)
    /// The guest made a hypercall that the hypervisor passes on.
    case hypercall(ControlWord)
    /// Triple fault: the processor is in shutdown state.
    case unrecoverableException
    /// The run was cancelled, or a signal came: nothing of the guest waits for an answer.
    case interrupted
    /// The hypervisor can't go on with this processor, and why.
    case failed(String)
}

extension VPExit {
    /// The reason's name, as metrics label it. The names are stable.
    package var reason: ExitReason {
        switch self {
        case .portRead: .portRead
        case .portWrite: .portWrite
        case .mmioRead: .mmioRead
        case .mmioWrite: .mmioWrite
        case .halt: .halt
        case .apicEOI: .apicEOI
        case .msrRead: .msrRead
        case .msrWrite: .msrWrite
        case .cpuid: .cpuid
        case .exception: .exception
        case .hypercall: .hypercall
        case .unrecoverableException: .unrecoverableException
        case .interrupted: .interrupted
        case .failed: .failed
        }
    }
}

/// The kinds of exit, in the order of their counters on a statistics page.
package enum ExitReason: Int, CaseIterable, Sendable {
    case portRead, portWrite, mmioRead, mmioWrite, halt, apicEOI, msrRead, msrWrite, hypercall
    case unrecoverableException, interrupted, failed, cpuid, exception

    /// The label in metrics.
    package var label: String {
        switch self {
        case .portRead: "port_read"
        case .portWrite: "port_write"
        case .mmioRead: "mmio_read"
        case .mmioWrite: "mmio_write"
        case .halt: "halt"
        case .apicEOI: "apic_eoi"
        case .msrRead: "msr_read"
        case .msrWrite: "msr_write"
        case .hypercall: "hypercall"
        case .unrecoverableException: "unrecoverable_exception"
        case .interrupted: "interrupted"
        case .failed: "failed"
        case .cpuid: "cpuid"
        case .exception: "exception"
        }
    }
}

/// A virtual processor as the one who runs it sees it: the hot path that does not go through hypercall bytes.
package protocol VirtualProcessor: AnyObject, Sendable {
    var index: VPIndex { get }

    /// Runs the processor until it exits. Only one thread runs a processor at a time, and it must have answered the
    /// exit before (`completeRead`). Each element of a string I/O instruction is an exit of its own.
    func run() -> VPExit

    /// Answers the `portRead`, `mmioRead` or `msrRead` that `run` just returned.
    func completeRead(_ value: UInt64)

    /// Answers the `cpuid` that `run` just returned.
    func completeCPUID(_ result: CPUIDRegisters)

    /// Answers the `msrRead` or `msrWrite` that `run` just returned with a #GP in the guest.
    func failAccess()

    /// Leaves the instruction of the exit that `run` just returned to the caller: the engine forgets what it would have
    /// finished, and the registers are those at the exit. These are the registers before the instruction, but for a
    /// write to a device's address (`mmioWrite`) those after it. For whoever emulates instructions itself.
    func abandonExit()

    /// From now on `run` returns `.interrupted` for every signal that its thread gets, not only for `cancelRun`.
    func returnAtSignals()

    /// Tells the guest, where it asked to be told, that it stood still: a watchdog in it is not to take that for a hang.
    /// Between two runs.
    func noteGuestPaused()

    /// Makes the current `run`, or the next one where none is under way, return `.interrupted`. From any thread.
    func cancelRun()
}

extension VirtualProcessor {
    /// Where instructions are never half done there is nothing to forget.
    package func abandonExit() {}

    /// Processors that no thread waits in a system call for get no signals.
    package func returnAtSignals() {}

    /// Where the guest has no way to be told.
    package func noteGuestPaused() {}

    /// Processors that never exit for CPUID have nothing to answer.
    package func completeCPUID(_ result: CPUIDRegisters) {}
}
