import HypercallABI
import HypercallCore

/// Access to guest memory from outside, and what is known of the guest's own.
extension Model {
    static let guestAccessForms: [UInt16: ModelForm] = [
        CallCode.getGpaPagesAccessStates.rawValue: ModelForm(input: 24, repetition: (0, 1)),
        CallCode.readGpa.rawValue: ModelForm(input: 32, output: 24),
        CallCode.writeGpa.rawValue: ModelForm(input: 48, output: 8),
        CallCode.acquireSparseSpaPageHostAccess.rawValue: ModelForm(input: 16, repetition: (8, 0)),
        CallCode.releaseSparseSpaPageHostAccess.rawValue: ModelForm(input: 16, repetition: (8, 0)),
    ]

    mutating func guestAccessCall(_ call: ModelCall) -> Expectation? {
        switch call.control.code {
        case .getGpaPagesAccessStates: return accessStates(call)
        case .readGpa: return access(call, isWrite: false)
        case .writeGpa: return access(call, isWrite: true)
        case .acquireSparseSpaPageHostAccess: return hostAccess(call, isRelease: false)
        case .releaseSparseSpaPageHostAccess: return hostAccess(call, isRelease: true)
        default: return nil
        }
    }

    private mutating func accessStates(_ call: ModelCall) -> Expectation {
        let start = call.control.repStart
        let id = call.word64(0)
        let flags = call.word64(8)
        var wrong: Set<HypercallStatus> = []
        if flags & ~0xF != 0 || flags & 0x3 == 0x3 || flags & 0xC == 0xC { wrong.insert(.invalidParameter) }
        let range = Self.range(call, isLarge: false, at: 16)
        if range == nil { wrong.insert(.invalidParameter) }
        guard let partition = partitions[id] else { return .refused(wrong.union([.invalidPartitionId]), start: start) }
        if partition.life != .active { wrong.insert(.invalidPartitionState) }
        if wrong.isEmpty, !configuration.isEngineWhole { wrong.insert(.featureUnavailable) }
        if partition.properties[Self.accessTracking] ?? 0 == 0 { wrong.insert(.invalidPartitionState) }
        guard wrong.isEmpty, let range else { return .refused(wrong, start: start) }
        var states: [UInt8] = []
        for page in range {
            guard let guest = partition.guest[page], guest.isReadable else {
                states.append(0)
                continue
            }
            states.append(guest.isDirty ? 3 : 1)
            if flags & 0x4 != 0 { partitions[id]?.guest[page]?.isDirty = false }
            if flags & 0x8 != 0 { partitions[id]?.guest[page]?.isDirty = true }
        }
        return Expectation(
            statuses: [.success], completed: call.control.repCount, output: [(start, states)])
    }

    private mutating func access(_ call: ModelCall, isWrite: Bool) -> Expectation {
        let id = call.word64(0)
        let count = call.word32(12)
        let address = call.word64(16)
        var wrong = processorIsWrong(id, call.word32(8))
        if call.word64(24) > 0xFF { wrong.insert(.invalidParameter) }
        if count == 0 || count > 16 || address > (1 << 52) - UInt64(count) { wrong.insert(.invalidParameter) }
        guard wrong.isEmpty, let partition = partitions[id] else { return .refused(wrong) }
        var places: [(page: UInt64, source: UInt64, offset: Int)] = []
        for byte in address..<(address + UInt64(count)) {
            guard let guest = partition.guest[byte / 4096] else { return Self.ended(1, isWrite: isWrite) }
            guard isWrite ? guest.isWritable : guest.isReadable, let source = guest.source else {
                return Self.ended(isWrite ? 3 : 2, isWrite: isWrite)
            }
            places.append((byte / 4096, source, Int(byte % 4096)))
        }
        var data: [UInt8] = []
        for (index, place) in places.enumerated() {
            if isWrite {
                setByte(place.source, place.offset, call.byte(32 + index))
                partitions[id]?.guest[place.page]?.isDirty = true
            } else {
                data.append(content[place.source]?[place.offset] ?? 0)
            }
        }
        return Self.ended(0, data, isWrite: isWrite)
    }

    private static func ended(_ code: UInt64, _ data: [UInt8] = [], isWrite: Bool) -> Expectation {
        let tail = isWrite ? [] : data + [UInt8](repeating: 0, count: 16 - data.count)
        return .success(bytes(code) + tail)
    }

    mutating func setByte(_ page: UInt64, _ offset: Int, _ value: UInt8) {
        content[page, default: [UInt8](repeating: 0, count: 4096)][offset] = value
    }

    /// There are no isolated guests: acquiring checks the pages, releasing can't be done.
    private func hostAccess(_ call: ModelCall, isRelease: Bool) -> Expectation {
        let start = call.control.repStart
        let flags = call.word32(4)
        var wrong: Set<HypercallStatus> = []
        if call.word32(0) > 3 || flags & ~0xF != 0 || flags & 0x3 == 0x3 || flags & 0xC == 0xC {
            wrong.insert(.invalidParameter)
        }
        if let partition = partitions[call.word64(8)] {
            if partition.life != .active { wrong.insert(.invalidPartitionState) }
        } else {
            wrong.insert(.invalidPartitionId)
        }
        if !wrong.isEmpty { return .refused(wrong, start: start) }
        let size: UInt64 = flags & 0x8 != 0 ? 512 * 512 : flags & 0x4 != 0 ? 512 : 1
        for index in start..<call.control.repCount {
            let page = call.word64(16 + 8 * index)
            var stopped: Set<HypercallStatus> = []
            if page % size != 0 || !isRootMemory(page) { stopped.insert(.invalidParameter) }
            if root[page] == .deposited { stopped.insert(.operationDenied) }
            // A release gives nothing away, so nothing of it is done.
            if !stopped.isEmpty { return .refused(stopped, start: isRelease ? start : index) }
        }
        if isRelease { return .refused([.featureUnavailable], start: start) }
        return Expectation(statuses: [.success], completed: call.control.repCount)
    }
}
