import CMshv
import Glibc
import HypercallABI
import HypercallCore
import Hypervisor
import LinuxSystem
import Synchronization

/// The hypervisor below Linux's driver, as a port for hypercalls: what the driver owns becomes its ioctls, what it
/// passes through goes through, and what it keeps to itself is answered here.
///
/// The driver tells nobody a partition's id. So ids here are the port's own: the lowest free one from the first on,
/// which keeps a machine's id across resets.
final class MshvPort: HypercallPort {
    private struct Registry {
        var partitions: [PartitionID: MshvPartition] = [:]
        var nextID: UInt64
        /// What was deposited to the root, see `MshvPartition.deposit`.
        var ledger = DepositLedger()
    }

    private let device: any MshvDescriptor
    private let report: @Sendable (String) -> Void
    private let registry: Mutex<Registry>

    init(device: any MshvDescriptor, firstPartitionID: PartitionID, report: @escaping @Sendable (String) -> Void) {
        self.device = device
        self.report = report
        // 0 is no partition, and the last one names the caller.
        registry = Mutex(Registry(nextID: min(max(1, firstPartitionID.rawValue), UInt64.max >> 1)))
    }

    func partition(_ id: PartitionID) throws(HypercallStatus) -> MshvPartition {
        guard let partition = registry.withLock({ $0.partitions[id] }) else {
            throw HypercallStatus.invalidPartitionId
        }
        return partition
    }

    func execute(
        _ control: ControlWord, input: UnsafeRawBufferPointer, output: UnsafeMutableRawBufferPointer
    ) -> ResultWord {
        guard let definition = CallCatalogue.definition(of: control.code) else {
            return ResultWord(.invalidHypercallCode)
        }
        let form = definition.form
        do throws(HypercallStatus) {
            try form.check(control, inputCount: input.count, outputCount: output.count)
            let call = PortCall(control: control, form: form, input: input, output: output)
            let target = PartitionID(rawValue: try ByteReader(input).read(UInt64.self, at: 0))
            switch control.code {
            case .createPartition:
                try createPartition(call)
                return ResultWord(.success)
            case .deletePartition:
                try deletePartition(target)
                return ResultWord(.success)
            case .depositMemory where target == .own:
                return registry.withLock { $0.ledger.deposit(call) }
            case .withdrawMemory where target == .own:
                return registry.withLock { $0.ledger.withdraw(call) }
            default: break
            }
            guard target != .own else {
                guard definition.mshv == .rootHvcall else { throw HypercallStatus.invalidPartitionId }
                // On the device's own descriptor the driver puts in the root's id. The first generation has no such
                // request (ENOTTY).
                return RootHypercall(descriptor: device, report: report)
                    .execute(control, form: form, input: input, output: output)
            }
            return try partition(target).execute(call, support: definition.mshv)
        } catch {
            return ResultWord(error, repsCompleted: form.repetition == nil ? 0 : control.repStart)
        }
    }

    // MARK: Partitions

    private func createPartition(_ call: PortCall) throws(HypercallStatus) {
        let input = try CreatePartitionInput(decoding: ByteReader(call.input))
        guard PartitionCreationFlags.known.isSuperset(of: input.flags) else { throw HypercallStatus.invalidParameter }
        guard input.isolation == .none else { throw HypercallStatus.featureUnavailable }
        let descriptor = try makePartition(input)
        let id = registry.withLock { registry in
            while registry.partitions[PartitionID(rawValue: registry.nextID)] != nil { registry.nextID += 1 }
            let id = PartitionID(rawValue: registry.nextID)
            registry.partitions[id] = MshvPartition(id, descriptor, report: report)
            return id
        }
        try PartitionIDField(id).encode(into: ByteWriter(call.output))
    }

    private func makePartition(_ input: CreatePartitionInput) throws(HypercallStatus) -> any MshvDescriptor {
        // The driver makes exo partitions with intercept message pages and nothing else. Large pages are not asked for
        // by a flag of the caller's but by how it maps; the hypervisor wants to know before.
        var arguments = mshv_create_partition_v2()
        arguments.pt_flags = HV_MSHV_PT_GPA_SUPER_PAGES
        if input.flags.contains(.lapicEnabled) { arguments.pt_flags |= HV_MSHV_PT_LAPIC }
        if input.flags.contains(.x2apicCapable) { arguments.pt_flags |= HV_MSHV_PT_X2APIC }
        if input.flags.contains(.nestedVirtualizationCapable) {
            arguments.pt_flags |= HV_MSHV_PT_NESTED_VIRTUALIZATION
        }
        if input.flags.contains(.smtEnabledGuest) { arguments.pt_flags |= HV_MSHV_PT_SMT_ENABLED_GUEST }
        arguments.pt_isolation = UInt64(MSHV_PT_ISOLATION_NONE)
        let takesAway = input.disabledFeatures0 | input.disabledFeatures1 | input.disabledXsaveFeatures != 0
        if takesAway {
            // Only the later generation reads what follows the first 16 bytes; the other refuses the flag.
            arguments.pt_flags |= HV_MSHV_PT_CPU_AND_XSAVE_FEATURES
            arguments.pt_num_cpu_fbanks = UInt16(MSHV_NUM_CPU_FEATURES_BANKS)
            arguments.pt_cpu_fbanks = (input.disabledFeatures0, input.disabledFeatures1)
            arguments.pt_disabled_xsave = input.disabledXsaveFeatures
        }
        do throws(Errno) {
            return device.adopt(try device.call(HV_MSHV_DEVICE_CREATE_PARTITION, &arguments))
        } catch {
            report("creating a partition: the driver says \(error)")
            if takesAway, error.code == EINVAL {
                report("the driver's first generation can't take processor features away from a guest")
                throw HypercallStatus.featureUnavailable
            }
            throw HypercallStatus(driver: error)
        }
    }

    private func deletePartition(_ id: PartitionID) throws(HypercallStatus) {
        try partition(id).delete()
        registry.withLock { registry in
            _ = registry.partitions.removeValue(forKey: id)
            registry.nextID = min(registry.nextID, id.rawValue)
        }
    }
}

/// A call whose control word and sizes fit its form.
struct PortCall {
    let control: ControlWord
    let form: CallForm
    let input: UnsafeRawBufferPointer
    let output: UnsafeMutableRawBufferPointer

    /// The repetitions that are still to do.
    var range: Range<Int> { control.repStart..<max(control.repStart, control.repCount) }

    /// How a repeat call ends that did `completed` of `range`.
    func result(_ status: HypercallStatus, completed: Int) -> ResultWord {
        ResultWord(status, repsCompleted: control.repStart + completed)
    }
}

/// Pages that were given with deposits. The driver deposits by itself, pages of its own; the caller's are only kept on
/// record, and given back when they are withdrawn, so that the caller's books stay right.
struct DepositLedger {
    private var pages: [UInt64] = []

    mutating func deposit(_ call: PortCall) -> ResultWord {
        let reader = ByteReader(call.input)
        for (done, index) in call.range.enumerated() {
            guard let page = try? reader.read(UInt64.self, at: DepositMemoryInput.size + 8 * index) else {
                return call.result(.invalidHypercallInput, completed: done)
            }
            pages.append(page)
        }
        return call.result(.success, completed: call.range.count)
    }

    mutating func withdraw(_ call: PortCall) -> ResultWord {
        let writer = ByteWriter(call.output)
        for (done, index) in call.range.enumerated() {
            guard let page = pages.last, (try? writer.write(page, at: 8 * index)) != nil else {
                return call.result(.noResources, completed: done)
            }
            pages.removeLast()
        }
        return call.result(.success, completed: call.range.count)
    }
}
