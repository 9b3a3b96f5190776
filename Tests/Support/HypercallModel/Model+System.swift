import Glibc
import HypercallABI
import HypercallCore

/// Calls about the machine and the caller, and those that are refused to all that there is here.
extension Model {
    static let systemForms: [UInt16: ModelForm] = [
        CallCode.getPartitionId.rawValue: ModelForm(input: 0, output: 8),
        CallCode.getNextChildPartition.rawValue: ModelForm(input: 16, output: 8),
        CallCode.notifyPartitionEvent.rawValue: ModelForm(input: 8),
        CallCode.getSystemProperty.rawValue: ModelForm(input: 8, output: 8),
        CallCode.setSystemProperty.rawValue: ModelForm(input: 72),
        CallCode.mmioRead.rawValue: ModelForm(input: 16, output: 64),
        CallCode.mmioWrite.rawValue: ModelForm(input: 80),
        CallCode.importIsolatedPages.rawValue: ModelForm(input: 16, repetition: (8, 0)),
        CallCode.completeIsolatedImport.rawValue: ModelForm(input: 3342),
        CallCode.issueSnpPspGuestRequest.rawValue: ModelForm(input: 24),
        CallCode.mapStatsPage.rawValue: ModelForm(input: 24, output: 8),
        CallCode.mapStatsPage2.rawValue: ModelForm(input: 32),
        CallCode.unmapStatsPage.rawValue: ModelForm(input: 24),
    ]

    mutating func systemCall(_ call: ModelCall, _ answer: ModelAnswer) -> Expectation? {
        switch call.control.code {
        case .getPartitionId: return .success(Self.bytes(Self.own))
        case .getNextChildPartition:
            if call.word64(0) == Self.own {
                return .success(Self.bytes(partitions.keys.filter { $0 > call.word64(8) }.min() ?? 0))
            }
            return partitions[call.word64(0)] == nil ? .refused([.invalidPartitionId]) : .success(Self.bytes(0))
        case .notifyPartitionEvent: return notify(call)
        case .getSystemProperty: return systemProperty(call)
        case .setSystemProperty: return setSystemProperty(call)
        case .mmioRead, .mmioWrite: return mmio(call, isWrite: call.control.code == .mmioWrite)
        case .importIsolatedPages, .completeIsolatedImport, .issueSnpPspGuestRequest: return isolated(call)
        case .mapStatsPage, .mapStatsPage2: return mapStatistics(call, answer)
        case .unmapStatsPage: return unmapStatistics(call)
        default: return nil
        }
    }

    /// 2: the root crashes, in steps 0 to 4, of which 1 stops all partitions; 4: all processors are started.
    private mutating func notify(_ call: ModelCall) -> Expectation {
        switch (call.word32(0), call.word32(4)) {
        case (2, 1):
            for id in Array(partitions.keys) { partitions[id]?.properties[0x20000] = 1 }
            return .success()
        case (2, 0), (2, 2), (2, 3), (2, 4), (4, 0): return .success()
        default: return .refused([.invalidParameter])
        }
    }

    private func systemProperty(_ call: ModelCall) -> Expectation {
        switch (call.word32(0), call.word32(4)) {
        case (0x3, _): .refused([.accessDenied])
        case (0xF, 0): .success(Self.bytes(4))
        case (0x15, 0xD), (0x15, 0x10): .success(Self.bytes(0))
        case (0xF, _), (0x15, _): .refused([.invalidParameter])
        case (0x2F, _): .refused([.featureUnavailable])
        default: .refused([.unknownProperty])
        }
    }

    private mutating func setSystemProperty(_ call: ModelCall) -> Expectation {
        var wrong: Set<HypercallStatus> = []
        if call.word32(4) != 0 { wrong.insert(.invalidParameter) }
        let state = call.word32(8)
        switch call.word32(0) {
        case 0x3:
            if (14..<72).contains(where: { call.byte($0) != 0 }) { wrong.insert(.invalidParameter) }
            if state < 1 || state > 6 { wrong.insert(.propertyValueOutOfRange) }
            if isSleepLocked { wrong.insert(.accessDenied) }
        case 0xF, 0x15, 0x2F: wrong.insert(.accessDenied)
        default: wrong.insert(.unknownProperty)
        }
        if !wrong.isEmpty { return .refused(wrong) }
        if state == 6 { isSleepLocked = true }
        return .success()
    }

    private mutating func mmio(_ call: ModelCall, isWrite: Bool) -> Expectation {
        let address = call.word64(0)
        let count = UInt64(call.word32(8))
        var wrong: Set<HypercallStatus> = []
        if call.word32(12) != 0 || count < 1 || count > 64 || address > .max - count { wrong.insert(.invalidParameter) }
        if !wrong.isEmpty { return .refused(wrong) }
        for byte in address..<(address + count) {
            if !isRootMemory(byte / 4096) { wrong.insert(.invalidParameter) }
            if root[byte / 4096] == .deposited { wrong.insert(.operationDenied) }
        }
        if !wrong.isEmpty { return .refused(wrong) }
        var data: [UInt8] = []
        for index in 0..<count {
            let (page, offset) = ((address + index) / 4096, Int((address + index) % 4096))
            if isWrite { setByte(page, offset, call.byte(16 + Int(index))) }
            data.append(content[page]?[offset] ?? 0)
        }
        return isWrite ? .success() : .success(data + [UInt8](repeating: 0, count: 64 - data.count))
    }

    /// No partition is isolated.
    private func isolated(_ call: ModelCall) -> Expectation {
        let start = call.control.code == .importIsolatedPages ? call.control.repStart : 0
        guard let partition = partitions[call.word64(0)] else { return .refused([.invalidPartitionId], start: start) }
        return .refused([partition.life == .active ? .featureUnavailable : .invalidPartitionState], start: start)
    }

    // MARK: Statistics pages

    /// What a page tells of: the number of its kind and the words that name it.
    struct Statistics: Hashable {
        var kind: UInt32
        var words: [UInt64]
    }

    private func statistics(_ call: ModelCall) -> (name: Statistics, wrong: Set<HypercallStatus>) {
        var wrong: Set<HypercallStatus> = []
        let kind = call.word32(0)
        if call.word32(4) != 0 || call.byte(22) != 0 { wrong.insert(.invalidParameter) }
        // Of areas there is an object's own; the hypervisor's is not for the root, and the parent's nobody has.
        switch call.byte(23) {
        case 0: break
        case 2: wrong.insert(.accessDenied)
        default: wrong.insert(.invalidParameter)
        }
        let flags = call.word64(16) >> 32 & 0xFFFF
        var isUnused = flags == 0
        switch kind {
        case 1: isUnused = isUnused && call.word64(8) == 0 && call.word32(16) == 0
        case 2: isUnused = isUnused && call.word32(12) == 0 && call.word32(16) == 0
        case 0x1_0001: isUnused = isUnused && call.word32(16) == 0
        case 0x1_0002: break
        default: wrong.insert(.invalidParameter)
        }
        if !isUnused { wrong.insert(.invalidParameter) }
        return (Statistics(kind: kind, words: [call.word64(8), UInt64(call.word32(16))]), wrong)
    }

    private mutating func mapStatistics(_ call: ModelCall, _ answer: ModelAnswer) -> Expectation {
        var (name, wrong) = statistics(call)
        switch name.kind {
        case 2:
            if name.words[0] >= UInt64(Self.rootProcessors) { wrong.insert(.invalidLpIndex) }
        case 0x1_0001:
            if let partition = partitions[name.words[0]] {
                if partition.life != .active { wrong.insert(.invalidPartitionState) }
            } else {
                wrong.insert(.invalidPartitionId)
            }
        case 0x1_0002: wrong.formUnion(processorIsWrong(name.words[0], call.word32(16)))
        default: break
        }
        if statisticsPages[name] != nil { wrong.insert(.objectInUse) }
        let isOwn = call.control.code == .mapStatsPage
        if isOwn {
            if rootFree < 1 { wrong.insert(.insufficientMemory) }
        } else {
            if !isRootMemory(call.word64(24)) { wrong.insert(.invalidParameter) }
            if root[call.word64(24)] == .deposited { wrong.insert(.operationDenied) }
        }
        if !wrong.isEmpty { return .refused(wrong) }
        statisticsPages[name] = isOwn
        if isOwn { rootObjects += 1 }
        // Where the hypervisor's own page is is its choice.
        return isOwn ? .success(Self.bytes(answer.word64(0))) : .success()
    }

    private mutating func unmapStatistics(_ call: ModelCall) -> Expectation {
        var (name, wrong) = statistics(call)
        if statisticsPages[name] == nil { wrong.insert(.notFound) }
        if !wrong.isEmpty { return .refused(wrong) }
        forget(name)
        return .success()
    }

    private mutating func forget(_ name: Statistics) {
        if statisticsPages.removeValue(forKey: name) == true { rootObjects -= 1 }
    }

    /// Pages go with what they tell of: a processor, or (nil) all of a partition.
    mutating func forgetStatistics(of id: UInt64, processor: UInt32?) {
        for name in Array(statisticsPages.keys) where name.kind > 2 && name.words[0] == id {
            if let processor, name.kind == 0x1_0001 || name.words[1] != UInt64(processor) { continue }
            forget(name)
        }
    }
}
