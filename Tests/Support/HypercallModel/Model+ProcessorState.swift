import HypercallABI
import HypercallCore

/// What a processor has beside its registers.
extension Model {
    static let processorStateForms: [UInt16: ModelForm] = [
        CallCode.installIntercept.rawValue: ModelForm(input: 24),
        CallCode.registerInterceptResult.rawValue: ModelForm(input: 60),
        CallCode.getVpState.rawValue: ModelForm(input: 40, output: 200, hasVariableHeader: true),
        CallCode.setVpState.rawValue: ModelForm(input: 40, hasVariableHeader: true),
        CallCode.mapVpStatePage.rawValue: ModelForm(input: 24, output: 8),
        CallCode.unmapVpStatePage.rawValue: ModelForm(input: 16),
        CallCode.getVpCpuidValues.rawValue: ModelForm(input: 24, repetition: (24, 16)),
        CallCode.startVp.rawValue: ModelForm(input: 240),
        CallCode.enableVpVtl.rawValue: ModelForm(input: 240),
        CallCode.getVpIndexFromApicId.rawValue: ModelForm(input: 16, repetition: (4, 4)),
    ]

    mutating func processorStateCall(_ call: ModelCall, _ answer: ModelAnswer) -> Expectation? {
        switch call.control.code {
        case .installIntercept: return installIntercept(call)
        case .registerInterceptResult: return registerResult(call)
        case .getVpState: return state(call)
        case .setVpState: return setState(call)
        case .mapVpStatePage: return mapStatePage(call, answer)
        case .unmapVpStatePage: return unmapStatePage(call)
        case .getVpCpuidValues: return cpuidValues(call)
        case .startVp: return startVP(call)
        case .enableVpVtl: return enableVTL(call)
        case .getVpIndexFromApicId: return indices(call)
        default: return nil
        }
    }

    // MARK: Intercepts

    /// The model's engine does not do those of MMIO (5), of the APIC and later ones.
    static func engineIntercepts(_ type: UInt32) -> Bool { [0, 1, 2, 3, 6, 8, 12, 17].contains(type) }

    private func installIntercept(_ call: ModelCall) -> Expectation {
        let access = call.word32(8)
        let type = call.word32(12)
        let parameter = call.word64(16)
        var isRight: Bool
        switch type {
        case 0: isRight = access & ~3 == 0 && parameter <= 0xFFFF
        case 1: isRight = access & ~3 == 0
        case 2: isRight = access & ~4 == 0 && parameter <= 0xFFFF_FFFF
        case 3: isRight = access & ~4 == 0 && parameter < 32
        case 6, 8: isRight = access & ~4 == 0
        case 12: isRight = access & ~3 == 0 && parameter <= 0xFFFF_FFFF
        case 17: isRight = access & ~3 == 0 && parameter <= 0xFFFF_FFFF && parameter & 0xFFFF <= parameter >> 16
        case 5, 7, 9, 10, 11, 13, 14, 15: isRight = access & ~7 == 0
        default: isRight = false
        }
        var wrong: Set<HypercallStatus> = isRight ? [] : [.invalidParameter]
        if let partition = partitions[call.word64(0)] {
            if partition.life != .active { wrong.insert(.invalidPartitionState) }
        } else {
            wrong.insert(.invalidPartitionId)
        }
        if wrong.isEmpty, !Self.engineIntercepts(type) { wrong.insert(.featureUnavailable) }
        return wrong.isEmpty ? .success() : .refused(wrong)
    }

    private mutating func registerResult(_ call: ModelCall) -> Expectation {
        let id = call.word64(0)
        let index = call.word32(8)
        var wrong = processorIsWrong(id, index)
        switch call.word32(12) {
        case 1:
            let access = call.word32(20)
            if access == 0 || access > 3 || call.word32(24) > 1 { wrong.insert(.invalidParameter) }
            return wrong.isEmpty ? .success() : .refused(wrong)
        case 2:
            if call.byte(24) > 1 || call.byte(25) > 1 || call.byte(26) != 0 || call.byte(27) != 0 {
                wrong.insert(.invalidParameter)
            }
            if !wrong.isEmpty { return .refused(wrong) }
            let words = (0..<11).map { call.word32(16 + 4 * $0) }
            // The last word on the same leaf counts: every subleaf is one thing, a certain one another.
            partitions[id]?.processors[index]?.cpuidResults.removeAll { other in
                other[0] == words[0] && other[2] & 1 == words[2] & 1 && (words[2] & 1 == 0 || other[1] == words[1])
            }
            partitions[id]?.processors[index]?.cpuidResults.append(words)
            return .success()
        default: return .refused(wrong.union([.invalidParameter]))
        }
    }

    /// The model's engine: zero for odd leaves.
    static func engineCPUID(_ leaf: UInt32, _ subleaf: UInt32) -> [UInt32] {
        leaf & 1 == 1 ? [0, 0, 0, 0] : [leaf, subleaf, 0x1234_5678, 0xFFFF_0000]
    }

    private func cpuidValues(_ call: ModelCall) -> Expectation {
        let start = call.control.repStart
        var wrong = processorIsWrong(call.word64(0), call.word32(8))
        if call.word32(12) > 3 || call.word64(16) != 0 { wrong.insert(.invalidParameter) }
        guard wrong.isEmpty, let processor = partitions[call.word64(0)]?.processors[call.word32(8)] else {
            return .refused(wrong, start: start)
        }
        if !configuration.isEngineWhole { return .refused([.featureUnavailable], start: start) }
        var expected = Expectation(statuses: [.success], completed: call.control.repCount)
        for index in start..<call.control.repCount {
            let leaf = call.word32(24 + 24 * index)
            let subleaf = call.word32(28 + 24 * index)
            let own = Self.engineCPUID(leaf, subleaf)
            var values = own
            for result in call.word32(12) & 2 != 0 ? processor.cpuidResults : [] {
                let isSpecific = result[2] & 0xFF == 1
                let always = result[2] >> 8 & 0xFF == 1
                guard result[0] == leaf, !isSpecific || result[1] == subleaf, always || own != [0, 0, 0, 0] else {
                    continue
                }
                for register in 0..<4 {
                    let mask = result[4 + 2 * register]
                    values[register] = values[register] & ~mask | result[3 + 2 * register] & mask
                }
            }
            expected.output.append(
                (16 * index, values.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) } }))
        }
        return expected
    }

    // MARK: States

    private static let simPage: UInt32 = 0x8000_0002
    private static let siefPage: UInt32 = 0x8000_0003
    private static let timers: UInt32 = 4

    /// What is wrong with either call, whatever the state: the head, the type, flags of the XSAVE area, which like the
    /// APIC this engine does not have.
    private func stateIsWrong(_ call: ModelCall) -> Set<HypercallStatus> {
        var wrong = headIsWrong(call)
        if call.word32(20) != 0 { wrong.insert(.invalidParameter) }
        switch call.word32(16) {
        case Self.simPage, Self.siefPage, Self.timers: break
        case 0x8000_0000: wrong.insert(.featureUnavailable)
        case 0x8000_0001:
            wrong.insert(.featureUnavailable)
            if call.word64(24) != 0 { wrong.insert(.invalidParameter) }
        default: wrong.insert(.invalidParameter)
        }
        return wrong
    }

    /// A state of one page: what is wrong with the list of pages.
    private func listIsWrong(_ call: ModelCall) -> Set<HypercallStatus> {
        if call.control.variableHeaderSize == 0 { return [.insufficientBuffer] }
        let page = call.word64(40)
        if !isRootMemory(page) { return [.invalidParameter] }
        return root[page] == .deposited ? [.operationDenied] : []
    }

    private mutating func state(_ call: ModelCall) -> Expectation {
        var wrong = stateIsWrong(call)
        let type = call.word32(16)
        if type == Self.timers {
            if call.control.variableHeaderSize != 0 { wrong.insert(.invalidParameter) }
        } else {
            wrong.formUnion(listIsWrong(call))
        }
        guard wrong.isEmpty, let processor = partitions[call.word64(0)]?.processors[call.word32(8)] else {
            return .refused(wrong)
        }
        var output = [UInt8](repeating: 0, count: 200)
        if type == Self.timers {
            output = processor.timers.flatMap(Self.bytes) + [UInt8](repeating: 0, count: 40)
        } else {
            content[call.word64(40)] = processor.synicPages[type] ?? [UInt8](repeating: 0, count: 4096)
        }
        return .success(output)
    }

    private mutating func setState(_ call: ModelCall) -> Expectation {
        var wrong = stateIsWrong(call)
        let type = call.word32(16)
        let words = (0..<call.control.variableHeaderSize).map { call.word64(40 + 8 * $0) }
        if type == Self.timers {
            if words.count < 25 { wrong.insert(.insufficientBuffer) }
            if words.count > 25 { wrong.insert(.invalidParameter) }
            for timer in 0..<4 where words.count >= 5 * timer + 5 {
                if words[5 * timer] > 1 { wrong.insert(.invalidParameter) }
                if words[5 * timer + 1] & Self.reservedTimerBits != 0 { wrong.insert(.invalidParameter) }
            }
            if words.count >= 25, words[20..<25].contains(where: { $0 != 0 }) { wrong.insert(.invalidParameter) }
        } else {
            wrong.formUnion(listIsWrong(call))
        }
        if !wrong.isEmpty { return .refused(wrong) }
        let id = call.word64(0)
        let index = call.word32(8)
        if type == Self.timers {
            partitions[id]?.processors[index]?.timers = Array(words[..<20])
        } else {
            partitions[id]?.processors[index]?.synicPages[type] =
                content[call.word64(40)] ?? [UInt8](repeating: 0, count: 4096)
        }
        return .success()
    }

    private func statePageIsWrong(_ call: ModelCall, mostFlags: UInt8) -> Set<HypercallStatus> {
        var wrong = processorIsWrong(call.word64(0), call.word32(8))
        switch call.word32(12) & 0xFFFF {
        case 0, 1: break
        case 2: wrong.insert(.featureUnavailable)
        default: wrong.insert(.invalidParameter)
        }
        if Self.isLevelWrong(call.byte(14)) || call.byte(15) > mostFlags { wrong.insert(.invalidParameter) }
        return wrong
    }

    private mutating func mapStatePage(_ call: ModelCall, _ answer: ModelAnswer) -> Expectation {
        let id = call.word64(0)
        let type = UInt16(call.word32(12) & 0xFFFF)
        let location = call.word64(16)
        let isOwn = call.byte(15) & 1 == 0
        var wrong = statePageIsWrong(call, mostFlags: 1)
        if let partition = partitions[id], let processor = partition.processors[call.word32(8)] {
            if processor.statePages[type] != nil { wrong.insert(.objectInUse) }
            if isOwn, partition.free < 1 { wrong.insert(.insufficientMemory) }
        }
        if !isOwn {
            if !isRootMemory(location) { wrong.insert(.invalidParameter) }
            if root[location] == .deposited { wrong.insert(.operationDenied) }
        }
        if !wrong.isEmpty { return .refused(wrong) }
        partitions[id]?.processors[call.word32(8)]?.statePages[type] = isOwn
        // A page of the hypervisor's own is somewhere else.
        let given = answer.word64(0)
        return .success(Self.bytes(isOwn ? given != 0 && !isRootMemory(given) ? given : 0 : location))
    }

    private mutating func unmapStatePage(_ call: ModelCall) -> Expectation {
        var wrong = statePageIsWrong(call, mostFlags: 0)
        let type = UInt16(call.word32(12) & 0xFFFF)
        let id = call.word64(0)
        if let processor = partitions[id]?.processors[call.word32(8)], processor.statePages[type] == nil {
            wrong.insert(.notFound)
        }
        if !wrong.isEmpty { return .refused(wrong) }
        partitions[id]?.processors[call.word32(8)]?.statePages[type] = nil
        return .success()
    }

    // MARK: Start

    private mutating func startVP(_ call: ModelCall) -> Expectation {
        let id = call.word64(0)
        let index = call.word32(8)
        var wrong = processorIsWrong(id, index)
        if call.byte(12) & 0xE0 != 0 || call.byte(13) != 0 || call.byte(14) != 0 || call.byte(15) != 0 {
            wrong.insert(.invalidParameter)
        }
        if call.byte(12) & 0xF != 0 { wrong.insert(.featureUnavailable) }
        if partitions[id]?.processors[index]?.isStarted == true { wrong.insert(.invalidVpState) }
        guard wrong.isEmpty, var processor = partitions[id]?.processors[index] else { return .refused(wrong) }
        // HV_INITIAL_VP_CONTEXT: RIP, RSP, RFLAGS, ten descriptors, EFER, CR0, CR3, CR4, PAT.
        for (name, offset) in [
            (0x20010, 16), (0x20004, 24), (0x20011, 32), (0x80001, 200), (0x40000, 208), (0x40002, 216), (0x40003, 224),
            (0x80004, 232),
        ] as [(UInt32, Int)] {
            processor.registers[name] = RegisterValue(call.word64(offset))
        }
        // CS, DS, ES, FS, GS, SS, TR, LDTR, IDTR, GDTR.
        let names: [UInt32] = [
            0x60001, 0x60003, 0x60000, 0x60004, 0x60005, 0x60002, 0x60007, 0x60006, 0x70000, 0x70001,
        ]
        for (position, name) in names.enumerated() {
            let offset = 40 + 16 * position
            processor.registers[name] = RegisterValue(low: call.word64(offset), high: call.word64(offset + 8))
        }
        processor.kept[0x4] = 0
        processor.isStarted = true
        partitions[id]?.processors[index] = processor
        return .success()
    }

    private func enableVTL(_ call: ModelCall) -> Expectation {
        var wrong = processorIsWrong(call.word64(0), call.word32(8))
        if call.byte(12) & 0xE0 != 0 || call.byte(13) != 0 || call.byte(14) != 0 || call.byte(15) != 0 {
            wrong.insert(.invalidParameter)
        }
        // Level 0 is there always, others never.
        wrong.insert(call.byte(12) & 0xF == 0 ? .invalidParameter : .featureUnavailable)
        return .refused(wrong)
    }

    private func indices(_ call: ModelCall) -> Expectation {
        let start = call.control.repStart
        var wrong: Set<HypercallStatus> = []
        if call.byte(8) & 0xEF != 0 { wrong.insert(.invalidParameter) }
        if (9..<16).contains(where: { call.byte($0) != 0 }) { wrong.insert(.invalidParameter) }
        guard let partition = partitions[call.word64(0)] else {
            return .refused(wrong.union([.invalidPartitionId]), start: start)
        }
        if partition.life != .active { wrong.insert(.invalidPartitionState) }
        if !wrong.isEmpty { return .refused(wrong, start: start) }
        var expected = Expectation(statuses: [.success], completed: call.control.repCount)
        for index in start..<call.control.repCount {
            let id = call.word32(16 + 4 * index)
            if partition.processors[id] == nil {
                expected.statuses = [.invalidParameter]
                expected.completed = index
                return expected
            }
            expected.output.append((4 * index, Array(Self.bytes(UInt64(id)).prefix(4))))
        }
        return expected
    }
}
