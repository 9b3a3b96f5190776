import CLinux
import HypercallABI

/// What a processor is about to take, and what holds it off: `struct kvm_vcpu_events` as the hypervisor's registers.
struct PendingEvents {
    /// The registers that are made of it.
    enum Register: Equatable {
        /// HV_X64_PENDING_INTERRUPTION_REGISTER: an event whose delivery began.
        case interruption
        /// HV_X64_INTERRUPT_STATE_REGISTER: bit 0 the shadow of STI and MOV SS, bit 1 NMIs are masked.
        case state
        /// HV_X64_PENDING_EXCEPTION_EVENT: an exception whose delivery did not begin.
        case exception
    }

    private(set) var raw: kvm_vcpu_events
    /// Whether KVM tells exceptions apart whose delivery did not begin (KVM_CAP_EXCEPTION_PAYLOAD).
    private let hasPayload: Bool

    init(_ raw: kvm_vcpu_events, hasPayload: Bool) {
        self.raw = raw
        self.hasPayload = hasPayload
        self.raw.flags = UInt32(KVM_VCPUEVENT_VALID_SHADOW) | UInt32(KVM_VCPUEVENT_VALID_NMI_PENDING)
        if hasPayload { self.raw.flags |= UInt32(KVM_VCPUEVENT_VALID_PAYLOAD) }
    }

    func value(of register: Register) -> RegisterValue {
        switch register {
        case .interruption: return RegisterValue(interruption)
        case .state:
            return RegisterValue((raw.interrupt.shadow != 0 ? 1 : 0) | (raw.nmi.masked != 0 ? 2 : 0))
        case .exception:
            guard hasPayload, raw.exception.pending != 0 else { return RegisterValue(0) }
            let head: UInt64 = 1 | (raw.exception.has_error_code != 0 ? 1 << 8 : 0)
            return RegisterValue(
                low: head | UInt64(raw.exception.nr) << 16 | UInt64(raw.exception.error_code) << 32,
                high: raw.exception_has_payload != 0 ? raw.exception_payload : 0)
        }
    }

    /// - Throws: `invalidRegisterValue` for reserved bits and events that there are not; `featureUnavailable` for an
    ///   exception whose delivery did not begin, where KVM has no such thing.
    mutating func set(_ register: Register, to value: RegisterValue) throws(HypercallStatus) {
        switch register {
        case .interruption: try setInterruption(value)
        case .state:
            guard value.low & ~3 == 0 else { throw .invalidRegisterValue }
            // KVM tells by which instruction; both shadows end with the next one.
            raw.interrupt.shadow = value.low & 1 != 0 ? UInt8(KVM_X86_SHADOW_INT_STI) : 0
            raw.nmi.masked = value.low & 2 != 0 ? 1 : 0
        case .exception: try setException(value)
        }
    }

    // MARK: An event whose delivery began

    private enum Kind: UInt64 {
        case interrupt = 0
        case nmi = 2
        case exception = 3
        case softwareInterrupt = 4
        case privilegedSoftwareException = 5
        case softwareException = 6
    }

    private var interruption: UInt64 {
        func word(_ kind: Kind, vector: UInt8, errorCode: UInt32?) -> UInt64 {
            1 | kind.rawValue << 1 | (errorCode != nil ? 1 << 4 : 0) | UInt64(vector) << 16
                | UInt64(errorCode ?? 0) << 32
        }
        if raw.exception.injected != 0 {
            return word(
                .exception, vector: raw.exception.nr,
                errorCode: raw.exception.has_error_code != 0 ? raw.exception.error_code : nil)
        }
        if raw.nmi.injected != 0 { return word(.nmi, vector: 2, errorCode: nil) }
        if raw.interrupt.injected != 0 {
            return word(
                raw.interrupt.soft != 0 ? .softwareInterrupt : .interrupt, vector: raw.interrupt.nr, errorCode: nil)
        }
        return 0
    }

    private mutating func setInterruption(_ value: RegisterValue) throws(HypercallStatus) {
        let word = value.low
        let reserved: UInt64 = 0xFC00
        guard word & reserved == 0 else { throw .invalidRegisterValue }
        var events = raw
        (events.exception.injected, events.nmi.injected, events.interrupt.injected) = (0, 0, 0)
        if word & 1 != 0 {
            guard let kind = Kind(rawValue: word >> 1 & 7), let vector = UInt8(exactly: word >> 16 & 0xFFFF) else {
                throw .invalidRegisterValue
            }
            switch kind {
            case .interrupt, .softwareInterrupt:
                events.interrupt.injected = 1
                events.interrupt.nr = vector
                events.interrupt.soft = kind == .softwareInterrupt ? 1 : 0
            case .nmi:
                guard vector == 2 else { throw .invalidRegisterValue }
                events.nmi.injected = 1
            case .exception, .privilegedSoftwareException, .softwareException:
                guard vector <= 31, vector != 2 else { throw .invalidRegisterValue }
                events.exception.injected = 1
                events.exception.nr = vector
                events.exception.has_error_code = UInt8(word >> 4 & 1)
                events.exception.error_code = UInt32(word >> 32)
            }
        }
        raw = events
    }

    // MARK: An exception whose delivery did not begin

    private mutating func setException(_ value: RegisterValue) throws(HypercallStatus) {
        // Present, type 0, deliver the error code, vector, error code; all else is reserved.
        let reserved: UInt64 = 0xFEFE
        guard value.low & 1 != 0 else {
            guard value.low == 0 else { throw .invalidRegisterValue }
            (raw.exception.pending, raw.exception_has_payload) = (0, 0)
            return
        }
        guard hasPayload else { throw .featureUnavailable }
        guard value.low & reserved == 0, let vector = UInt8(exactly: value.low >> 16 & 0xFFFF), vector <= 31,
            vector != 2
        else { throw .invalidRegisterValue }
        raw.exception.pending = 1
        raw.exception.injected = 0
        raw.exception.nr = vector
        raw.exception.has_error_code = UInt8(value.low >> 8 & 1)
        raw.exception.error_code = UInt32(value.low >> 32)
        // Only a debug exception and a page fault have one: DR6's bits, and the address.
        raw.exception_has_payload = vector == 1 || vector == 14 ? 1 : 0
        raw.exception_payload = raw.exception_has_payload != 0 ? value.high : 0
    }
}
