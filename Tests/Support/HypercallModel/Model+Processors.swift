import HypercallABI
import HypercallCore

/// Virtual processors (TLFS, "Virtual Processor Management"); their registers stand in a file of their own.
extension Model {
    static let processorForms: [UInt16: ModelForm] = [
        CallCode.createVp.rawValue: ModelForm(input: 40),
        CallCode.deleteVp.rawValue: ModelForm(input: 16),
        CallCode.getVpRegisters.rawValue: ModelForm(input: 16, repetition: (4, 16)),
        CallCode.setVpRegisters.rawValue: ModelForm(input: 16, repetition: (32, 0)),
    ]

    mutating func processorCall(_ call: ModelCall, _ answer: ModelAnswer) -> Expectation? {
        switch call.control.code {
        case .createVp: return createVP(call)
        case .deleteVp: return deleteVP(call)
        case .getVpRegisters: return registers(call, answer)
        case .setVpRegisters:
            let expected = setRegisters(call)
            // What a message waits for may be so now: room by EOM, or a SynIC that is switched on.
            let set = (call.control.repStart..<max(call.control.repStart, expected.completed))
                .map { call.word32(16 + 32 * $0) }
            if set.contains(where: { $0 <= 0xA000F && $0 >= 0xA0000 || [0xA0010, 0xA0013, 0xA0014].contains($0) }) {
                deliverWaiting(call.word64(0), call.word32(8))
            }
            return expected
        default: return nil
        }
    }

    private mutating func createVP(_ call: ModelCall) -> Expectation {
        let id = call.word64(0)
        let index = call.word32(8)
        var wrong: Set<HypercallStatus> = []
        if call.byte(15) > 3 { wrong.insert(.invalidParameter) }
        if Self.isProximityWrong(call.word32(28)) { wrong.insert(.invalidProximityDomainInfo) }
        if call.word64(32) != 0 { wrong.insert(.invalidParameter) }
        guard let partition = partitions[id] else { return .refused(wrong.union([.invalidPartitionId])) }
        if partition.life != .active { wrong.insert(.invalidPartitionState) }
        // An index is used once in a partition's life.
        if index >= configuration.vpCount || partition.processors[index] != nil
            || partition.deletedProcessors.contains(index)
        {
            wrong.insert(.invalidVpIndex)
        }
        if partition.free < 80 { wrong.insert(.insufficientMemory) }
        if !wrong.isEmpty { return .refused(wrong) }
        partitions[id]?.processors[index] = Processor()
        return .success()
    }

    private mutating func deleteVP(_ call: ModelCall) -> Expectation {
        let id = call.word64(0)
        let index = call.word32(8)
        var wrong: Set<HypercallStatus> = []
        if call.word32(12) != 0 { wrong.insert(.invalidParameter) }
        wrong.formUnion(processorIsWrong(id, index))
        if !wrong.isEmpty { return .refused(wrong) }
        partitions[id]?.processors[index] = nil
        partitions[id]?.deletedProcessors.insert(index)
        forgetStatistics(of: id, processor: index)
        return .success()
    }

    func processorIsWrong(_ id: UInt64, _ index: UInt32) -> Set<HypercallStatus> {
        guard let partition = partitions[id] else { return [.invalidPartitionId] }
        if partition.life != .active { return [.invalidPartitionState] }
        return partition.processors[index] == nil ? [.invalidVpIndex] : []
    }
}
