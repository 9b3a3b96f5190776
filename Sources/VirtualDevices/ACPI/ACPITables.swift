/// The tables by which a guest learns what machine it has: hardware-reduced ACPI 6.5 without 8259, 8254 and i8042.
package enum ACPITables {
    package struct Configuration: Equatable, Sendable {
        /// Processors that the guest begins with, 1...254. Their APIC identifiers count from 0.
        package let vpCount: Int
        /// Processors that it can have, `vpCount`...254.
        package let maximumVPCount: Int
        /// The first address that is no memory's; it decides where PCI devices' registers of 64 bits can lie.
        package let memoryEnd: UInt64
        /// Whether processors come and go.
        let hasProcessorHotplug: Bool
        package var hasWatchdog = false

        /// Numbers of processors outside their ranges are taken as the nearer end; no maximum: they neither come nor go.
        package init(vpCount: Int, maximumVPCount: Int? = nil, memoryEnd: UInt64) {
            self.vpCount = min(max(vpCount, 1), 254)
            self.maximumVPCount = min(max(maximumVPCount ?? 1, self.vpCount), 254)
            hasProcessorHotplug = maximumVPCount != nil && self.maximumVPCount > 1
            self.memoryEnd = memoryEnd
        }
    }

    /// Where the root pointer stands; a boot protocol that can tell the guest should.
    package static let rsdpAddress = Platform.rsdpAddress

    /// The tables and where to put them, all within `Platform.acpiTablesStart..<acpiTablesEnd`, page-aligned or not,
    /// without overlaps. The root pointer is first.
    package static func build(_ configuration: Configuration) -> [(gpa: UInt64, bytes: [UInt8])] {
        var tables: [(gpa: UInt64, bytes: [UInt8])] = []
        var next = rsdpAddress + 64
        func place(_ bytes: [UInt8]) -> UInt64 {
            let gpa = next
            tables.append((gpa, bytes))
            next = (gpa + UInt64(bytes.count) + 63) / 64 * 64
            return gpa
        }
        let dsdt = place(differentiatedSystemDescription(configuration))
        let fadt = place(fixedDescription(dsdt: dsdt))
        let madt = place(multipleAPICDescription(configuration))
        let mcfg = place(memoryMappedConfiguration)
        let watchdog = configuration.hasWatchdog ? [place(watchdogActions)] : []
        let xsdt = place(extendedSystemDescription([fadt, madt, mcfg] + watchdog))
        return [(rsdpAddress, rootPointer(xsdt: xsdt))] + tables
    }

    /// ACPI 6.5, 5.2.5.3.
    private static func rootPointer(xsdt: UInt64) -> [UInt8] {
        let revision: UInt8 = 2
        var bytes = Array("RSD PTR ".utf8) + [0] + ACPITable.oemID + [revision]
        bytes += littleEndianBytes(UInt32(0)) + littleEndianBytes(UInt32(36)) + littleEndianBytes(xsdt) + [0, 0, 0, 0]
        bytes[8] = acpiChecksum(bytes.prefix(20))
        bytes[32] = acpiChecksum(bytes)
        return bytes
    }

    /// ACPI 6.5, 5.2.8.
    private static func extendedSystemDescription(_ tables: [UInt64]) -> [UInt8] {
        var table = ACPITable(signature: "XSDT", revision: 1)
        for address in tables { table.append(address) }
        return table.finished()
    }

    /// ACPI 6.5, 5.2.12.
    private static func multipleAPICDescription(_ configuration: Configuration) -> [UInt8] {
        var table = ACPITable(signature: "APIC", revision: 5)
        table.append(UInt32(truncatingIfNeeded: Platform.localAPICBase))
        let noCompatible8259: UInt32 = 0
        table.append(noCompatible8259)
        for processor in 0..<configuration.maximumVPCount {
            table.append(localAPIC(processor, processor < configuration.vpCount ? .enabled : .onlineCapable))
        }
        table.append([1, 12, 0, 0])
        table.append(UInt32(truncatingIfNeeded: Platform.ioAPICBase))
        let firstGSI: UInt32 = 0
        table.append(firstGSI)
        // NMI at LINT1 of every processor, polarity and trigger mode as the bus has them.
        table.append([4, 6, 0xFF, 0, 0, 1])
        return table.finished()
    }

    /// Where the configuration space of PCI bus 0 is (PCI Firmware Specification 3.3, 4.1.2).
    private static var memoryMappedConfiguration: [UInt8] {
        var table = ACPITable(signature: "MCFG", revision: 1)
        table.append([UInt8](repeating: 0, count: 8))
        table.append(Platform.ecamBase)
        let segmentAndBuses: [UInt8] = [0, 0, 0, 0]
        table.append(segmentAndBuses + [0, 0, 0, 0])
        return table.finished()
    }
}
