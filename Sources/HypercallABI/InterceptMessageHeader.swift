/// Whether an access read, wrote or fetched (HV_INTERCEPT_ACCESS_TYPE). Unknown values survive a round trip.
package struct InterceptAccessType: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }

    package static let read = InterceptAccessType(rawValue: 0)
    package static let write = InterceptAccessType(rawValue: 1)
    package static let execute = InterceptAccessType(rawValue: 2)

    package var description: String {
        switch self {
        case .read: "read"
        case .write: "write"
        case .execute: "execute"
        default: "access type \(rawValue)"
        }
    }
}

/// The state of the processor in a few bits (HV_X64_VP_EXECUTION_STATE).
package struct VPExecutionState: RawRepresentable, Hashable, Sendable {
    package var rawValue: UInt16
    package init(rawValue: UInt16) { self.rawValue = rawValue }

    /// - Parameters:
    ///   - cpl: 0...3; only the low two bits are taken.
    package init(
        cpl: UInt8, isProtectedMode: Bool, isLongMode: Bool, checksAlignment: Bool = false, isDebugActive: Bool = false,
        isInterruptionPending: Bool = false, hasInterruptShadow: Bool = false
    ) {
        rawValue =
            UInt16(cpl & 3) | (isProtectedMode ? 1 << 2 : 0) | (checksAlignment ? 1 << 3 : 0)
            | (isLongMode ? 1 << 4 : 0) | (isDebugActive ? 1 << 5 : 0) | (isInterruptionPending ? 1 << 6 : 0)
            | (hasInterruptShadow ? 1 << 12 : 0)
    }

    package var cpl: UInt8 { UInt8(rawValue & 3) }
    /// CR0.PE.
    package var isProtectedMode: Bool { rawValue & 1 << 2 != 0 }
    /// CR0.AM.
    package var checksAlignment: Bool { rawValue & 1 << 3 != 0 }
    /// EFER.LMA.
    package var isLongMode: Bool { rawValue & 1 << 4 != 0 }
    package var isDebugActive: Bool { rawValue & 1 << 5 != 0 }
    package var isInterruptionPending: Bool { rawValue & 1 << 6 != 0 }
    /// The virtual trust level, 0...15.
    package var vtl: UInt8 { UInt8(rawValue >> 7 & 0xF) }
    package var isEnclaveMode: Bool { rawValue & 1 << 11 != 0 }
    package var hasInterruptShadow: Bool { rawValue & 1 << 12 != 0 }
    package var isVirtualizationFaultActive: Bool { rawValue & 1 << 13 != 0 }
}

/// How the messages of most intercepts begin (HV_X64_INTERCEPT_MESSAGE_HEADER).
package struct InterceptMessageHeader: MessagePayload {
    package static let size = 40

    package var vp: VPIndex
    /// 0...15; 0 where the hypervisor does not know it.
    package var instructionLength: UInt8
    /// 0...15.
    package var cr8: UInt8
    package var access: InterceptAccessType
    package var state: VPExecutionState
    package var cs: SegmentRegister
    /// Of the instruction that was stopped.
    package var rip: UInt64
    package var rflags: UInt64

    package init(
        vp: VPIndex, instructionLength: UInt8 = 0, cr8: UInt8 = 0, access: InterceptAccessType = .read,
        state: VPExecutionState, cs: SegmentRegister, rip: UInt64, rflags: UInt64
    ) {
        self.vp = vp
        self.instructionLength = instructionLength
        self.cr8 = cr8
        self.access = access
        self.state = state
        self.cs = cs
        self.rip = rip
        self.rflags = rflags
    }

    package init(decoding payload: PayloadReader) throws(MessageError) {
        vp = try payload.read(UInt32.self, at: 0)
        let lengths = try payload.read(UInt8.self, at: 4)
        instructionLength = lengths & 0xF
        cr8 = lengths >> 4
        access = InterceptAccessType(rawValue: try payload.read(UInt8.self, at: 5))
        state = VPExecutionState(rawValue: try payload.read(UInt16.self, at: 6))
        cs = try payload.segment(at: 8)
        rip = try payload.read(UInt64.self, at: 24)
        rflags = try payload.read(UInt64.self, at: 32)
    }

    package func encode(into payload: PayloadWriter) throws(MessageError) {
        try payload.write(vp, at: 0)
        let length = try payload.bits(instructionLength, 4, "instruction length")
        try payload.write(UInt8(length | (try payload.bits(cr8, 4, "CR8")) << 4), at: 4)
        try payload.write(access.rawValue, at: 5)
        try payload.write(state.rawValue, at: 6)
        try payload.write(cs, at: 8)
        try payload.write(rip, at: 24)
        try payload.write(rflags, at: 32)
    }
}
