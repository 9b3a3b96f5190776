import HypercallABI

/// The registers that the embedded hypervisor itself has, and their rules. All have 64 bits: the upper half of a
/// value is not looked at (callers leave what was there), and every bit that the rule says must be zero is
/// `invalidRegisterValue`.
enum HypervisorRegister {
    /// One of the processor's suspensions: bit 0.
    case suspension
    /// Nothing but what it was set to, from `initial` on.
    case stored(initial: UInt64, reserved: UInt64, isShared: Bool)
    /// A synthetic timer's configuration or count.
    case timer(Int, isCount: Bool)
    /// Setting it is `accessDenied`.
    case readOnly
    /// Zero, because there is no such event here; anything else is `invalidParameter`.
    case absent
    /// Zero, whatever it is set to; setting it delivers messages that wait.
    case endOfMessage
    /// The engine's, where the engine has it; else as stored.
    case engineFirst(reserved: UInt64)

    /// Whether messages that wait may be deliverable once the register is set.
    static func isSynIC(_ name: RegisterName) -> Bool {
        if processorRegisters.contains(name.rawValue) { return false }
        return switch name {
        case .eom, .scontrol, .simp: true
        default: (RegisterName.sint0.rawValue...RegisterName.sint15.rawValue).contains(name.rawValue)
        }
    }

    /// General, control, segment, table, debug and floating-point registers, and MSRs of the processor.
    private static let processorRegisters: Range<UInt32> = 0x2_0000..<0x9_0000

    /// - Returns: nil for a register that is the engine's alone.
    static func rule(for name: RegisterName) -> HypervisorRegister? {
        // Most calls are about these, and lists of registers are long.
        if processorRegisters.contains(name.rawValue) { return nil }
        return switch name {
        case .explicitSuspend, .interceptSuspend, .dispatchSuspend: .suspension
        case .vpIndex, .vpRuntime, .timeRefCount, .sversion: .readOnly
        case .deliverabilityNotifications, .pendingEvent1: .absent
        case .internalActivityState: .engineFirst(reserved: ~0x7)
        case .guestOsId, .guestCrashP0, .guestCrashP1, .guestCrashP2, .guestCrashP3, .guestCrashP4, .guestCrashCtl:
            .stored(initial: 0, reserved: 0, isShared: true)
        // Enable, locked, and the page.
        case .hypercall: .stored(initial: 0, reserved: 0xFFC, isShared: true)
        case .referenceTsc: .stored(initial: 0, reserved: 0xFFE, isShared: true)
        case .vpAssistPage, .simp, .siefp: .stored(initial: 0, reserved: 0xFFE, isShared: false)
        case .eom: .endOfMessage
        case .scontrol: .stored(initial: 0, reserved: ~0x1, isShared: false)
        case .stimer0Config: .timer(0, isCount: false)
        case .stimer0Count: .timer(0, isCount: true)
        case .stimer1Config: .timer(1, isCount: false)
        case .stimer1Count: .timer(1, isCount: true)
        case .stimer2Config: .timer(2, isCount: false)
        case .stimer2Count: .timer(2, isCount: true)
        case .stimer3Config: .timer(3, isCount: false)
        case .stimer3Count: .timer(3, isCount: true)
        default:
            // Vector, masked (as they begin), auto EOI, polling, as intercept, proxy.
            (RegisterName.sint0.rawValue...RegisterName.sint15.rawValue).contains(name.rawValue)
                ? .stored(initial: 0x1_0000, reserved: ~0x1F_00FF, isShared: false) : nil
        }
    }
}
