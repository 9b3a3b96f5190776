import CLinux
import CMshv
import Glibc
import HypercallABI
import HypercallCore
import Hypervisor
import LinuxSystem
import Synchronization

/// A virtual processor of the Microsoft hypervisor. It runs on the thread that calls `run`, which waits in the driver.
package final class MshvVP: VirtualProcessor, @unchecked Sendable {
    // Unchecked: `inner`, `pending` and `early` are touched inside the gate or by a holder of it only, and holders take
    // turns by `holding`; `wanted` is accessed atomically only.

    package let index: VPIndex
    let gate: RunGate
    let memory: MshvMemory
    let report: @Sendable (String) -> Void
    private let partition: PartitionID
    private let control = Monitor(Control())
    private let holding = Mutex(())
    /// Whether the run call is to end: the kick signal's handler reads it too.
    private let wanted: UnsafeMutablePointer<Int32>

    private struct Control {
        /// HV_REGISTER_EXPLICIT_SUSPEND as the manager sees it. The driver sets and clears the hypervisor's own one
        /// with every run, so that it says nothing about the manager's wish.
        var isSuspended = false
        var isCancelled = false
        var isRetired = false
    }

    /// What lives as long as the descriptor.
    struct Inner {
        let descriptor: any MshvDescriptor
        let registers: VPRegisters
        let message: UnsafeMutableRawBufferPointer
    }

    private(set) var inner: Inner?
    /// The instruction whose exit was returned and that is not finished.
    var pending: PendingIntercept?
    /// An exit that answering another brought, kept for the next `run`.
    var early: VPExit?
    private let message: UnsafeMutableRawBufferPointer

    init(
        _ descriptor: any MshvDescriptor, index: VPIndex, partition: PartitionID, memory: MshvMemory,
        report: @escaping @Sendable (String) -> Void
    ) {
        self.index = index
        self.partition = partition
        self.memory = memory
        self.report = report
        wanted = .allocate(capacity: 1)
        wanted.initialize(to: 0)
        // Sound: the buffer and `wanted` live until `deinit`, when no thread runs this processor any more.
        message = .allocate(byteCount: Int(MSHV_RUN_VP_BUF_SZ), alignment: 8)
        message.initializeMemory(as: UInt8.self, repeating: 0)
        let place = UInt(bitPattern: wanted)
        gate = RunGate(
            prepareThread: { hv_run_kick_prepare_thread() },
            demand: { hv_run_kick_want(UnsafeMutablePointer(bitPattern: place), 1) }, signal: hv_run_kick_signal())
        // Not every kernel, hypervisor and partition shares it (ENODEV); everything works without.
        let page = try? descriptor.mapPage(at: HV_MSHV_VP_MMAP_REGISTERS)
        inner = Inner(
            descriptor: descriptor,
            registers: VPRegisters(descriptor, index, partition, page: page, report: report), message: message)
    }

    deinit {
        message.deallocate()
        wanted.deallocate()
    }

    // MARK: The hot path

    /// Waits while the processor is suspended; a cancelled wait returns `.interrupted`.
    package func run() -> VPExit {
        do throws(HypervisorError) {
            try memory.arm()
        } catch {
            return .failed(error.description)
        }
        while true {
            gate.enter()
            if let exit = step() {
                gate.leave()
                return exit
            }
            gate.leave()
            if let exit = waitUntilAllowed() { return exit }
        }
    }

    /// Finishes what is under way and runs until something has to be told. Inside the gate.
    ///
    /// - Returns: nil where a holder, a suspension or a cancellation wants the processor outside.
    private func step() -> VPExit? {
        while true {
            guard let inner else { return .failed("processor \(index) of partition \(partition) is deleted") }
            if let exit = finishPending(inner) { return exit }
            if control.read({ $0.isCancelled || $0.isSuspended || $0.isRetired }) { return nil }
            hv_run_kick_enter(wanted)
            // The handler is armed before this look: a demand that is not seen here comes as a signal.
            let failure: Errno? = hv_run_kick_is_wanted(wanted) != 0 ? Errno(EINTR) : runOnce(inner)
            hv_run_kick_leave()
            guard let failure else {
                inner.registers.didStop()
                if let exit = take(inner) { return exit }
                continue
            }
            // Without an intercept nobody promises that the page is up to date.
            inner.registers.becomeStale()
            // EAGAIN: the driver wants to be asked again, as after a signal.
            guard failure.code == EINTR || failure.code == EAGAIN else {
                return .failed("processor \(index): MSHV_RUN_VP: \(failure)")
            }
            // First the flag, then (outside) the wish: one that comes between them is seen, a later one sets the flag
            // again.
            hv_run_kick_want(wanted, 0)
            return nil
        }
    }

    private func runOnce(_ inner: Inner) -> Errno? {
        do throws(Errno) {
            _ = try inner.descriptor.ioctl(HV_MSHV_VP_RUN, message.baseAddress)
            return nil
        } catch {
            return error
        }
    }

    /// Waits while the processor is suspended.
    ///
    /// - Returns: nil when it may run.
    private func waitUntilAllowed() -> VPExit? {
        control.wait { [index, partition] control -> VPExit?? in
            if control.isRetired { return .some(.failed("processor \(index) of partition \(partition) is deleted")) }
            if control.isCancelled {
                control.isCancelled = false
                return .some(.interrupted)
            }
            return control.isSuspended ? .none : .some(nil)
        }
    }

    package func cancelRun() {
        control.withLock { $0.isCancelled = true }
        gate.kick()
    }

    package func completeRead(_ value: UInt64) { answer { vp, inner in vp.completeRead(value, inner) } }

    package func completeCPUID(_ result: CPUIDRegisters) { answer { vp, inner in vp.completeCPUID(result, inner) } }

    package func failAccess() { answer { vp, inner in vp.failAccess(inner) } }

    private func answer(_ body: (MshvVP, Inner) -> Void) {
        gate.enter()
        if let inner { body(self, inner) }
        gate.leave()
    }

    // MARK: The hypervisor's side

    /// Stands the processor still and calls `body` with what it has.
    ///
    /// - Throws: `invalidVpIndex` where it is deleted.
    func standingStill<Result>(
        _ body: (Inner) throws(HypercallStatus) -> Result
    ) throws(HypercallStatus) -> Result {
        try holding.withLock { _ throws(HypercallStatus) -> Carried<Result> in
            gate.beginHold()
            gate.waitUntilOutside()
            defer { gate.release() }
            guard let inner else { throw HypercallStatus.invalidVpIndex }
            return Carried(value: try body(inner))
        }.value
    }

    /// When a suspension returns the processor executes nothing.
    var isSuspended: Bool {
        get { control.read { $0.isSuspended } }
        set {
            control.withLock { $0.isSuspended = newValue }
            // Whoever is let in after this hold sees the flag.
            if newValue { _ = try? standingStill { _ in } }
        }
    }

    /// Ends the processor: when it returns, nobody is in the driver for it and nobody will go there.
    func retire() {
        control.withLock { $0.isRetired = true }
        holding.withLock { _ in
            gate.beginHold()
            gate.waitUntilOutside()
            // The page goes first with it: as long as one of them is there, so is the partition.
            inner = nil
            gate.release()
        }
    }
}

/// Carries a value out of a lock's closure.
private struct Carried<Value>: @unchecked Sendable {
    // Unchecked: it goes from one frame of a thread to the next and nowhere else.
    let value: Value
}
