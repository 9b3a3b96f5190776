import CMshv
import Glibc
import HypercallABI
import HypercallCore
import Hypervisor
import LinuxSystem
import Synchronization

/// A partition of the Microsoft hypervisor, by its descriptor of Linux's driver.
///
/// Beside the hot path it has what device models need: eventfds that are interrupts (irqfd) and doorbells (ioeventfd),
/// and the log of touched pages.
package final class MshvPartition: PartitionHotPath {
    package let id: PartitionID
    let descriptor: any MshvDescriptor
    let memory: MshvMemory
    let interrupts = Mutex(InterruptRoutes())
    let report: @Sendable (String) -> Void
    private let state = Mutex(State())

    private enum Life { case created, active, ended }

    private struct State {
        var life = Life.created
        var processors: [VPIndex: MshvVP] = [:]
        /// The driver keeps a processor for as long as its partition: an index is never free again.
        var deletedProcessors: Set<VPIndex> = []
        var properties: Set<PartitionProperty> = []
        var ledger = DepositLedger()
    }

    init(_ id: PartitionID, _ descriptor: any MshvDescriptor, report: @escaping @Sendable (String) -> Void) {
        self.id = id
        self.descriptor = descriptor
        self.report = { report("partition \(id): \($0)") }
        memory = MshvMemory(descriptor)
    }

    // MARK: Hypercalls

    func execute(_ call: PortCall, support: MshvSupport) throws(HypercallStatus) -> ResultWord {
        switch call.control.code {
        case .initializePartition: try initialize()
        case .finalizePartition: try finalize()
        case .createVp: try createVP(try CreateVPInput(decoding: ByteReader(call.input)))
        case .deleteVp: try deleteVP(try DeleteVPInput(decoding: ByteReader(call.input)).index)
        case .depositMemory: return state.withLock { $0.ledger.deposit(call) }
        case .withdrawMemory: return try withdraw(call)
        case .mapGpaPages: return try map(call)
        case .unmapGpaPages: return try unmap(call)
        case .getVpRegisters, .setVpRegisters: return try registers(call)
        case .getVpState, .setVpState: return try vpState(call)
        default:
            switch support {
            case .rootHvcall: return try passThrough(call)
            case .ioctl: throw HypercallStatus.featureUnavailable
            // The driver makes it by itself and offers it to nobody.
            case .driverOnly: throw HypercallStatus.accessDenied
            case .none: throw HypercallStatus.invalidHypercallCode
            }
        }
        return ResultWord(.success)
    }

    /// Everything on the partition's descriptor: the driver holds a processor's lock for as long as that runs, so that
    /// a call on the processor's descriptor would wait for the guest.
    func passThrough(_ call: PortCall) throws(HypercallStatus) -> ResultWord {
        try requireNotEnded()
        let result = RootHypercall(descriptor: descriptor, report: report)
            .execute(call.control, form: call.form, input: call.input, output: call.output)
        if call.control.code == .setPartitionProperty, result.status == .success,
            let input = try? SetPartitionPropertyInput(decoding: ByteReader(call.input))
        {
            state.withLock { _ = $0.properties.insert(input.property) }
        }
        return result
    }

    // MARK: Life

    private func initialize() throws(HypercallStatus) {
        try state.withLock { state throws(HypercallStatus) in
            guard state.life == .created else { throw HypercallStatus.invalidPartitionState }
            setDefaults(except: state.properties)
            do throws(Errno) {
                try descriptor.call(HV_MSHV_PARTITION_INITIALIZE)
            } catch {
                report("initializing it: the driver says \(error)")
                throw HypercallStatus(driver: error)
            }
            state.life = .active
        }
    }

    /// What a guest needs that the manager does not ask for because the other engines just have it: a clock and timers
    /// (the machine model has no PIT, HPET or PM timer), and MSRs without meaning that read zero instead of faulting.
    private func setDefaults(except chosen: Set<PartitionProperty>) {
        let client = HypercallClient(DescriptorPort(calls: RootHypercall(descriptor: descriptor, report: report)))
        // Older hypervisors, and drivers that do not pass the question on, do not say what can be given.
        let assignable = try? client.bankedProperty(.assignableSyntheticProcFeatures, of: id)[0]
        let defaults: [(PartitionProperty, UInt64)] = [
            (.syntheticProcFeatures, SyntheticFeatures.standard & (assignable ?? .max)), (.unimplementedMsrAction, 1),
        ]
        for (property, value) in defaults where !chosen.contains(property) {
            do throws(HypercallFailure) {
                try client.setPartitionProperty(property, of: id, to: value)
            } catch {
                // A hypervisor without one of them: the guest sees less, and that may be enough for it.
                report("setting \(property) to 0x\(hex(value)): \(error)")
            }
        }
    }

    /// Ends the partition as far as this process can: the driver finalizes it when the last descriptor is closed.
    private func finalize() throws(HypercallStatus) {
        let processors = try state.withLock { state throws(HypercallStatus) in
            guard state.life == .active else { throw HypercallStatus.invalidPartitionState }
            state.life = .ended
            defer { state.processors = [:] }
            return Array(state.processors.values)
        }
        for processor in processors { processor.retire() }
        memory.close()
    }

    /// - Throws: `invalidPartitionState` while it is active.
    func delete() throws(HypercallStatus) {
        try state.withLock { state throws(HypercallStatus) in
            if state.life == .active { throw HypercallStatus.invalidPartitionState }
            state.life = .ended
        }
    }

    private func withdraw(_ call: PortCall) throws(HypercallStatus) -> ResultWord {
        state.withLock { state in
            // An active partition uses what it was given.
            state.life == .active ? call.result(.noResources, completed: 0) : state.ledger.withdraw(call)
        }
    }

    func requireActive() throws(HypercallStatus) {
        try state.withLock { state throws(HypercallStatus) in
            guard state.life == .active else { throw HypercallStatus.invalidPartitionState }
        }
    }

    private func requireNotEnded() throws(HypercallStatus) {
        try state.withLock { state throws(HypercallStatus) in
            guard state.life != .ended else { throw HypercallStatus.invalidPartitionState }
        }
    }

    // MARK: Processors

    private func createVP(_ input: CreateVPInput) throws(HypercallStatus) {
        try requireActive()
        // Guest memory that the driver can't take is told now and not by a processor that can't run.
        do throws(HypervisorError) {
            try memory.arm()
        } catch {
            report("\(error)")
            throw HypercallStatus.operationFailed
        }
        try state.withLock { state throws(HypercallStatus) in
            guard input.index < UInt32(MSHV_MAX_VPS), state.processors[input.index] == nil,
                !state.deletedProcessors.contains(input.index)
            else { throw HypercallStatus.invalidVpIndex }
            var arguments = mshv_create_vp()
            arguments.vp_index = input.index
            do throws(Errno) {
                let vp = descriptor.adopt(try descriptor.call(HV_MSHV_PARTITION_CREATE_VP, &arguments))
                let processor = MshvVP(vp, index: input.index, partition: id, memory: memory, report: report)
                state.processors[input.index] = processor
                memory.add(processor.gate)
            } catch {
                report("creating processor \(input.index): the driver says \(error)")
                throw error.code == EEXIST ? .invalidVpIndex : HypercallStatus(driver: error)
            }
        }
    }

    private func deleteVP(_ index: VPIndex) throws(HypercallStatus) {
        let processor = try state.withLock { state throws(HypercallStatus) in
            guard state.life == .active else { throw HypercallStatus.invalidPartitionState }
            guard let processor = state.processors.removeValue(forKey: index) else {
                throw HypercallStatus.invalidVpIndex
            }
            state.deletedProcessors.insert(index)
            return processor
        }
        // The driver has no such call: closing the descriptor is all there is. Without it nobody can run it.
        processor.retire()
        memory.remove(processor.gate)
    }

    /// - Throws: `invalidPartitionState`, `invalidVpIndex`.
    func processor(_ index: VPIndex) throws(HypercallStatus) -> MshvVP {
        try state.withLock { state throws(HypercallStatus) in
            guard state.life == .active else { throw HypercallStatus.invalidPartitionState }
            guard let processor = state.processors[index] else { throw HypercallStatus.invalidVpIndex }
            return processor
        }
    }

    package func virtualProcessor(_ index: VPIndex) throws(HypercallStatus) -> any VirtualProcessor {
        try processor(index)
    }

    /// A processor with what only this port has: its state in the driver's formats.
    package func mshvProcessor(_ index: VPIndex) throws(HypercallStatus) -> MshvVP { try processor(index) }
}

/// Bits of HV_PARTITION_PROPERTY_SYNTHETIC_PROC_FEATURES.
enum SyntheticFeatures {
    /// The hypervisor's presence and interface (0, 1), reference counter (3), SynIC (4), timers (5), APIC MSRs (6),
    /// hypercalls (7), VP index (8), reference TSC (9), guest idle (10), frequencies (11), direct timers (22), TLB
    /// flushes (25), IPIs (26).
    static let standard: UInt64 = [0, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 22, 25, 26].reduce(0) { $0 | 1 << UInt64($1) }
}
