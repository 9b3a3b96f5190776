import CZydis
import HypercallABI

/// How the processor reads instructions and makes addresses.
enum ProcessorMode: Sendable {
    /// Real mode and virtual-8086 mode: segments have a limit and no rights.
    case real
    /// Protected mode and long mode's compatibility submode.
    case protected16, protected32
    case long64

    init(_ state: GuestState) {
        if state.efer & 1 << 10 != 0, state.cs.attributes & 1 << 13 != 0 {
            self = .long64
        } else if state.cr0 & 1 == 0 || state.rflags & Flags.virtual8086 != 0 {
            self = .real
        } else {
            self = state.cs.isBig ? .protected32 : .protected16
        }
    }

    var decoderMode: ZydisMachineMode {
        switch self {
        case .real: ZYDIS_MACHINE_MODE_REAL_16
        case .protected16: ZYDIS_MACHINE_MODE_LEGACY_16
        case .protected32: ZYDIS_MACHINE_MODE_LEGACY_32
        case .long64: ZYDIS_MACHINE_MODE_LONG_64
        }
    }

    /// The bits that a linear address has.
    var linearMask: UInt64 { self == .long64 ? .max : 0xFFFF_FFFF }
}

extension SegmentRegister {
    /// D or B: 32-bit code, a 32-bit stack pointer, or the upper bound of a segment that grows down.
    var isBig: Bool { attributes & 1 << 14 != 0 }
    var isPresent: Bool { attributes & 1 << 7 != 0 }
    var isCode: Bool { attributes & 1 << 3 != 0 }
    var growsDown: Bool { !isCode && attributes & 1 << 2 != 0 }

    /// Whether the segment's type allows the access.
    func allows(_ access: MemoryAccess) -> Bool {
        switch access {
        case .read: !isCode || attributes & 2 != 0
        case .write: !isCode && attributes & 2 != 0
        case .execute: isCode
        }
    }

    /// Whether the bytes from `offset` on lie in the segment.
    func contains(_ offset: UInt64, count: UInt64) -> Bool {
        let (last, overflow) = offset.addingReportingOverflow(count &- 1)
        if overflow { return false }
        if growsDown { return offset > UInt64(limit) && last <= (isBig ? 0xFFFF_FFFF : 0xFFFF) }
        return last <= UInt64(limit)
    }
}

extension GuestState {
    /// Whether a linear address is canonical with the page tables' depth.
    func isCanonical(_ address: UInt64) -> Bool {
        let unused: UInt64 = cr4 & 1 << 12 != 0 ? 7 : 16
        let signed = Int64(bitPattern: address)
        return (signed << unused) >> unused == signed
    }

    /// The error code of a fault that has one: real mode pushes none.
    var zeroErrorCode: UInt32? { cr0 & 1 == 0 ? nil : 0 }

    /// The state with all sixteen registers, whatever the caller left out.
    var complete: GuestState {
        var state = self
        state.general = Array((general + Array(repeating: 0, count: 16)).prefix(16))
        state.xmm = Array((xmm + Array(repeating: RegisterValue(0), count: 16)).prefix(16))
        return state
    }
}
