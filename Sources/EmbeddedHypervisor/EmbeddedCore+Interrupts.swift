import HypercallABI
import HypercallCore
import Hypervisor

/// Interrupts that the root asserts.
///
/// - A partition that is not there is `invalidPartitionId`, one that is not initialized `invalidPartitionState`.
/// - `invalidParameter` for another trust level, for a type that no message carries (only fixed, lowest priority, SMI,
///   NMI, INIT, SIPI and external do), for a vector above 255, or below 16 with one of the first two types, and for a destination
///   above 2^32.
/// - `operationFailed` where the engine does not take the message.
extension EmbeddedCore {
    func assertVirtualInterrupt(_ input: AssertVirtualInterruptInput) throws(HypercallStatus) {
        if input.vtl.usesTarget, input.vtl.target != 0 { throw HypercallStatus.invalidParameter }
        let partition = try partition(input.partition)
        try partition.with { state throws(HypercallStatus) in try state.requireActive() }
        guard let message = IOAPICMessage(input) else { throw HypercallStatus.invalidParameter }
        do throws(HypervisorError) {
            if message.isLevelTriggered { try partition.watchEnd(of: message) }
            try partition.signalMSI(address: message.address, data: message.data)
        } catch {
            throw HypercallStatus.operationFailed
        }
    }
}

extension IOAPICMessage {
    /// The message-signalled interrupt that does the same; nil where none does.
    fileprivate init?(_ input: AssertVirtualInterruptInput) {
        let needsVector = input.type <= 1
        guard [0, 1, 2, 4, 5, 6, 7].contains(input.type), input.vector <= 0xFF, !needsVector || input.vector >= 16,
            input.destination <= UInt64(UInt32.max)
        else { return nil }
        // The upper 24 bits of an x2APIC identifier stand in the high half of the address, as KVM's X2APIC_API has them.
        let destination = (input.destination & 0xFF) << 12 | (input.destination & 0xFFFF_FF00) << 32
        let levelAsserted: UInt32 = 0xC000
        self.init(
            address: 0xFEE0_0000 | destination | (input.isLogical ? 1 << 2 : 0) | (input.type == 1 ? 1 << 3 : 0),
            data: input.vector | input.type << 8 | (input.isLevelTriggered ? levelAsserted : 0),
            isLevelTriggered: input.isLevelTriggered)
    }
}
