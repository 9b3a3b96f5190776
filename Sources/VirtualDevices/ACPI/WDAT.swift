/// The watchdog action table (Microsoft, "Hardware Watchdog Timers Design Specification", 1.03): by which instructions
/// the guest's driver does what to the registers of `WatchdogTimer`.
extension ACPITables {
    /// What the driver wants done.
    private enum Action: UInt8 {
        case reset = 1
        case queryCountdown = 4
        case queryCountdownValue = 5
        case setCountdown = 6
        case queryRunning = 8
        case setRunning = 9
        case queryStopped = 10
        case setStopped = 11
        case queryStatus = 32
        case setStatus = 33
    }

    private enum Instruction: UInt8 {
        case readValue = 0
        case readCountdown = 1
        case writeValue = 2
        case writeCountdown = 3
    }

    static var watchdogActions: [UInt8] {
        typealias Register = WatchdogRegisters.Register
        let entries: [(action: Action, instruction: Instruction, register: Register, value: UInt32, mask: UInt32)] = [
            (.reset, .writeValue, .reload, 1, 1),
            (.queryCountdown, .readCountdown, .countdown, 0, 0xFFFF),
            (.queryCountdownValue, .readCountdown, .reload, 0, 0xFFFF),
            (.setCountdown, .writeCountdown, .countdown, 0, 0xFFFF),
            (.queryRunning, .readValue, .control, 1, 1),
            (.setRunning, .writeValue, .control, 1, 1),
            (.queryStopped, .readValue, .control, 0, 1),
            (.setStopped, .writeValue, .control, 0, 1),
            (.queryStatus, .readValue, .status, 1, 1),
            (.setStatus, .writeValue, .status, 1, 1),
        ]
        let headerSize: UInt32 = 32
        // A watchdog that is no PCI function.
        let noSegment: UInt16 = 0xFF
        let noFunction: [UInt8] = [0xFF, 0xFF, 0xFF, 0, 0, 0]
        let millisecondsPerCount: UInt32 = 1000
        let enabled: UInt8 = 1
        var table = ACPITable(signature: "WDAT", revision: 1)
        table.append(headerSize)
        table.append(noSegment)
        table.append(noFunction)
        table.append(millisecondsPerCount)
        table.append(WatchdogRegisters.counts.upperBound)
        table.append(WatchdogRegisters.counts.lowerBound)
        table.append([enabled, 0, 0, 0])
        table.append(UInt32(entries.count))
        for entry in entries {
            table.append([entry.action.rawValue, entry.instruction.rawValue, 0, 0])
            table.append(doubleWordRegister(Platform.watchdogPort + UInt16(entry.register.rawValue)))
            table.append(entry.value)
            table.append(entry.mask)
        }
        return table.finished()
    }

    /// A generic address (ACPI 6.5, 5.2.3.2): one port, accessed as 32 bits.
    private static func doubleWordRegister(_ port: UInt16) -> [UInt8] {
        let systemIO: UInt8 = 1
        let doubleWordAccess: UInt8 = 3
        return [systemIO, 32, 0, doubleWordAccess] + littleEndianBytes(UInt64(port))
    }
}
