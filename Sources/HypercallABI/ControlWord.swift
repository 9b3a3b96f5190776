/// A hypercall's input value (TLFS, "Hypercall Interface"): which call, how its input is passed, and which repetitions
/// are asked for.
package struct ControlWord: RawRepresentable, Hashable, Sendable {
    package var rawValue: UInt64
    package init(rawValue: UInt64) { self.rawValue = rawValue }

    /// - Parameters:
    ///   - variableHeaderSize: in units of 8 bytes, 0...1023.
    ///   - repCount: 0 for a simple call, else 1...4095.
    ///   - repStart: the first repetition to do, below `repCount`.
    package init(
        _ code: CallCode, fast: Bool = false, variableHeaderSize: Int = 0, repCount: Int = 0, repStart: Int = 0
    ) {
        rawValue =
            UInt64(code.rawValue) | (fast ? 1 << 16 : 0) | UInt64(variableHeaderSize & 0x3FF) << 17
            | UInt64(repCount & 0xFFF) << 32 | UInt64(repStart & 0xFFF) << 48
    }

    package var code: CallCode { CallCode(rawValue: UInt16(truncatingIfNeeded: rawValue)) }
    package var isFast: Bool { rawValue & 1 << 16 != 0 }
    /// In units of 8 bytes.
    package var variableHeaderSize: Int { Int(rawValue >> 17 & 0x3FF) }
    package var isNested: Bool { rawValue & 1 << 31 != 0 }
    package var repCount: Int { Int(rawValue >> 32 & 0xFFF) }
    package var repStart: Int { Int(rawValue >> 48 & 0xFFF) }
    /// Whether a bit that must be zero is not: 27...30, 44...47, 60...63.
    package var hasReservedBits: Bool { rawValue & 0xF000_F000_7800_0000 != 0 }
}

/// A hypercall's result value (TLFS, "Hypercall Interface"): the status, and how many repetitions are complete, counted
/// from the first.
package struct ResultWord: RawRepresentable, Hashable, Sendable {
    package var rawValue: UInt64
    package init(rawValue: UInt64) { self.rawValue = rawValue }

    package init(_ status: HypercallStatus, repsCompleted: Int = 0) {
        rawValue = UInt64(status.rawValue) | UInt64(repsCompleted & 0xFFF) << 32
    }

    package var status: HypercallStatus { HypercallStatus(rawValue: UInt16(truncatingIfNeeded: rawValue)) }
    package var repsCompleted: Int { Int(rawValue >> 32 & 0xFFF) }
}
