import HypercallABI
import HypercallCore
import Hypervisor

/// How messages and events reach a processor (TLFS, "Inter-Partition Communication" to 11.10).
///
/// - A processor takes them while SCONTROL and the page's register (SIMP or SIEFP) are enabled, the page is guest
///   memory
///   that can be written, and the SINT is neither masked nor a proxy and has a vector of 16 or more (or only polls):
///   else `invalidSynicState`. "Any processor" is the first that takes them.
/// - A message goes into the SINT's slot of the message page when the slot is free, its type last, and the SINT's
///   vector
///   is asserted at the processor unless the SINT polls. While the slot is taken its flag for pending messages is set,
///   so that the guest writes EOM when it has freed it. That, and every change of SCONTROL, SIMP or a SINT, delivers
///   what waits.
/// - An event sets its flag; the vector is asserted when the flag was not set.
/// - Interrupts are edges. No engine can end one by itself, so that the guest has to end that of a SINT with automatic
///   EOI as well.
extension PartitionState {
    mutating func post(
        _ message: SynICMessage, sint: UInt32, to target: VPIndex, mayWait: Bool
    ) throws(HypercallStatus) {
        let place = try place(sint, .simp, of: target)
        deliverWaiting(to: place.index)
        for isRetry in [false, true] {
            guard let isFree = isFree(place) else { throw HypercallStatus.invalidSynicState }
            let waiting = try waiting(sint, of: place.index)
            if isFree, waiting.isEmpty {
                guard deliver(message, isPending: false, place) else { throw HypercallStatus.invalidSynicState }
                return
            }
            if isRetry { break }
            // The guest may free the slot before it can see the flag: then there is no EOM to wait for.
            _ = takeBits(1, at: place.gpa + 5)
        }
        guard mayWait else { throw HypercallStatus.objectInUse }
        try processor(place.index).withRecord { record throws(HypercallStatus) in
            guard record.waitingMessages[sint, default: []].count < Limits.waitingMessages else {
                throw HypercallStatus.insufficientBuffers
            }
            record.waitingMessages[sint, default: []].append(message)
        }
    }

    /// - Returns: whether the event was not signalled before.
    mutating func signal(
        _ event: UInt16, sint: UInt32, to target: VPIndex
    ) throws(HypercallStatus) -> Bool {
        let place = try place(sint, .siefp, of: target)
        let bit: UInt8 = 1 << UInt8(event % 8)
        guard case .success(let before) = takeBits(bit, at: place.gpa + UInt64(event / 8)) else {
            throw HypercallStatus.invalidSynicState
        }
        if before & bit != 0 { return false }
        assertInterrupt(place)
        return true
    }

    /// Puts messages that wait into slots that are free by now.
    mutating func deliverWaiting(to index: VPIndex) {
        guard let processor = try? processor(index),
            let sints = try? processor.withRecord({ record throws(HypercallStatus) in
                record.waitingMessages.keys.sorted()
            })
        else { return }
        for sint in sints {
            guard let place = try? place(sint, .simp, of: index), isFree(place) == true,
                var messages = try? waiting(sint, of: index), !messages.isEmpty
            else { continue }
            let message = messages.removeFirst()
            guard deliver(message, isPending: !messages.isEmpty, place) else { continue }
            let rest = messages.isEmpty ? nil : messages
            try? processor.withRecord { record throws(HypercallStatus) in record.waitingMessages[sint] = rest }
        }
    }

    /// Where a SINT's part of a page is.
    private struct Place {
        var index: VPIndex
        var gpa: UInt64
        var sint: SINTRegister
    }

    /// - Parameter page: SIMP or SIEFP.
    private func place(
        _ sint: UInt32, _ page: RegisterName, of target: VPIndex
    ) throws(HypercallStatus) -> Place {
        if target != PortInfo.anyVP { return try place(sint, page, at: target) }
        try requireActive()
        var refusal = HypercallStatus.invalidVpIndex
        for index in processors.keys.sorted() {
            do throws(HypercallStatus) {
                return try place(sint, page, at: index)
            } catch {
                refusal = error
            }
        }
        throw refusal
    }

    private func place(_ sint: UInt32, _ page: RegisterName, at index: VPIndex) throws(HypercallStatus) -> Place {
        let name = RegisterName(rawValue: RegisterName.sint0.rawValue &+ sint)
        let (control, base, register) = try processor(index).withRecord { record throws(HypercallStatus) in
            (
                record.registers[.scontrol] ?? 0, record.registers[page] ?? 0,
                SINTRegister(rawValue: record.registers[name] ?? SINTRegister.initial)
            )
        }
        let gpa = base & ~0xFFF
        guard control & 1 != 0, base & 1 != 0, gpa < Limits.gpaEnd, register.takesMessages, isWritable(gpa) else {
            throw HypercallStatus.invalidSynicState
        }
        return Place(index: index, gpa: gpa + 256 * UInt64(sint), sint: register)
    }

    /// Whether the page is guest memory that can be written.
    private func isWritable(_ gpa: UInt64) -> Bool {
        guard let backing = memory.extents[gpa / 4096], backing.isInEngine, backing.flags.contains(.writable),
            let source = backing.source
        else { return false }
        return root.checkUse(of: source) == .success
    }

    private func waiting(_ sint: UInt32, of index: VPIndex) throws(HypercallStatus) -> [SynICMessage] {
        try processor(index).withRecord { record throws(HypercallStatus) in record.waitingMessages[sint] ?? [] }
    }

    /// - Returns: nil where the page can't be read.
    private func isFree(_ place: Place) -> Bool? {
        var type: UInt32 = 0
        let result = withUnsafeMutableBytes(of: &type) { read(place.gpa, into: $0) }
        return result == .success ? type == 0 : nil
    }

    /// - Returns: false where the page can't be written.
    private mutating func deliver(_ message: SynICMessage, isPending: Bool, _ place: Place) -> Bool {
        var message = message
        message.isPending = isPending
        var bytes = [UInt8](repeating: 0, count: SynICMessage.size)
        let isWritten = bytes.withUnsafeMutableBytes { buffer in
            guard (try? message.encode(into: ByteWriter(buffer))) != nil else { return false }
            let bytes = UnsafeRawBufferPointer(buffer)
            return write(place.gpa + 4, from: UnsafeRawBufferPointer(rebasing: bytes[4...])) == .success
                && write(place.gpa, from: UnsafeRawBufferPointer(rebasing: bytes[..<4])) == .success
        }
        if isWritten { assertInterrupt(place) }
        return isWritten
    }

    private func assertInterrupt(_ place: Place) {
        if place.sint.isPolling { return }
        do throws(HypervisorError) {
            try engine?.signalMSI(address: processorMessageAddress(place.index), data: place.sint.vector)
        } catch {
            _ = failed("asserting the interrupt of a SINT at processor \(place.index)", error)
        }
    }
}

/// HV_SYNIC_SINT.
struct SINTRegister {
    /// Masked.
    static let initial: UInt64 = 0x1_0000

    var rawValue: UInt64

    var vector: UInt32 { UInt32(rawValue & 0xFF) }
    var isMasked: Bool { rawValue & 1 << 16 != 0 }
    var isPolling: Bool { rawValue & 1 << 18 != 0 }
    /// Its messages are another's.
    var isProxy: Bool { rawValue & 1 << 20 != 0 }
    var takesMessages: Bool { !isMasked && !isProxy && (isPolling || vector >= 16) }
}
