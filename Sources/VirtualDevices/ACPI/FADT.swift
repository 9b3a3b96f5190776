extension ACPITables {
    /// Offsets in the table (ACPI 6.5, table 5.9).
    private enum Field {
        static let dsdt = 40
        static let preferredProfile = 45
        static let c2Latency = 96
        static let c3Latency = 98
        static let century = 108
        static let bootArchitecture = 109
        static let flags = 112
        static let resetRegister = 116
        static let resetValue = 128
        static let minorVersion = 131
        static let extendedDSDT = 140
        static let sleepControl = 244
        static let sleepStatus = 256
        static let hypervisorVendor = 268
        static let size = 276
    }

    private struct Flags: OptionSet {
        let rawValue: UInt32
        static let wbinvd = Flags(rawValue: 1 << 0)
        static let c1OnAllProcessors = Flags(rawValue: 1 << 2)
        /// The buttons are devices of the namespace (or absent), not fixed hardware.
        static let powerButtonIsDevice = Flags(rawValue: 1 << 4)
        static let sleepButtonIsDevice = Flags(rawValue: 1 << 5)
        /// The clock's wake status is not in fixed hardware.
        static let clockWakeIsNotFixed = Flags(rawValue: 1 << 6)
        static let resetRegister = Flags(rawValue: 1 << 10)
        static let hardwareReduced = Flags(rawValue: 1 << 20)
    }

    /// The fixed description of a hardware-reduced machine: three registers, everything else in the DSDT.
    static func fixedDescription(dsdt: UInt64) -> [UInt8] {
        let flags: Flags = [
            .wbinvd, .c1OnAllProcessors, .powerButtonIsDevice, .sleepButtonIsDevice, .clockWakeIsNotFixed,
            .resetRegister, .hardwareReduced,
        ]
        // Bit 2. The cleared bits say: no i8042, MSI works, the CMOS clock is there.
        let noVGA: UInt16 = 1 << 2
        let enterpriseServer: UInt8 = 4
        var table = ACPITable(signature: "FACP", revision: 6)
        table.extend(to: Field.size)
        table.set(UInt32(truncatingIfNeeded: dsdt), at: Field.dsdt)
        table.set(dsdt, at: Field.extendedDSDT)
        table.set(enterpriseServer, at: Field.preferredProfile)
        // More than 100 and 1000 microseconds: there is no C2 and no C3.
        table.set(UInt16(101), at: Field.c2Latency)
        table.set(UInt16(1001), at: Field.c3Latency)
        table.set(UInt8(0x32), at: Field.century)
        table.set(noVGA, at: Field.bootArchitecture)
        table.set(flags.rawValue, at: Field.flags)
        table.set(byteRegister(Platform.resetPort), at: Field.resetRegister)
        table.set(Platform.resetValue, at: Field.resetValue)
        table.set(UInt8(5), at: Field.minorVersion)
        table.set(byteRegister(Platform.sleepControlPort), at: Field.sleepControl)
        table.set(byteRegister(Platform.sleepStatusPort), at: Field.sleepStatus)
        table.set(Array("HVROOT".utf8), at: Field.hypervisorVendor)
        return table.finished()
    }

    /// A generic address (ACPI 6.5, 5.2.3.2): one port, accessed as a byte.
    private static func byteRegister(_ port: UInt16) -> [UInt8] {
        let systemIO: UInt8 = 1
        let byteAccess: UInt8 = 1
        return [systemIO, 8, 0, byteAccess] + littleEndianBytes(UInt64(port))
    }
}
