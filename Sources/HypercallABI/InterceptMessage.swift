/// What a message of the hypervisor says: every type with a layout that is known for x86-64, and the bytes of the others.
package enum InterceptMessage: Hashable, Sendable {
    /// An empty slot.
    case none
    /// An access to a guest physical address without memory behind it: a device's, or nothing's.
    case unmappedGPA(MemoryIntercept)
    /// An access that the mapping does not permit.
    case gpaIntercept(MemoryIntercept)
    case unacceptedGPA(MemoryIntercept)
    case gpaAttribute(GPAAttributeIntercept)
    case timerExpired(TimerExpired)
    case invalidVPRegister(InvalidVPRegister)
    /// A triple fault.
    case unrecoverableException(BareIntercept)
    case unsupportedFeature(UnsupportedFeature)
    case opaque(OpaqueIntercept)
    case hypercall(HypercallIntercept)
    case synicSint(SINTNotification)
    case sintDeliverable(SINTDeliverable)
    case asyncCallCompletion(AsyncCallCompletion)
    case schedulerSignalBitset(SchedulerSignalBitset)
    case schedulerSignalPairs(SchedulerSignalPairs)
    case ioPort(IOPortIntercept)
    case msr(MSRIntercept)
    case cpuid(CPUIDIntercept)
    case exception(ExceptionIntercept)
    case apicEOI(APICEOI)
    case registerIntercept(RegisterIntercept)
    case halt(BareIntercept)
    case interruptionDeliverable(InterruptionDeliverable)
    case sipi(SIPIIntercept)
    /// Any other type, with its valid payload: at most 240 bytes.
    case unknown(MessageType, payload: [UInt8])
}

extension InterceptMessage {
    package var type: MessageType {
        switch self {
        case .none: .none
        case .unmappedGPA: .unmappedGPA
        case .gpaIntercept: .gpaIntercept
        case .unacceptedGPA: .unacceptedGPA
        case .gpaAttribute: .gpaAttributeIntercept
        case .timerExpired: .timerExpired
        case .invalidVPRegister: .invalidVPRegisterValue
        case .unrecoverableException: .unrecoverableException
        case .unsupportedFeature: .unsupportedFeature
        case .opaque: .opaqueIntercept
        case .hypercall: .hypercallIntercept
        case .synicSint: .synicSintIntercept
        case .sintDeliverable: .synicSintDeliverable
        case .asyncCallCompletion: .asyncCallCompletion
        case .schedulerSignalBitset: .schedulerVPSignalBitset
        case .schedulerSignalPairs: .schedulerVPSignalPair
        case .ioPort: .ioPortIntercept
        case .msr: .msrIntercept
        case .cpuid: .cpuidIntercept
        case .exception: .exceptionIntercept
        case .apicEOI: .apicEOI
        case .registerIntercept: .registerIntercept
        case .halt: .halt
        case .interruptionDeliverable: .interruptionDeliverable
        case .sipi: .sipiIntercept
        case .unknown(let type, _): type
        }
    }

    /// The common header; nil where the message has none.
    package var header: InterceptMessageHeader? {
        switch self {
        case .unmappedGPA(let message), .gpaIntercept(let message), .unacceptedGPA(let message): message.header
        case .unrecoverableException(let message), .halt(let message): message.header
        case .hypercall(let message): message.header
        case .sintDeliverable(let message): message.header
        case .ioPort(let message): message.header
        case .msr(let message): message.header
        case .cpuid(let message): message.header
        case .exception(let message): message.header
        case .registerIntercept(let message): message.header
        case .interruptionDeliverable(let message): message.header
        case .sipi(let message): message.header
        case .none, .gpaAttribute, .timerExpired, .invalidVPRegister, .unsupportedFeature, .opaque, .synicSint,
            .asyncCallCompletion, .schedulerSignalBitset, .schedulerSignalPairs, .apicEOI, .unknown:
            nil
        }
    }

    init(decoding payload: PayloadReader) throws(MessageError) {
        switch payload.type {
        case .none where payload.count == 0: self = .none
        case .unmappedGPA: self = .unmappedGPA(try decode(payload))
        case .gpaIntercept: self = .gpaIntercept(try decode(payload))
        case .unacceptedGPA: self = .unacceptedGPA(try decode(payload))
        case .gpaAttributeIntercept: self = .gpaAttribute(try decode(payload))
        case .timerExpired: self = .timerExpired(try decode(payload))
        case .invalidVPRegisterValue: self = .invalidVPRegister(try decode(payload))
        case .unrecoverableException: self = .unrecoverableException(try decode(payload))
        case .unsupportedFeature: self = .unsupportedFeature(try decode(payload))
        case .opaqueIntercept: self = .opaque(try decode(payload))
        case .hypercallIntercept: self = .hypercall(try decode(payload))
        case .synicSintIntercept: self = .synicSint(try decode(payload))
        case .synicSintDeliverable: self = .sintDeliverable(try decode(payload))
        case .asyncCallCompletion: self = .asyncCallCompletion(try decode(payload))
        case .schedulerVPSignalBitset: self = .schedulerSignalBitset(try decode(payload))
        case .schedulerVPSignalPair: self = .schedulerSignalPairs(try decode(payload))
        case .ioPortIntercept: self = .ioPort(try decode(payload))
        case .msrIntercept: self = .msr(try decode(payload))
        case .cpuidIntercept: self = .cpuid(try decode(payload))
        case .exceptionIntercept: self = .exception(try decode(payload))
        case .apicEOI: self = .apicEOI(try decode(payload))
        // The headers disagree about this number: what is too short for the one is taken as the other.
        case .registerIntercept where payload.count >= RegisterIntercept.size:
            self = .registerIntercept(try decode(payload))
        case .halt: self = .halt(try decode(payload))
        case .interruptionDeliverable: self = .interruptionDeliverable(try decode(payload))
        case .sipiIntercept: self = .sipi(try decode(payload))
        default: self = .unknown(payload.type, payload: payload.all)
        }
    }

    /// Calls `body` with the payload, where it is a structure.
    func withPayload<Result>(
        _ body: (any MessagePayload) throws(MessageError) -> Result
    ) throws(MessageError) -> Result? {
        switch self {
        case .none, .unknown: nil
        case .unmappedGPA(let payload), .gpaIntercept(let payload), .unacceptedGPA(let payload): try body(payload)
        case .gpaAttribute(let payload): try body(payload)
        case .timerExpired(let payload): try body(payload)
        case .invalidVPRegister(let payload): try body(payload)
        case .unrecoverableException(let payload), .halt(let payload): try body(payload)
        case .unsupportedFeature(let payload): try body(payload)
        case .opaque(let payload): try body(payload)
        case .hypercall(let payload): try body(payload)
        case .synicSint(let payload): try body(payload)
        case .sintDeliverable(let payload): try body(payload)
        case .asyncCallCompletion(let payload): try body(payload)
        case .schedulerSignalBitset(let payload): try body(payload)
        case .schedulerSignalPairs(let payload): try body(payload)
        case .ioPort(let payload): try body(payload)
        case .msr(let payload): try body(payload)
        case .cpuid(let payload): try body(payload)
        case .exception(let payload): try body(payload)
        case .apicEOI(let payload): try body(payload)
        case .registerIntercept(let payload): try body(payload)
        case .interruptionDeliverable(let payload): try body(payload)
        case .sipi(let payload): try body(payload)
        }
    }
}

/// Decodes a structure after checking that all of it is there.
private func decode<Payload: MessagePayload>(_ payload: PayloadReader) throws(MessageError) -> Payload {
    guard payload.count >= Payload.size else {
        throw MessageError.payloadTooShort(payload.type, size: payload.count, needed: Payload.size)
    }
    return try Payload(decoding: payload)
}
