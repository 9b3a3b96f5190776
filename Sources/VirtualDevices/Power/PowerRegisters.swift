/// What a guest asks for through the machine's power registers.
package enum PowerRequest: Equatable, Sendable {
    case powerOff
    case reset
    /// The test port was written with this code.
    case debugExit(UInt8)
}

/// The registers that end or restart the machine: no lock, no bus.
package struct PowerRegisters: Equatable, Sendable {
    enum Register: CaseIterable, Sendable {
        case sleepControl, sleepStatus, reset, debugExit, i8042Data, i8042Command, cf9

        var port: UInt16 {
            switch self {
            case .sleepControl: Platform.sleepControlPort
            case .sleepStatus: Platform.sleepStatusPort
            case .reset: Platform.resetPort
            case .debugExit: Platform.debugExitPort
            case .i8042Data: Platform.i8042DataPort
            case .i8042Command: Platform.i8042CommandPort
            case .cf9: Platform.cf9Port
            }
        }
    }

    /// ACPI 6.5, 4.8.3.7: SLP_TYPx at bits 2 to 4, SLP_EN bit 5; WAK_STS bit 7 of the status.
    private enum Sleep {
        static let enable: UInt8 = 0x20
        static let wakeStatus: UInt8 = 0x80
    }

    /// \_S5's SLP_TYP.
    static let softOffType: UInt8 = 5

    private var sleepStatus: UInt8 = 0
    private var cf9: UInt8 = 0

    package init() {}

    func read(_ register: Register) -> UInt8 {
        switch register {
        case .sleepStatus: sleepStatus
        case .cf9: cf9
        // "Output buffer full" for ever: a driver that probes for a controller gives up while flushing it. "Input buffer
        // full" is never set: who only wants the reset command writes it at once.
        case .i8042Command: 0x01
        case .sleepControl, .reset, .debugExit, .i8042Data: 0
        }
    }

    mutating func write(_ register: Register, _ value: UInt8) -> PowerRequest? {
        switch register {
        case .sleepControl:
            guard value & Sleep.enable != 0 else { return nil }
            if value >> 2 & 7 == Self.softOffType { return .powerOff }
            // Another sleep state ends as it begins: the guest waits for the wake status.
            sleepStatus |= Sleep.wakeStatus
            return nil
        case .sleepStatus:
            sleepStatus &= ~(value & Sleep.wakeStatus)
            return nil
        case .reset: return value == Platform.resetValue ? .reset : nil
        case .cf9:
            cf9 = value & 0x0A
            return value & 0x04 != 0 ? .reset : nil
        case .i8042Command: return value == 0xFE ? .reset : nil
        case .i8042Data: return nil
        case .debugExit: return .debugExit(value)
        }
    }
}
