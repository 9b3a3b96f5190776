import HypercallABI
import HypercallCore

/// Interrupts of devices.
extension Model {
    static let deviceInterruptForms: [UInt16: ModelForm] = [
        CallCode.clearVirtualInterrupt.rawValue: ModelForm(input: 8),
        CallCode.mapDeviceInterrupt.rawValue: ModelForm(input: 72, output: 56, hasVariableHeader: true),
        CallCode.unmapDeviceInterrupt.rawValue: ModelForm(input: 36),
        CallCode.retargetInterrupt.rawValue: ModelForm(input: 56, hasVariableHeader: true),
    ]

    struct DeviceInterrupt {
        var owner: UInt64
        /// What the owner calls it.
        var device: UInt64
        /// What the hypervisor said to set the device up with: the hypervisor's choice.
        var entry: [UInt64] = [0, 0]
        /// What it was made for: the first processor and the vector.
        var origin: [UInt32]
        var type: UInt32
        var isLevel: Bool
        var target: Target
    }

    struct Target {
        var vector: UInt32
        /// In ascending order.
        var processors: [UInt32]
        var isMulticast: Bool
    }

    mutating func deviceInterruptCall(_ call: ModelCall, _ answer: ModelAnswer) -> Expectation? {
        switch call.control.code {
        case .clearVirtualInterrupt:
            let id = call.word64(0)
            let wrong = id == Self.own ? [.invalidPartitionId] : ownerIsWrong(id)
            return wrong.isEmpty ? .success() : .refused(wrong)
        case .mapDeviceInterrupt: return mapInterrupt(call, answer)
        case .unmapDeviceInterrupt: return unmapInterrupt(call)
        case .retargetInterrupt: return retarget(call)
        default: return nil
        }
    }

    /// 1: MSI, 2: an I/O APIC, by the kind of the device's name.
    private static func source(_ device: UInt64) -> UInt32 { device >> 62 == 2 ? 2 : 1 }

    /// Pages of the table of interrupts: 256 in each.
    private func tablePages(_ owner: UInt64) -> Int {
        (interrupts.reduce(0) { $0 + ($1.owner == owner ? 1 : 0) } + 255) / 256
    }

    // MARK: Processors

    /// - Parameter offset: of HV_DEVICE_INTERRUPT_TARGET in the input, behind which the variable header stands.
    private func target(
        _ call: ModelCall, at offset: Int, of owner: UInt64
    ) -> (target: Target, wrong: Set<HypercallStatus>) {
        let vector = call.word32(offset)
        let flags = call.word32(offset + 4)
        let format = call.word64(offset + 8)
        let header = call.control.variableHeaderSize
        var indices: [UInt32] = []
        var isWrong = vector < 16 || vector > 255 || flags > 3
        var wrong: Set<HypercallStatus> = []
        if flags & 2 == 0 {
            if header != 0 { isWrong = true }
            indices = (0..<64).filter { format >> UInt64($0) & 1 == 1 }
        } else if format == 1 {
            if header > 1 { isWrong = true }
            indices = (0..<4096).filter { hasProcessor(owner, $0) }
            // Nobody to interrupt: there is no processor, and the set is empty.
            if indices.isEmpty { wrong.insert(.invalidVpIndex) }
        } else if format == 0, header > 0 {
            let banks = (0..<64 as Range<UInt32>).filter { call.word64(offset + 16) >> UInt64($0) & 1 == 1 }
            if header != 1 + banks.count { isWrong = true }
            for (place, bank) in banks.enumerated() where place + 1 < header {
                let bits = call.word64(offset + 24 + 8 * place)
                indices += (0..<64).filter { bits >> UInt64($0) & 1 == 1 }.map { 64 * bank + $0 }
            }
        } else {
            isWrong = true
        }
        if isWrong || indices.isEmpty { wrong.insert(.invalidParameter) }
        if indices.contains(where: { !hasProcessor(owner, $0) }) { wrong.insert(.invalidVpIndex) }
        return (Target(vector: vector, processors: indices, isMulticast: flags & 1 == 1), wrong)
    }

    /// Whether another interrupt of the owner has the vector on one of the processors.
    private func collides(_ target: Target, _ owner: UInt64, except place: Int?) -> Bool {
        for (index, other) in interrupts.enumerated() where other.owner == owner && index != place {
            guard other.target.vector == target.vector else { continue }
            if target.processors.contains(where: { other.target.processors.contains($0) }) { return true }
        }
        return false
    }

    // MARK: Calls

    private mutating func mapInterrupt(_ call: ModelCall, _ answer: ModelAnswer) -> Expectation {
        let owner = call.word64(0)
        let name = call.word64(8)
        let source = Self.source(name)
        let (type, mode) = (call.word32(40), call.word32(44))
        var wrong = ownerIsWrong(owner)
        if device(owner, name) == nil { wrong.insert(.invalidDeviceId) }
        for offset in [16, 20, 28, 52] where call.word32(offset) != 0 { wrong.insert(.invalidParameter) }
        if call.word32(24) != 0, call.word32(24) != source { wrong.insert(.invalidParameter) }
        if type > 1 || mode > 1 || mode == 1 && source == 1 || call.word32(48) != 1 { wrong.insert(.invalidParameter) }
        let (target, refusal) = target(call, at: 56, of: owner)
        wrong.formUnion(refusal)
        guard wrong.isEmpty, let first = target.processors.first else { return .refused(wrong) }
        if collides(target, owner, except: nil) { wrong.insert(.objectInUse) }
        var made = DeviceInterrupt(
            owner: owner, device: name, origin: [first, target.vector, type, mode], type: type, isLevel: mode == 1,
            target: target)
        if interrupts.contains(where: { $0.owner == owner && $0.device == name && $0.origin == made.origin }) {
            wrong.insert(.objectInUse)
        }
        let count = interrupts.reduce(0) { $0 + ($1.owner == owner ? 1 : 0) }
        if count >= 4096 { wrong.insert(.noResources) }
        if count % 256 == 0, freePages(of: owner) < 1 { wrong.insert(.insufficientMemory) }
        if !wrong.isEmpty { return .refused(wrong) }
        // The entry is the hypervisor's choice, but of the right source, and nothing else of this device has it.
        made.entry = [UInt64(source), answer.word64(8)]
        if interrupts.contains(where: { $0.owner == owner && $0.device == name && $0.entry == made.entry }) {
            made.entry[1] = ~made.entry[1]
        }
        if count % 256 == 0 { use(1, of: owner) }
        interrupts.append(made)
        return .success(Self.bytes(made.entry[0]) + Self.bytes(made.entry[1]) + [UInt8](repeating: 0, count: 40))
    }

    private func place(_ call: ModelCall) -> Int? {
        interrupts.firstIndex {
            $0.owner == call.word64(0) && $0.device == call.word64(8)
                && $0.entry == [call.word64(16), call.word64(24)]
        }
    }

    private func entryIsWrong(_ call: ModelCall) -> Set<HypercallStatus> {
        var wrong = ownerIsWrong(call.word64(0))
        if device(call.word64(0), call.word64(8)) == nil { wrong.insert(.invalidDeviceId) }
        if call.word32(20) != 0 || call.word32(16) != Self.source(call.word64(8)) { wrong.insert(.invalidParameter) }
        if place(call) == nil { wrong.insert(.notFound) }
        return wrong
    }

    private mutating func unmapInterrupt(_ call: ModelCall) -> Expectation {
        var wrong = entryIsWrong(call)
        if call.word32(32) != 0 { wrong.insert(.invalidParameter) }
        guard wrong.isEmpty, let place = place(call) else { return .refused(wrong) }
        let before = tablePages(call.word64(0))
        interrupts.remove(at: place)
        use(tablePages(call.word64(0)) - before, of: call.word64(0))
        return .success()
    }

    private mutating func retarget(_ call: ModelCall) -> Expectation {
        let owner = call.word64(0)
        var wrong = entryIsWrong(call)
        if call.word64(32) != 0 { wrong.insert(.invalidParameter) }
        let (target, refusal) = target(call, at: 40, of: owner)
        wrong.formUnion(refusal)
        let place = place(call)
        if collides(target, owner, except: place) { wrong.insert(.objectInUse) }
        guard wrong.isEmpty, let place else { return .refused(wrong) }
        interrupts[place].target = target
        return .success()
    }

    /// What a device's interrupt is now at the local APICs: for each processor, or for one of them.
    static func messages(of interrupt: DeviceInterrupt) -> [Message] {
        let processors =
            interrupt.target.isMulticast
            ? interrupt.target.processors[...]
            : interrupt.target.processors.prefix(1)
        return processors.map { index in
            let destination = UInt64(index % 256) << 12 + UInt64(index / 256) << 40
            return Message(
                address: 0xFEE0_0000 + destination,
                data: interrupt.target.vector + interrupt.type * 0x100 + (interrupt.isLevel ? 0xC000 : 0))
        }
    }
}
