/// Where the machine's devices and tables stand. The guest learns it from ACPI; the boot loader and the machine read it
/// here, so that there is one truth.
package enum Platform {
    // Guest physical addresses.

    /// Memory below this address is low memory; what doesn't fit goes to `highMemoryStart`.
    package static let mmioGapStart: UInt64 = 0xC000_0000
    package static let highMemoryStart: UInt64 = 0x1_0000_0000
    /// Where PCI devices' registers of 32 bits lie.
    package static let pciLowWindow: Range<UInt64> = mmioGapStart..<0xE000_0000
    /// The configuration space of PCI bus 0.
    package static let ecamBase: UInt64 = 0xE000_0000
    package static let ioAPICBase: UInt64 = 0xFEC0_0000
    package static let ioAPICSize: UInt64 = 0x1000
    package static let localAPICBase: UInt64 = 0xFEE0_0000
    package static let acpiTablesStart: UInt64 = 0xE_0000
    /// The first address after the tables' area.
    package static let acpiTablesEnd: UInt64 = 0x10_0000
    package static let rsdpAddress: UInt64 = acpiTablesStart

    /// Where PCI devices' registers of 64 bits lie: above all memory, so low that every processor's physical addresses
    /// reach it unless the memory itself does not leave room.
    ///
    /// - Parameter memoryEnd: the first address that is no memory's.
    package static func pciHighWindow(memoryEnd: UInt64) -> Range<UInt64> {
        // Guests are far smaller than 2^62.
        let end = max(highMemoryStart, min(memoryEnd, 1 << 62))
        let start = (end + pciHighWindowSize - 1) / pciHighWindowSize * pciHighWindowSize
        return start..<(start + pciHighWindowSize)
    }

    private static let pciHighWindowSize: UInt64 = 64 << 30

    // Ports.

    /// Where PCI devices' ports lie.
    package static let pciPortWindow: Range<UInt64> = 0xC000..<0x1_0000
    package static let pciConfigurationPort: UInt16 = 0xCF8
    package static let pciConfigurationCount: UInt64 = 8
    package static let com1Port: UInt16 = 0x3F8
    package static let com1Count: UInt64 = 8
    package static let cmosPort: UInt16 = 0x70
    package static let cmosCount: UInt64 = 2
    /// ACPI's SLEEP_CONTROL_REG, SLEEP_STATUS_REG and RESET_REG, one byte each.
    package static let sleepControlPort: UInt16 = 0x600
    package static let sleepStatusPort: UInt16 = 0x601
    package static let resetPort: UInt16 = 0x602
    /// What, written to `resetPort`, resets the machine.
    package static let resetValue: UInt8 = 1
    /// The pending events of the generic event device, one byte; reading clears it.
    package static let eventPort: UInt16 = 0x608
    /// Which PCI slots were filled and which are to be emptied, three registers of four bytes.
    package static let pciHotplugPort: UInt16 = 0x610
    package static let pciHotplugCount: UInt64 = 12
    /// The registers of the watchdog timer, where the machine has one.
    package static let watchdogPort: UInt16 = 0x620
    /// Which processors there are, which came and which are to go: see `ProcessorHotplug`.
    package static let processorHotplugPort: UInt16 = 0x680
    package static let processorHotplugCount: UInt64 = 128
    /// Writing a byte ends the machine with that code; four ports, so that 32-bit writes reach it too.
    package static let debugExitPort: UInt16 = 0xF4
    package static let debugExitCount: UInt64 = 4
    package static let i8042DataPort: UInt16 = 0x60
    package static let i8042CommandPort: UInt16 = 0x64
    package static let cf9Port: UInt16 = 0xCF9

    // Global system interrupts: pins of the I/O APIC.

    package static let com1GSI = 4
    package static let cmosGSI = 8
    package static let gedGSI = 16
}
