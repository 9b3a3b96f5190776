import CLinux
import Glibc
import HypercallABI
import Hypervisor
import LinuxSystem
import Synchronization

/// A virtual processor as a vCPU. It runs on the thread that calls `run`.
final class KvmVP: EngineVP, @unchecked Sendable {
    // Unchecked: `transfer`, `mustComplete` and `early` are touched inside the gate or by a holder of it only, and
    // holders take turns by `registerAccess`.
    let index: VPIndex
    let gate: RunGate
    let descriptor: FileDescriptor
    let memory: VPMemory
    private let machine: KvmMachine
    /// Its CPUID without any registered result.
    let ownCPUID: [CPUIDEntry]
    /// Bytes of KVM's XSAVE area.
    let xsaveSize: Int
    let hasExceptionPayload: Bool
    private let cancelled = Atomic<Bool>(false)
    private let stopsAtSignals = Atomic<Bool>(false)
    private let registerAccess = Mutex(())

    /// The device accesses of the last exit that are not given out or answered yet.
    private var transfer: DeviceTransfer?
    /// Whether KVM finishes an instruction only when it runs the next time.
    private var mustComplete = false
    /// An exit that finishing an instruction brought, kept for the next `run`.
    private var early: VPExit?

    init(engine: KvmEngine, machine: KvmMachine, index: VPIndex, vpCount: Int) throws(HypervisorError) {
        self.index = index
        self.machine = machine
        do {
            let number = machine.descriptor.raw
            let vcpu = FileDescriptor(
                owning: try retryingInterrupts { hv_ioctl_int(number, HV_KVM_CREATE_VCPU, UInt(index)) })
            memory = VPMemory(try MemoryMapping(file: vcpu, count: engine.runSize, writable: true))
            descriptor = vcpu
        } catch {
            throw HypervisorError("KVM cannot make virtual processor \(index): \(error)")
        }
        let runMemory = memory
        // The kvm_run page lives as long as its mapping, which the closure keeps.
        gate = RunGate(
            prepareThread: { hv_kvm_prepare_thread() },
            demand: { hv_kvm_run_set_immediate_exit(runMemory.run, 1) }, signal: hv_kvm_kick_signal())
        let entries = CPUIDEntry.forProcessor(
            index, of: vpCount, supported: engine.supportedCPUID, hasTSCDeadlineTimer: engine.hasTSCDeadlineTimer)
        ownCPUID = entries
        xsaveSize = engine.xsaveSize
        hasExceptionPayload = engine.hasExceptionPayload
        do {
            try CPUIDEntry.set(entries, on: descriptor)
        } catch {
            throw HypervisorError("KVM refuses the CPUID of virtual processor \(index): \(error)")
        }
        // What firmware leaves behind: fast string instructions, and write-back as the default memory type.
        do {
            try writeMSRs([(0x1A0, 1), (0x2FF, 0x806)])
        } catch {
            throw HypervisorError("KVM refuses the first MSRs of virtual processor \(index): \(error)")
        }
    }

    func returnAtSignals() { stopsAtSignals.store(true, ordering: .relaxed) }

    func run() -> VPExit {
        do {
            try machine.arm()
        } catch {
            return .failed(error.description)
        }
        gate.enter()
        defer { gate.leave() }
        if enterAgain(beginning: true) { return .interrupted }
        while true {
            if let exit = early ?? transfer?.next(in: memory) {
                early = nil
                return exit
            }
            transfer = nil
            mustComplete = false
            if hv_ioctl_int(descriptor.raw, HV_KVM_RUN, 0) >= 0 {
                if let exit = takeExit() { return exit }
                continue
            }
            let error = Errno.last
            // EAGAIN: a processor that waits for INIT and SIPI was woken, and looks again.
            guard error.code == EINTR || error.code == EAGAIN else {
                return .failed(failureDetail("KVM_RUN: \(error)"))
            }
            // First the flag, then the wish: a wish that comes between them is seen here, one that comes later sets
            // the flag again.
            hv_kvm_run_set_immediate_exit(memory.run, 0)
            if cancelled.exchange(false, ordering: .sequentiallyConsistent) { return .interrupted }
            let isKick = hv_kvm_take_kick() != 0
            if stopsAtSignals.load(ordering: .relaxed), !isKick, !gate.isHeld { return .interrupted }
            // It was a holder, the late signal of a wish that was seen before, or somebody else's signal.
            if enterAgain() { return .interrupted }
        }
    }

    /// Lets holders in, and clears what they left of the flag: KVM_RUN's EINTR is to mean a signal.
    ///
    /// - Parameter beginning: the gate was entered just now.
    /// - Returns: whether the run is cancelled.
    private func enterAgain(beginning: Bool = false) -> Bool {
        var mustLeave = !beginning
        repeat {
            if mustLeave {
                gate.leave()
                gate.enter()
            }
            // First the flag, then the wishes, as in `run`.
            hv_kvm_run_set_immediate_exit(memory.run, 0)
            if cancelled.exchange(false, ordering: .sequentiallyConsistent) { return true }
            mustLeave = true
        } while gate.isHeld
        return false
    }

    func completeRead(_ value: UInt64) {
        gate.enter()
        transfer?.complete(value, in: memory)
        gate.leave()
    }

    /// This engine leaves MSRs to KVM, so that no exit is there to be refused.
    func failAccess() {}

    /// Refused where the guest does not use KVM's clock: then it has no such watchdog either.
    func noteGuestPaused() { _ = try? descriptor.ioctl(HV_KVM_KVMCLOCK_CTRL, 0) }

    func cancelRun() {
        cancelled.store(true, ordering: .sequentiallyConsistent)
        gate.kick()
    }

    /// Lets KVM finish the instruction with whatever is in its page, drops what else it asks for on the way, and puts
    /// the registers back. Memory that the instruction wrote stays written; who emulates the instruction writes it again.
    func abandonExit() {
        gate.enter()
        defer { gate.leave() }
        transfer = nil
        early = nil
        guard mustComplete else { return }
        mustComplete = false
        var registers = kvm_regs()
        var fpu = kvm_fpu()
        let isSaved =
            (try? descriptor.ioctl(HV_KVM_GET_REGS, &registers)) != nil
            && (try? descriptor.ioctl(HV_KVM_GET_FPU, &fpu)) != nil
        // An instruction has a few accesses; INS and OUTS come out of KVM after at most a page of elements.
        for _ in 0..<8192 {
            hv_kvm_run_set_immediate_exit(memory.run, 1)
            if hv_ioctl_int(descriptor.raw, HV_KVM_RUN, 0) < 0 { break }
        }
        guard isSaved else { return }
        // KVM gave these values out itself.
        _ = try? descriptor.ioctl(HV_KVM_SET_REGS, &registers)
        _ = try? descriptor.ioctl(HV_KVM_SET_FPU, &fpu)
    }

    /// What the last KVM_RUN asks for; nil: nothing, run again.
    private func takeExit() -> VPExit? {
        let reason = hv_kvm_run_exit_reason(memory.run)
        switch Int32(bitPattern: reason) {
        case KVM_EXIT_IO: return begin(hv_kvm_run_io(memory.run), isPort: true)
        case KVM_EXIT_MMIO: return begin(hv_kvm_run_mmio(memory.run), isPort: false)
        case KVM_EXIT_HLT: return .halt(wakeAt: nil)
        case KVM_EXIT_IOAPIC_EOI: return .apicEOI(vector: hv_kvm_run_eoi_vector(memory.run))
        case KVM_EXIT_SHUTDOWN: return .unrecoverableException
        case KVM_EXIT_INTR, KVM_EXIT_IRQ_WINDOW_OPEN: return nil
        case KVM_EXIT_SYSTEM_EVENT:
            return .failed(failureDetail("KVM system event \(hv_kvm_run_system_event(memory.run))"))
        case KVM_EXIT_FAIL_ENTRY:
            return .failed(
                failureDetail(
                    "the processor refuses the guest's state, hardware reason "
                        + "0x\(hex(hv_kvm_run_fail_entry_reason(memory.run)))"))
        case KVM_EXIT_INTERNAL_ERROR:
            return .failed(failureDetail(internalError()))
        default:
            return .failed(failureDetail("KVM exit reason \(reason), which this engine never asks for"))
        }
    }

    private func begin(_ request: hv_kvm_transfer, isPort: Bool) -> VPExit? {
        mustComplete = true
        guard let begun = DeviceTransfer(request, isPort: isPort, memory: memory) else {
            return .failed(
                failureDetail(
                    "KVM asks for \(request.count) elements of \(request.element_size) bytes at offset "
                        + "\(request.data_offset)"))
        }
        transfer = begun
        return transfer?.next(in: memory)
    }

    private func internalError() -> String {
        let suberror = hv_kvm_run_suberror(memory.run)
        var text = "KVM internal error, suberror \(suberror)"
        if suberror == UInt32(KVM_INTERNAL_ERROR_EMULATION) { text += " (an instruction KVM cannot emulate)" }
        var bytes = [UInt8](repeating: 0, count: 15)
        let count = Int(hv_kvm_run_failed_instruction(memory.run, &bytes))
        if count > 0 { text += ", bytes " + bytes[..<count].map { hex($0) }.joined(separator: " ") }
        return text
    }

    /// A failure with the place where the guest was.
    private func failureDetail(_ what: String) -> String {
        var registers = kvm_regs()
        guard (try? descriptor.ioctl(HV_KVM_GET_REGS, &registers)) != nil else {
            return "virtual processor \(index): \(what)"
        }
        return "virtual processor \(index) at rip 0x\(hex(registers.rip)): \(what)"
    }

    /// Stands the processor still, finishes the instruction whose exit was answered, and calls `body`.
    func standingStill<R>(_ body: () throws(HypercallStatus) -> R) throws(HypercallStatus) -> R {
        // The lock is not held as a scope, because the closure's result need not be Sendable.
        try registerAccess.withLock { (_) throws(HypercallStatus) -> UncheckedBox<R> in
            gate.beginHold()
            gate.waitUntilOutside()
            defer { gate.release() }
            finishInstruction()
            return UncheckedBox(value: try body())
        }.value
    }

    /// KVM writes an IN's result and advances RIP only on the way into the next KVM_RUN; with `immediate_exit` set
    /// that is all it does.
    private func finishInstruction() {
        guard mustComplete, early == nil else { return }
        // A string instruction or a read that still waits for the device is not done; the registers are those before it.
        if var pieces = transfer {
            if pieces.awaitsAnswer { return }
            if let exit = pieces.next(in: memory) {
                transfer = pieces
                early = exit
                return
            }
            transfer = nil
        }
        mustComplete = false
        hv_kvm_run_set_immediate_exit(memory.run, 1)
        if hv_ioctl_int(descriptor.raw, HV_KVM_RUN, 0) >= 0 { early = takeExit() }
        // `beginHold` has left the flag set as well; the next run clears it when it sees EINTR.
    }
}

/// Carries a value out of a lock's closure.
private struct UncheckedBox<R>: @unchecked Sendable {
    // Unchecked: it goes from one frame of a thread to the next and nowhere else.
    let value: R
}
