import CMshv
import EmbeddedHypervisor
import Glibc
import HypercallABI
import HypercallCore
import Hypervisor
import InstructionEmulator
import LinuxSystem
import Synchronization

/// A processor of the embedded hypervisor as the root sees it: each exit is a message, and the instruction that caused
/// it is the root's to emulate.
package final class EngineProcessor: EmulatedProcessor {
    private let hypervisor: EmbeddedHypervisor
    private let client: HypercallClient
    private let partition: PartitionID
    private let index: VPIndex
    private let processor: any VirtualProcessor
    private let pages: ProcessorPages
    private let notifications: any GuestNotifications
    private let halts: HaltWatch
    private let report: @Sendable (String) -> Void
    private let isRetired = Atomic<Bool>(false)
    /// The clock of the processor time of the thread in `run`; 0: none is there.
    private let threadClock = Atomic<Int32>(0)
    /// It halted with interrupts disabled: the run under way is to end with that.
    private let hasHalted = Atomic<Bool>(false)
    /// Held while the message page is written.
    private let use = Mutex(())

    /// - Parameters:
    ///   - halts: finds out when the processor halts for good.
    ///   - report: is given a line for each thing that the engine could not do.
    package init(
        _ hypervisor: EmbeddedHypervisor, _ partition: PartitionID, _ index: VPIndex, _ pages: ProcessorPages,
        _ notifications: any GuestNotifications, _ halts: HaltWatch, report: @escaping @Sendable (String) -> Void
    ) throws(HypercallStatus) {
        self.hypervisor = hypervisor
        client = HypercallClient(hypervisor.port)
        self.partition = partition
        self.index = index
        self.pages = pages
        self.notifications = notifications
        self.halts = halts
        self.report = report
        processor = try hypervisor.hotPath(of: partition).virtualProcessor(index)
        processor.returnAtSignals()
        do throws(Errno) {
            try halts.add(self)
        } catch {
            report("processor \(index): no thread to find its halt: \(error)")
            throw HypercallStatus.insufficientMemory
        }
        do throws(HypercallFailure) {
            // As the hypervisor makes them: the driver's first run takes it away.
            try client.setRegisters([RegisterAssociation(.explicitSuspend, 1)], of: index, in: partition)
            registerPage.show(try snapshot())
        } catch {
            throw error.status
        }
    }

    package func retire() {
        halts.remove(self)
        isRetired.store(true, ordering: .sequentiallyConsistent)
        processor.cancelRun()
        // A message that is being written is done then.
        use.withLock { _ in }
    }

    // MARK: Running

    package func run(into message: UnsafeMutableRawBufferPointer) -> Int32 {
        var clock: clockid_t = 0
        if pthread_getcpuclockid(pthread_self(), &clock) == 0 {
            threadClock.store(clock, ordering: .sequentiallyConsistent)
        }
        defer { threadClock.store(0, ordering: .sequentiallyConsistent) }
        do throws(HypercallFailure) {
            let suspension = RegisterAssociation(.explicitSuspend, 0)
            try client.setRegisters(registerPage.takeChanges() + [suspension], of: index, in: partition)
        } catch {
            report("processor \(index): what was changed on its page of registers: \(error)")
            return EIO
        }
        // Only a `retire` under way could take the page away meanwhile, and it waits for this lock.
        let isGone = use.withLock { _ in
            if isRetired.load(ordering: .sequentiallyConsistent) { return true }
            registerPage.hide()
            return false
        }
        if isGone { return EIO }
        while !isRetired.load(ordering: .sequentiallyConsistent) {
            let content: InterceptMessage?
            do throws(HypercallFailure) {
                content = try self.message(for: processor.run())
            } catch {
                report("processor \(index): \(error)")
                return EIO
            }
            switch content {
            case nil: continue
            case .some(.none):
                registersChanged()
                return EINTR
            case .some(.invalidVPRegister): return EIO
            case .some(let content): return deliver(content, into: message)
            }
        }
        return EIO
    }

    private func deliver(_ content: InterceptMessage, into message: UnsafeMutableRawBufferPointer) -> Int32 {
        guard (try? HypervisorMessage(content).encode(into: message)) != nil else {
            report("processor \(index): a message that can't be written: \(content)")
            return EIO
        }
        registersChanged()
        return use.withLock { _ in
            if isRetired.load(ordering: .sequentiallyConsistent) { return EIO }
            // Sound: both are of this size at least, and the page is there until `retire` has returned.
            pages.message.copyMemory(from: UnsafeRawPointer(message.baseAddress ?? pages.message), byteCount: 256)
            return 0
        }
    }

    /// The message for an exit.
    ///
    /// - Returns: nil where the guest goes on; `.none` for an interruption; `invalidVPRegister` where the engine failed.
    private func message(for exit: VPExit) throws(HypercallFailure) -> InterceptMessage? {
        switch exit {
        case .interrupted:
            guard hasHalted.exchange(false, ordering: .sequentiallyConsistent) else { return InterceptMessage.none }
            // An NMI or INIT may have come since.
            return try isHaltedForGood() ? haltMessage() : nil
        case .portRead(let port, let size): return try portMessage(port, size, written: nil)
        case .portWrite(let port, let size, let value): return try portMessage(port, size, written: value)
        case .mmioRead(let gpa, _):
            processor.abandonExit()
            return .unmappedGPA(try memoryMessage(gpa, .read, try snapshot()))
        case .mmioWrite(let gpa, let size, let value): return try writeMessage(gpa, size, value)
        case .apicEOI(let vector):
            if notifications.acknowledge(vector: vector) { return nil }
            return .apicEOI(APICEOI(vp: index, vector: UInt32(vector)))
        case .halt: return try haltMessage()
        case .unrecoverableException:
            return .unrecoverableException(BareIntercept(header: try snapshot().header(index, access: .execute)))
        case .msrRead, .msrWrite, .cpuid, .exception, .hypercall:
            report("processor \(index): the exit \(exit.reason.label), which the engine never makes")
            return .invalidVPRegister(InvalidVPRegister(vp: index))
        case .failed(let reason):
            report(reason)
            return .invalidVPRegister(InvalidVPRegister(vp: index))
        }
    }

    private func haltMessage() throws(HypercallFailure) -> InterceptMessage {
        .halt(BareIntercept(header: try snapshot().header(index, access: .execute)))
    }

    private func snapshot() throws(HypercallFailure) -> ProcessorSnapshot {
        try ProcessorSnapshot(client, partition, index)
    }

    private var space: HypercallAddressSpace { HypercallAddressSpace(client: client, partition: partition, vp: index) }

    // MARK: Halts

    /// The processor time, in nanoseconds, that the thread in `run` has used; nil: none is there.
    var threadTime: UInt64? {
        let clock = threadClock.load(ordering: .sequentiallyConsistent)
        var time = timespec()
        guard clock != 0, clock_gettime(clock, &time) == 0 else { return nil }
        return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
    }

    /// Ends the run under way with a message where the processor has halted with interrupts disabled.
    func lookForHalt() {
        guard (try? isHaltedForGood()) == true else { return }
        hasHalted.store(true, ordering: .sequentiallyConsistent)
        processor.cancelRun()
    }

    private func isHaltedForGood() throws(HypercallFailure) -> Bool {
        let halted: UInt64 = 2
        let interruptFlag: UInt64 = 1 << 9
        let values = try client.registers([.internalActivityState, .rflags], of: index, in: partition)
        return values.count == 2 && values[0].low == halted && values[1].low & interruptFlag == 0
    }

    // MARK: Ports

    private func portMessage(
        _ port: UInt16, _ size: UInt8, written: UInt32?
    ) throws(HypercallFailure) -> InterceptMessage {
        processor.abandonExit()
        let snapshot = try snapshot()
        var space = space
        let code = space.code(at: snapshot.codeAddress, count: 16)
        let state = snapshot.state
        let found = PortInstruction(code, isLongMode: snapshot.isLongMode)
        guard let found, found.isWrite == (written != nil), !(found.isString && found.isWrite) else {
            // KVM is done with an OUT when it tells of it, and with an element of OUTS: the processor stands behind it.
            // It is put one byte back and the access is told as an OUT of one byte of code, so that who finishes it
            // puts it where it stood.
            let before = state.rip &- 1
            try client.setRegisters([RegisterAssociation(.rip, before)], of: index, in: partition)
            let mask: UInt64 = size == 4 ? 0xFFFF_FFFF : (1 << (8 * UInt64(size))) - 1
            return .ioPort(
                IOPortIntercept(
                    header: snapshot.header(index, access: .write, instructionLength: 1, rip: before),
                    port: port, accessSize: size, rax: state.general[0] & ~mask | UInt64(written ?? 0) & mask,
                    instruction: InstructionBytes([size == 1 ? 0xEE : 0xEF])))
        }
        return .ioPort(
            IOPortIntercept(
                header: snapshot.header(
                    index, access: found.isWrite ? .write : .read, instructionLength: found.length),
                port: port, accessSize: size, rax: state.general[0], isString: found.isString,
                isRepeated: found.isRepeated, instruction: InstructionBytes(code), ds: state.ds, es: state.es,
                rcx: state.general[1], rsi: state.general[6], rdi: state.general[7]))
    }

    // MARK: Memory

    private func memoryMessage(
        _ gpa: UInt64, _ access: InterceptAccessType, _ snapshot: ProcessorSnapshot
    ) throws(HypercallFailure) -> MemoryIntercept {
        var space = space
        return MemoryIntercept(
            header: snapshot.header(index, access: access), gpa: gpa,
            instruction: InstructionBytes(space.code(at: snapshot.codeAddress, count: 16)))
    }

    /// The engine tells of a write when the instruction is done: its beginning is looked for, and the processor put
    /// back there.
    private func writeMessage(
        _ gpa: UInt64, _ size: UInt8, _ value: UInt64
    ) throws(HypercallFailure) -> InterceptMessage? {
        if notifications.doorbell(gpa: gpa, size: Int(size), value: value) { return nil }
        processor.abandonExit()
        var snapshot = try snapshot()
        var space = space
        let most: UInt64 = 15
        let end = snapshot.codeAddress
        var code: [UInt8] = []
        for back in stride(from: min(most, end), to: 0, by: -1) where code.isEmpty {
            // Less where the page before is not there.
            let bytes = space.code(at: end - back, count: Int(back))
            if bytes.count == Int(back) { code = bytes }
        }
        let store = StoreFinder.Store(gpa: gpa, size: size, value: value)
        guard
            let found = StoreFinder.instructionBefore(
                code: code, state: snapshot.state, store: store, memory: &space)
        else {
            report(
                "processor \(index): no instruction before 0x\(String(end, radix: 16)) writes \(size) bytes to "
                    + "0x\(String(gpa, radix: 16))")
            return .invalidVPRegister(InvalidVPRegister(vp: index))
        }
        try snapshot.goBack(to: found.before, client, partition, index)
        return .unmappedGPA(try memoryMessage(gpa, .write, snapshot))
    }

    // MARK: The page of registers

    private var registerPage: RegisterPageWriter { RegisterPageWriter(page: pages.registers) }

    package func takeChanges() -> Int32 {
        let changes = use.withLock { _ in
            isRetired.load(ordering: .sequentiallyConsistent) ? [] : registerPage.takeChanges()
        }
        if changes.isEmpty { return 0 }
        do throws(HypercallFailure) {
            try client.setRegisters(changes, of: index, in: partition)
            return 0
        } catch {
            return EIO
        }
    }

    package func registersChanged() {
        guard let snapshot = try? snapshot() else { return }
        use.withLock { _ in
            if !isRetired.load(ordering: .sequentiallyConsistent) { registerPage.show(snapshot) }
        }
    }

    // MARK: State

    package func getState(type: UInt8, into buffer: UnsafeMutableRawBufferPointer) -> (errno: Int32, needed: Int) {
        VPStateTransfer(hypervisor, client, partition, index).get(type, into: buffer)
    }

    package func setState(type: UInt8, from bytes: UnsafeRawBufferPointer) -> Int32 {
        VPStateTransfer(hypervisor, client, partition, index).set(type, from: bytes)
    }
}
