import HypercallABI
import HypercallCore

/// Interrupts that the root asserts (TLFS 10).
extension Model {
    static let interruptForms: [UInt16: ModelForm] = [
        CallCode.assertVirtualInterrupt.rawValue: ModelForm(input: 32)
    ]

    mutating func interruptCall(_ call: ModelCall) -> Expectation? {
        switch call.control.code {
        case .assertVirtualInterrupt: return assert(call)
        default: return nil
        }
    }

    /// A message-signalled interrupt as a local APIC takes it (Intel SDM 3, "Message Signalled Interrupts").
    struct Message: Equatable {
        var address: UInt64
        var data: UInt32
    }

    private mutating func assert(_ call: ModelCall) -> Expectation {
        let id = call.word64(0)
        let type = call.word32(8)
        let flags = call.word32(12)
        let destination = call.word64(16)
        let vector = call.word32(24)
        var wrong: Set<HypercallStatus> = []
        // Fixed, lowest priority, SMI, NMI, INIT, SIPI, external.
        if type > 7 || type == 3 { wrong.insert(.invalidParameter) }
        if flags > 3 || destination > 0xFFFF_FFFF || vector > 255 { wrong.insert(.invalidParameter) }
        // A local APIC refuses the vectors of exceptions.
        if type < 2, vector < 16 { wrong.insert(.invalidParameter) }
        if Self.isLevelWrong(call.byte(28)) { wrong.insert(.invalidParameter) }
        if call.byte(29) != 0 || call.byte(30) != 0 || call.byte(31) != 0 { wrong.insert(.invalidParameter) }
        if let partition = partitions[id] {
            if partition.life != .active { wrong.insert(.invalidPartitionState) }
        } else {
            wrong.insert(.invalidPartitionId)
        }
        if !wrong.isEmpty { return .refused(wrong) }
        var message = Message(address: 0xFEE0_0000, data: vector + type * 0x100)
        message.address += (destination % 256) * 0x1000
        message.address += (destination / 256) << 40
        if flags == 2 || flags == 3 { message.address += 4 }
        if type == 1 { message.address += 8 }
        if flags == 1 || flags == 3 { message.data += 0xC000 }
        partitions[id]?.messages.append(message)
        return .success()
    }
}
