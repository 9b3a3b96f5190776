/// An interrupt can be taken now, as was asked for (HV_X64_INTERRUPTION_DELIVERABLE_MESSAGE).
package struct InterruptionDeliverable: MessagePayload {
    package static let size = 48

    package var header: InterceptMessageHeader
    /// 0 interrupt, 2 NMI, 3 exception.
    package var type: UInt32

    package init(header: InterceptMessageHeader, type: UInt32) {
        self.header = header
        self.type = type
    }
    package init(decoding payload: PayloadReader) throws(MessageError) {
        header = try InterceptMessageHeader(decoding: payload)
        type = try payload.read(UInt32.self, at: 40)
    }
    package func encode(into payload: PayloadWriter) throws(MessageError) {
        try header.encode(into: payload)
        try payload.write(type, at: 40)
    }
}

/// Message slots that were full are free again (HV_X64_SINT_DELIVERABLE_MESSAGE).
package struct SINTDeliverable: MessagePayload {
    package static let size = 48

    package var header: InterceptMessageHeader
    /// A bit for each of the 16 SINTs.
    package var sints: UInt16

    package init(header: InterceptMessageHeader, sints: UInt16) {
        self.header = header
        self.sints = sints
    }
    package init(decoding payload: PayloadReader) throws(MessageError) {
        header = try InterceptMessageHeader(decoding: payload)
        sints = try payload.read(UInt16.self, at: 40)
    }
    package func encode(into payload: PayloadWriter) throws(MessageError) {
        try header.encode(into: payload)
        try payload.write(sints, at: 40)
    }
}

/// A startup IPI that the root has to carry out (HV_X64_SIPI_INTERCEPT_MESSAGE).
package struct SIPIIntercept: MessagePayload {
    package static let size = 48

    package var header: InterceptMessageHeader
    package var target: VPIndex
    /// The page where the processor is to start.
    package var vector: UInt32

    package init(header: InterceptMessageHeader, target: VPIndex, vector: UInt32) {
        self.header = header
        self.target = target
        self.vector = vector
    }
    package init(decoding payload: PayloadReader) throws(MessageError) {
        header = try InterceptMessageHeader(decoding: payload)
        target = try payload.read(UInt32.self, at: 40)
        vector = try payload.read(UInt32.self, at: 44)
    }
    package func encode(into payload: PayloadWriter) throws(MessageError) {
        try header.encode(into: payload)
        try payload.write(target, at: 40)
        try payload.write(vector, at: 44)
    }
}

/// The end of a level-triggered interrupt (HV_X64_APIC_EOI_MESSAGE).
package struct APICEOI: MessagePayload {
    package static let size = 8

    package var vp: VPIndex
    package var vector: UInt32

    package init(vp: VPIndex, vector: UInt32) {
        self.vp = vp
        self.vector = vector
    }
    package init(decoding payload: PayloadReader) throws(MessageError) {
        vp = try payload.read(UInt32.self, at: 0)
        vector = try payload.read(UInt32.self, at: 4)
    }
    package func encode(into payload: PayloadWriter) throws(MessageError) {
        try payload.write(vp, at: 0)
        try payload.write(vector, at: 4)
    }
}

/// A VP with register values that the processor cannot run (HV_X64_INVALID_VP_REGISTER_MESSAGE).
package struct InvalidVPRegister: MessagePayload {
    package static let size = 8

    package var vp: VPIndex

    package init(vp: VPIndex) { self.vp = vp }
    package init(decoding payload: PayloadReader) throws(MessageError) {
        vp = try payload.read(UInt32.self, at: 0)
    }
    package func encode(into payload: PayloadWriter) throws(MessageError) { try payload.write(vp, at: 0) }
}

/// Something of the guest that the hypervisor cannot do (HV_X64_UNSUPPORTED_FEATURE_MESSAGE).
package struct UnsupportedFeature: MessagePayload {
    package static let size = 16

    package var vp: VPIndex
    /// 1 an intercept, 2 a task switch.
    package var feature: UInt32
    package var parameter: UInt64

    package init(vp: VPIndex, feature: UInt32, parameter: UInt64) {
        self.vp = vp
        self.feature = feature
        self.parameter = parameter
    }
    package init(decoding payload: PayloadReader) throws(MessageError) {
        vp = try payload.read(UInt32.self, at: 0)
        feature = try payload.read(UInt32.self, at: 4)
        parameter = try payload.read(UInt64.self, at: 8)
    }
    package func encode(into payload: PayloadWriter) throws(MessageError) {
        try payload.write(vp, at: 0)
        try payload.write(feature, at: 4)
        try payload.write(parameter, at: 8)
    }
}

/// An intercept of a partition whose state its root must not see (HV_OPAQUE_INTERCEPT_MESSAGE).
package struct OpaqueIntercept: MessagePayload {
    package static let size = 4

    package var vp: VPIndex

    package init(vp: VPIndex) { self.vp = vp }
    package init(decoding payload: PayloadReader) throws(MessageError) {
        vp = try payload.read(UInt32.self, at: 0)
    }
    package func encode(into payload: PayloadWriter) throws(MessageError) { try payload.write(vp, at: 0) }
}

/// A SINT that is handed to the root (the payload is Linux's hv_notification_message_payload; that the two belong
/// together is inferred from their names).
package struct SINTNotification: MessagePayload {
    package static let size = 4

    package var sint: UInt32

    package init(sint: UInt32) { self.sint = sint }
    package init(decoding payload: PayloadReader) throws(MessageError) {
        sint = try payload.read(UInt32.self, at: 0)
    }
    package func encode(into payload: PayloadWriter) throws(MessageError) { try payload.write(sint, at: 0) }
}

/// A synthetic timer went off (HV_TIMER_MESSAGE_PAYLOAD). Times are in units of 100 ns of the partition's reference.
package struct TimerExpired: MessagePayload {
    package static let size = 24

    package var timer: UInt32
    package var expirationTime: UInt64
    package var deliveryTime: UInt64

    package init(timer: UInt32, expirationTime: UInt64, deliveryTime: UInt64) {
        self.timer = timer
        self.expirationTime = expirationTime
        self.deliveryTime = deliveryTime
    }
    package init(decoding payload: PayloadReader) throws(MessageError) {
        timer = try payload.read(UInt32.self, at: 0)
        expirationTime = try payload.read(UInt64.self, at: 8)
        deliveryTime = try payload.read(UInt64.self, at: 16)
    }
    package func encode(into payload: PayloadWriter) throws(MessageError) {
        try payload.write(timer, at: 0)
        try payload.write(expirationTime, at: 8)
        try payload.write(deliveryTime, at: 16)
    }
}

/// The end of a hypercall that answered `callPending` (HV_ASYNC_COMPLETION_MESSAGE_PAYLOAD).
package struct AsyncCallCompletion: MessagePayload {
    package static let size = 24

    package var partition: PartitionID
    package var status: UInt32
    /// Repetitions that are complete.
    package var completed: UInt32
    package var substatus: UInt64

    package init(partition: PartitionID, status: UInt32, completed: UInt32, substatus: UInt64 = 0) {
        self.partition = partition
        self.status = status
        self.completed = completed
        self.substatus = substatus
    }
    package init(decoding payload: PayloadReader) throws(MessageError) {
        partition = PartitionID(rawValue: try payload.read(UInt64.self, at: 0))
        status = try payload.read(UInt32.self, at: 8)
        completed = try payload.read(UInt32.self, at: 12)
        substatus = try payload.read(UInt64.self, at: 16)
    }
    package func encode(into payload: PayloadWriter) throws(MessageError) {
        try payload.write(partition.rawValue, at: 0)
        try payload.write(status, at: 8)
        try payload.write(completed, at: 12)
        try payload.write(substatus, at: 16)
    }
}
