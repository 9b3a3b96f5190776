import HypercallABI
import HypercallCore
import InstructionEmulator

/// A processor's registers while it stands still: in the shared page where the driver has one, else by hypercalls.
///
/// Confined to whoever is inside the processor's gate or holds it.
final class VPRegisters {
    private let client: HypercallClient
    private let index: VPIndex
    private let partition: PartitionID
    private let page: RegisterPage?
    /// Whether a hypercall changed registers since the page was filled.
    private var isStale = true

    init(
        _ descriptor: any MshvDescriptor, _ index: VPIndex, _ partition: PartitionID, page: (any MshvPage)?,
        report: @escaping @Sendable (String) -> Void
    ) {
        client = HypercallClient(DescriptorPort(calls: RootHypercall(descriptor: descriptor, report: report)))
        self.index = index
        self.partition = partition
        self.page = page.map { RegisterPage(page: $0) }
    }

    /// The processor stopped with an intercept: the page is as it is.
    func didStop() { isStale = false }

    /// The page does not show the registers from here to the next intercept.
    func becomeStale() { isStale = true }

    /// Brings what was changed in the page to the hypervisor, before registers are read or set by calls.
    func flush() throws(HypercallFailure) {
        guard let page, !page.changed.isEmpty else { return }
        try client.setRegisters(page.changedRegisters, of: index, in: partition)
        page.changed = []
    }

    func set(_ registers: [RegisterAssociation]) throws(HypercallFailure) {
        guard !registers.isEmpty else { return }
        if let page, !isStale, page.isValid, registers.allSatisfy({ RegisterPage.has($0.name) }) {
            for register in registers { _ = page.set(register) }
            return
        }
        try flush()
        isStale = true
        try client.setRegisters(registers, of: index, in: partition)
    }

    func get(_ names: [RegisterName]) throws(HypercallFailure) -> [RegisterValue] {
        try flush()
        return try client.registers(names, of: index, in: partition)
    }

    /// What an instruction sees of the processor.
    ///
    /// - Parameter withVectors: whether XMM6 to XMM15 matter, which the page does not have; they are zero otherwise.
    func state(withVectors: Bool) throws(HypercallFailure) -> GuestState {
        if let page, !isStale, page.isValid {
            var xmm = (0..<RegisterPage.xmmCount).map { page.xmm($0) }
            if withVectors {
                xmm += try get((RegisterPage.xmmCount..<16).map { RegisterName.xmm($0) })
            } else {
                xmm += [RegisterValue](repeating: RegisterValue(0), count: 16 - RegisterPage.xmmCount)
            }
            return GuestState(
                general: (0..<16).map { page.general($0) }, rip: page.rip, rflags: page.rflags, cs: page.segment(1),
                ds: page.segment(3), es: page.segment(0), fs: page.segment(4), gs: page.segment(5),
                ss: page.segment(2), cr0: page.cr0, cr4: page.cr4, efer: page.efer, xmm: xmm)
        }
        let values = try get(Self.stateNames + (withVectors ? (0..<16).map { RegisterName.xmm($0) } : []))
        guard values.count >= Self.stateNames.count else {
            throw HypercallFailure(code: .getVpRegisters, status: .operationFailed, repsCompleted: values.count)
        }
        let segments = values[18..<24].map(\.segment)
        let xmm = Array(values[27...])
        return GuestState(
            general: values[..<16].map(\.low), rip: values[16].low, rflags: values[17].low, cs: segments[1],
            ds: segments[3], es: segments[0], fs: segments[4], gs: segments[5], ss: segments[2], cr0: values[24].low,
            cr4: values[25].low, efer: values[26].low,
            xmm: xmm.count == 16 ? xmm : [RegisterValue](repeating: RegisterValue(0), count: 16))
    }

    private static let stateNames: [RegisterName] =
        (0..<16).map { .general($0) } + [.rip, .rflags] + RegisterPage.segmentNames + [.cr0, .cr4, .efer]

    /// The registers that differ from one state to the other.
    static func changes(from old: GuestState, to new: GuestState) -> [RegisterAssociation] {
        var changes: [RegisterAssociation] = []
        for (number, pair) in zip(old.general, new.general).enumerated() where pair.0 != pair.1 {
            changes.append(RegisterAssociation(.general(number), pair.1))
        }
        if old.rip != new.rip { changes.append(RegisterAssociation(.rip, new.rip)) }
        if old.rflags != new.rflags { changes.append(RegisterAssociation(.rflags, new.rflags)) }
        let segments: [(RegisterName, KeyPath<GuestState, SegmentRegister>)] = [
            (.es, \.es), (.cs, \.cs), (.ss, \.ss), (.ds, \.ds), (.fs, \.fs), (.gs, \.gs),
        ]
        for (name, path) in segments where old[keyPath: path] != new[keyPath: path] {
            changes.append(RegisterAssociation(name, RegisterValue(new[keyPath: path])))
        }
        for (number, pair) in zip(old.xmm, new.xmm).enumerated() where pair.0 != pair.1 {
            changes.append(RegisterAssociation(.xmm(number), pair.1))
        }
        return changes
    }

    /// Raises an exception in the guest at its next instruction (HV_X64_PENDING_EXCEPTION_EVENT).
    ///
    /// - Parameter parameter: CR2 of a page fault, the bits for DR6 of a debug exception.
    func raise(vector: UInt8, errorCode: UInt32?, parameter: UInt64 = 0) throws(HypercallFailure) {
        let isPending: UInt64 = 1
        let low =
            isPending | (errorCode == nil ? 0 : 1 << 8) | UInt64(vector) << 16 | UInt64(errorCode ?? 0) << 32
        try set([RegisterAssociation(.pendingEvent0, RegisterValue(low: low, high: parameter))])
    }

    /// Ends the shadow that STI and MOV SS leave, because the instruction under it is done.
    func endInterruptShadow() throws(HypercallFailure) {
        let state = try get([.interruptState]).first?.low ?? 0
        if state & 1 != 0 { try set([RegisterAssociation(.interruptState, state & ~1)]) }
    }
}
