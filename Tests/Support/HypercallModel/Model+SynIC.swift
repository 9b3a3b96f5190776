import HypercallABI
import HypercallCore

/// Messages and events (TLFS, "Inter-Partition Communication").
extension Model {
    static let synICForms: [UInt16: ModelForm] = [
        CallCode.postMessage.rawValue: ModelForm(input: 256),
        CallCode.signalEvent.rawValue: ModelForm(input: 8),
        CallCode.postMessageDirect.rawValue: ModelForm(input: 280),
        CallCode.signalEventDirect.rawValue: ModelForm(input: 16, output: 8),
    ]

    mutating func synICCall(_ call: ModelCall) -> Expectation? {
        switch call.control.code {
        case .postMessage: return post(call)
        case .signalEvent: return signal(call)
        case .postMessageDirect: return postDirect(call)
        case .signalEventDirect: return signalDirect(call)
        default: return nil
        }
    }

    /// Messages that can wait for a SINT of a processor.
    private static let waitingLimit = 16

    // MARK: Where things go

    /// A SINT's 256 bytes of a page of a processor.
    struct Slot {
        var partition: UInt64
        var processor: UInt32
        var sint: UInt32
        var guestPage: UInt64
        var source: UInt64
        var offset: Int
        /// Nil: polled, so that nobody is interrupted.
        var vector: UInt32?
    }

    /// The slot, where the processor takes what is for it: SCONTROL and the page's register say so, the page is
    /// memory that can be written, and the SINT is neither masked nor another's and has a vector or is polled.
    func slot(_ id: UInt64, _ index: UInt32, _ sint: UInt32, page register: UInt32) -> Slot? {
        guard let partition = partitions[id], let processor = partition.processors[index] else { return nil }
        let control = processor.kept[0xA0010] ?? 0
        let base = processor.kept[register] ?? 0
        let target = processor.kept[0xA0000 + sint] ?? 0x1_0000
        let isPolled = target >> 18 & 1 == 1
        if control & 1 == 0 || base & 1 == 0 || target >> 16 & 1 == 1 || target >> 20 & 1 == 1 { return nil }
        if !isPolled, target & 0xFF < 16 { return nil }
        guard let page = partition.guest[base / 4096], page.isWritable, let source = page.source else { return nil }
        return Slot(
            partition: id, processor: index, sint: sint, guestPage: base / 4096, source: source,
            offset: Int(sint) * 256, vector: isPolled ? nil : UInt32(target & 0xFF))
    }

    /// Of one processor, or of the first that takes it.
    func anySlot(_ id: UInt64, _ index: UInt32, _ sint: UInt32, page register: UInt32) -> Slot? {
        if index != .max { return slot(id, index, sint, page: register) }
        let indices = partitions[id]?.processors.keys.sorted() ?? []
        return indices.lazy.compactMap { slot(id, $0, sint, page: register) }.first
    }

    private func byte(_ slot: Slot, _ offset: Int) -> UInt8 { content[slot.source]?[slot.offset + offset] ?? 0 }

    private mutating func write(_ slot: Slot, _ offset: Int, _ value: UInt8) {
        setByte(slot.source, slot.offset + offset, value)
        partitions[slot.partition]?.guest[slot.guestPage]?.isDirty = true
    }

    private mutating func interrupt(_ slot: Slot) {
        guard let vector = slot.vector else { return }
        let address = 0xFEE0_0000 + UInt64(slot.processor) * 0x1000
        partitions[slot.partition]?.messages.append(Message(address: address, data: vector))
    }

    /// The first four bytes of a slot are the type of the message in it: 0 for none.
    private func isFree(_ slot: Slot) -> Bool { (0..<4).allSatisfy { byte(slot, $0) == 0 } }

    private mutating func put(_ message: [UInt8], isPending: Bool, _ slot: Slot) {
        for (offset, value) in message.enumerated() { write(slot, offset, offset == 5 ? isPending ? 1 : 0 : value) }
        interrupt(slot)
    }

    private func waiting(_ slot: Slot) -> [[UInt8]] {
        partitions[slot.partition]?.processors[slot.processor]?.waiting[slot.sint] ?? []
    }

    /// One message for each SINT whose slot is free by now.
    mutating func deliverWaiting(_ id: UInt64, _ index: UInt32) {
        for sint in 0..<16 as Range<UInt32> {
            guard let slot = slot(id, index, sint, page: 0xA0013), isFree(slot) else { continue }
            var messages = waiting(slot)
            if messages.isEmpty { continue }
            let first = messages.removeFirst()
            put(first, isPending: !messages.isEmpty, slot)
            partitions[id]?.processors[index]?.waiting[sint] = messages
        }
    }

    // MARK: Messages

    /// What waits goes before what comes.
    private mutating func deliver(_ message: [UInt8], _ slot: Slot, mayWait: Bool) -> Expectation {
        deliverWaiting(slot.partition, slot.processor)
        if isFree(slot) {
            put(message, isPending: false, slot)
            return .success()
        }
        // Whoever empties the slot is asked to say so, even if the message is not kept.
        write(slot, 5, byte(slot, 5) | 1)
        if !mayWait { return .refused([.objectInUse]) }
        if waiting(slot).count >= Self.waitingLimit { return .refused([.insufficientBuffers]) }
        partitions[slot.partition]?.processors[slot.processor]?.waiting[slot.sint, default: []].append(message)
        return .success()
    }

    /// The connection of the root, what it leads to, and what is wrong with both.
    private func connected(
        _ number: UInt32, type: UInt32
    ) -> (name: Name, port: Port?, wrong: Set<HypercallStatus>) {
        let none = Name(owner: 0, number: 0)
        guard let connection = connections[Name(owner: Self.own, number: number)], connection.type == type else {
            return (none, nil, [.invalidConnectionId])
        }
        guard connection.isAlive, let port = ports[connection.port] else { return (none, nil, [.invalidPortId]) }
        // The root's own SynIC is the host's kernel's.
        if connection.port.owner == Self.own { return (connection.port, port, [.invalidSynicState]) }
        return (connection.port, port, [])
    }

    private func targetIsWrong(_ name: Name, _ port: Port) -> Set<HypercallStatus> {
        if port.processor == .max {
            return partitions[name.owner]?.processors.isEmpty ?? true ? [.invalidVpIndex] : []
        }
        return hasProcessor(name.owner, port.processor) ? [] : [.invalidVpIndex]
    }

    private mutating func post(_ call: ModelCall) -> Expectation {
        let type = call.word32(8)
        let count = call.word32(12)
        var (name, port, wrong) = connected(call.word32(0), type: 1)
        if call.word32(4) != 0 || count > 240 || type == 0 || type >> 31 == 1 { wrong.insert(.invalidParameter) }
        guard wrong.isEmpty, let port else { return .refused(wrong) }
        wrong = targetIsWrong(name, port)
        guard wrong.isEmpty, let slot = anySlot(name.owner, port.processor, port.sint, page: 0xA0013) else {
            return .refused(wrong.isEmpty ? [.invalidSynicState] : wrong)
        }
        var message = (0..<4).map { call.byte(8 + $0) } + [UInt8(count), 0, 0, 0]
        message += Self.bytes(UInt64(name.number)) + (0..<Int(count)).map { call.byte(16 + $0) }
        message += [UInt8](repeating: 0, count: 256 - message.count)
        return deliver(message, slot, mayWait: true)
    }

    private mutating func postDirect(_ call: ModelCall) -> Expectation {
        let sint = call.word32(16)
        let count = Int(call.byte(24))
        var wrong = processorIsWrong(call.word64(0), call.word32(8))
        for offset in [12, 13, 14, 15, 26, 27, 276, 277, 278, 279] where call.byte(offset) != 0 {
            wrong.insert(.invalidParameter)
        }
        if sint > 15 || call.word32(20) == 0 || count > 240 || call.byte(25) > 1 { wrong.insert(.invalidParameter) }
        if !wrong.isEmpty { return .refused(wrong) }
        guard let slot = slot(call.word64(0), call.word32(8), sint, page: 0xA0013) else {
            return .refused([.invalidSynicState])
        }
        var message = (20..<36).map { call.byte($0) } + (0..<count).map { call.byte(36 + $0) }
        message += [UInt8](repeating: 0, count: 256 - message.count)
        return deliver(message, slot, mayWait: false)
    }

    // MARK: Events

    /// - Returns: whether the flag was not set.
    private mutating func set(_ event: Int, _ slot: Slot) -> Bool {
        let before = byte(slot, event / 8)
        let bit = UInt8(1 << (event % 8))
        write(slot, event / 8, before | bit)
        if before & bit != 0 { return false }
        interrupt(slot)
        return true
    }

    private mutating func signal(_ call: ModelCall) -> Expectation {
        let event = Int(call.word32(4) & 0xFFFF)
        var (name, port, wrong) = connected(call.word32(0), type: 2)
        if call.word32(4) > 0xFFFF { wrong.insert(.invalidParameter) }
        if let port, event >= port.eventCount { wrong.insert(.invalidParameter) }
        guard wrong.isEmpty, let port else { return .refused(wrong) }
        wrong = targetIsWrong(name, port)
        guard wrong.isEmpty, let slot = anySlot(name.owner, port.processor, port.sint, page: 0xA0012) else {
            return .refused(wrong.isEmpty ? [.invalidSynicState] : wrong)
        }
        _ = set(port.firstEvent + event, slot)
        return .success()
    }

    private mutating func signalDirect(_ call: ModelCall) -> Expectation {
        let sint = UInt32(call.byte(13))
        let event = Int(call.byte(14)) + 256 * Int(call.byte(15))
        var wrong = processorIsWrong(call.word64(0), call.word32(8))
        if call.byte(12) != 0 || sint > 15 || event > 2047 { wrong.insert(.invalidParameter) }
        if !wrong.isEmpty { return .refused(wrong) }
        guard let slot = slot(call.word64(0), call.word32(8), sint, page: 0xA0012) else {
            return .refused([.invalidSynicState])
        }
        return .success([set(event, slot) ? 1 : 0, 0, 0, 0, 0, 0, 0, 0])
    }
}
