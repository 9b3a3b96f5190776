import HypercallABI
import HypercallCore

/// Virtual processors and their registers (TLFS 7).
extension Model {
    static let processorForms: [UInt16: ModelForm] = [
        CallCode.createVp.rawValue: ModelForm(input: 40),
        CallCode.deleteVp.rawValue: ModelForm(input: 16),
        CallCode.getVpRegisters.rawValue: ModelForm(input: 16, repetition: (4, 16)),
        CallCode.setVpRegisters.rawValue: ModelForm(input: 16, repetition: (32, 0)),
    ]

    mutating func processorCall(_ call: ModelCall) -> Expectation? {
        switch call.control.code {
        case .createVp: return createVP(call)
        case .deleteVp: return deleteVP(call)
        case .getVpRegisters: return registers(call)
        case .setVpRegisters: return setRegisters(call)
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
        return .success()
    }

    func processorIsWrong(_ id: UInt64, _ index: UInt32) -> Set<HypercallStatus> {
        guard let partition = partitions[id] else { return [.invalidPartitionId] }
        if partition.life != .active { return [.invalidPartitionState] }
        return partition.processors[index] == nil ? [.invalidVpIndex] : []
    }

    // MARK: Registers

    private static let explicitSuspend: UInt32 = 0
    private static let vpIndex: UInt32 = 0x90003
    /// What the model's engine has: RAX to R15, RIP and RFLAGS.
    static let engineRegisters: ClosedRange<UInt32> = 0x20000...0x20011

    /// The head of both calls: reserved bits, and only one trust level.
    private func headIsWrong(_ call: ModelCall) -> Set<HypercallStatus> {
        var wrong = processorIsWrong(call.word64(0), call.word32(8))
        let level = call.byte(12)
        if level & 0xE0 != 0 || level & 0x10 != 0 && level & 0xF != 0 { wrong.insert(.invalidParameter) }
        if call.byte(13) != 0 || call.byte(14) != 0 || call.byte(15) != 0 { wrong.insert(.invalidParameter) }
        return wrong
    }

    private func registers(_ call: ModelCall) -> Expectation {
        let start = call.control.repStart
        let wrong = headIsWrong(call)
        guard wrong.isEmpty, let processor = partitions[call.word64(0)]?.processors[call.word32(8)] else {
            return .refused(wrong, start: start)
        }
        var expected = Expectation(statuses: [.success], completed: call.control.repCount)
        for index in start..<call.control.repCount {
            let name = call.word32(16 + 4 * index)
            let value: RegisterValue
            switch name {
            case Self.explicitSuspend: value = RegisterValue(processor.isSuspended ? 1 : 0)
            case Self.vpIndex: value = RegisterValue(UInt64(call.word32(8)))
            case Self.engineRegisters: value = processor.registers[name] ?? RegisterValue(0)
            default:
                expected.statuses = [.invalidParameter]
                expected.completed = index
                return expected
            }
            expected.output.append((16 * index, Self.bytes(value.low) + Self.bytes(value.high)))
        }
        return expected
    }

    private mutating func setRegisters(_ call: ModelCall) -> Expectation {
        let start = call.control.repStart
        let wrong = headIsWrong(call)
        let id = call.word64(0)
        guard wrong.isEmpty, var processor = partitions[id]?.processors[call.word32(8)] else {
            return .refused(wrong, start: start)
        }
        defer { partitions[id]?.processors[call.word32(8)] = processor }
        for index in start..<call.control.repCount {
            let offset = 16 + 32 * index
            let name = call.word32(offset)
            let value = RegisterValue(low: call.word64(offset + 16), high: call.word64(offset + 24))
            var stopped: Set<HypercallStatus> = []
            if call.word32(offset + 4) != 0 || call.word64(offset + 8) != 0 { stopped.insert(.invalidParameter) }
            switch name {
            case Self.explicitSuspend:
                if value.low > 1 || value.high != 0 { stopped.insert(.invalidRegisterValue) }
            case Self.vpIndex: stopped.insert(.accessDenied)
            case Self.engineRegisters: break
            default: stopped.insert(.invalidParameter)
            }
            if !stopped.isEmpty { return .refused(stopped, start: index) }
            if name == Self.explicitSuspend {
                processor.isSuspended = value.low == 1
            } else {
                processor.registers[name] = value
            }
        }
        return Expectation(statuses: [.success], completed: call.control.repCount)
    }
}
