extension ACPITables {
    /// The namespace: processors, serial port, clock, power button, and the event device that tells of it.
    static func differentiatedSystemDescription(_ configuration: Configuration) -> [UInt8] {
        // Revision 2 and above: integers have 64 bits.
        var table = ACPITable(signature: "DSDT", revision: 2)
        let devices =
            [serialPort, clock, powerButton, hostBridge(configuration.memoryEnd), reservedMemory]
            + eventDevice(configuration)
        table.append(AMLTerm.scope("\\_SB", processors(configuration) + devices).bytes)
        table.append(AMLTerm.name("\\_S5", softOff).bytes)
        return table.finished()
    }

    /// Present, enabled, shown and working.
    static let working = AMLTerm.name("_STA", .integer(0x0F))

    private static var softOff: AMLTerm {
        let type = AMLTerm.integer(UInt64(PowerRegisters.softOffType))
        return .package([type, .integer(0), .integer(0), .integer(0)])
    }

    private static var serialPort: AMLTerm {
        let resources: [AMLResource] = [
            .ports(base: Platform.com1Port, count: UInt8(truncatingIfNeeded: Platform.com1Count)),
            .edgeInterrupt(gsi: Platform.com1GSI),
        ]
        return .device(
            "COM1",
            [
                .name("_HID", .eisaID("PNP0501")), .name("_UID", .integer(1)), .name("_DDN", .string("COM1")), working,
                .name("_CRS", AMLResource.template(resources)),
            ])
    }

    /// Without an interrupt: the clock raises none.
    private static var clock: AMLTerm {
        let ports = AMLResource.ports(base: Platform.cmosPort, count: UInt8(truncatingIfNeeded: Platform.cmosCount))
        return .device(
            "RTC_", [.name("_HID", .eisaID("PNP0B00")), working, .name("_CRS", AMLResource.template([ports]))])
    }

    /// The PCI host bridge with the ranges that it passes on. There is no `_PRT`: no device has a wired interrupt.
    private static func hostBridge(_ memoryEnd: UInt64) -> AMLTerm {
        let resources: [AMLResource] = [
            .buses(0...0),
            .ports(
                base: Platform.pciConfigurationPort, count: UInt8(truncatingIfNeeded: Platform.pciConfigurationCount)),
            .portWindow(Platform.pciPortWindow), .memoryWindow(Platform.pciLowWindow),
            .memoryWindow(Platform.pciHighWindow(memoryEnd: memoryEnd)),
        ]
        return .device(
            "PCI0",
            [
                .name("_HID", .eisaID("PNP0A08")), .name("_CID", .eisaID("PNP0A03")), .name("_UID", .integer(0)),
                .name("_SEG", .integer(0)), .name("_BBN", .integer(0)), working,
                .name("_CRS", AMLResource.template(resources)),
            ] + hotplugSlots)
    }

    /// What no device may be put to: the PCI configuration space. Linux uses it only where it is reserved so.
    private static var reservedMemory: AMLTerm {
        let base = UInt32(truncatingIfNeeded: Platform.ecamBase)
        let count = UInt32(truncatingIfNeeded: PCIHostBridge.ecamSize)
        return .device(
            "MRES",
            [
                .name("_HID", .eisaID("PNP0C02")), .name("_UID", .integer(0)), working,
                .name("_CRS", AMLResource.template([.memory(base: base, count: count)])),
            ])
    }

    private static var powerButton: AMLTerm {
        .device("PWRB", [.name("_HID", .eisaID("PNP0C0C")), .name("_UID", .integer(0)), working])
    }

    /// ACPI 6.5, 5.6.9: an edge on the interrupt runs `_EVT`, which takes the pending events and tells their devices.
    private static func eventDevice(_ configuration: Configuration) -> [AMLTerm] {
        var dispatch: [AMLTerm] = [
            .store(.reference("EVNT"), in: .local0),
            .if(
                .and(.local0, .integer(UInt64(EventDevice.State.powerButton.rawValue))),
                [.notify("\\_SB.PWRB", 0x80)]),
            .if(
                .and(.local0, .integer(UInt64(EventDevice.State.pciHotplug.rawValue))), [.call("\\_SB.PCI0.PHPN")]),
        ]
        if configuration.hasProcessorHotplug {
            let bit = AMLTerm.integer(UInt64(EventDevice.State.processorHotplug.rawValue))
            dispatch.append(.if(.and(.local0, bit), [.call("\\_SB.PRSC")]))
        }
        return [
            .device(
                "GED_",
                [
                    .name("_HID", .string("ACPI0013")), .name("_UID", .integer(0)), working,
                    .name("_CRS", AMLResource.template([.edgeInterrupt(gsi: Platform.gedGSI)])),
                    .ioRegion("EVRG", port: Platform.eventPort, count: 1),
                    .field(of: "EVRG", .byte, [("EVNT", 8)]),
                    .method("_EVT", arguments: 1, serialized: true, dispatch),
                ])
        ]
    }
}
