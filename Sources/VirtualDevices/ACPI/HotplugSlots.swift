/// The slots of the PCI bus as a guest's ACPI driver sees them (ACPI 6.5, 6.3): members of the host bridge.
extension ACPITables {
    /// The notifications of ACPI 6.5, 5.6.6.
    enum Notification {
        static let deviceCheck: UInt64 = 1
        static let ejectRequest: UInt64 = 3
    }

    /// The controller's registers, a device for each slot, and the method that the event device calls: it takes the
    /// bits of both registers and tells their slots.
    static var hotplugSlots: [AMLTerm] {
        let count = UInt16(truncatingIfNeeded: Platform.pciHotplugCount)
        let registers: [AMLTerm] = [
            .ioRegion("PHRG", port: Platform.pciHotplugPort, count: count),
            .field(of: "PHRG", .doubleWord, [("PHIN", 32), ("PHRQ", 32), ("PHEJ", 32)]),
        ]
        let take: [AMLTerm] = [
            .store(.reference("PHIN"), in: .local0), .store(.reference("PHRQ"), in: .local1),
        ]
        let tell = PCIHotplug.slots.flatMap { slot -> [AMLTerm] in
            [
                .if(.and(.local0, bit(slot)), [.notify(name(slot), Notification.deviceCheck)]),
                .if(.and(.local1, bit(slot)), [.notify(name(slot), Notification.ejectRequest)]),
            ]
        }
        return registers + PCIHotplug.slots.map(hotplugSlot)
            + [.method("PHPN", arguments: 0, serialized: true, take + tell)]
    }

    private static func hotplugSlot(_ slot: Int) -> AMLTerm {
        .device(
            name(slot),
            [
                .name("_SUN", .integer(UInt64(slot))), .name("_ADR", .integer(UInt64(slot) << 16)),
                .method("_EJ0", arguments: 1, serialized: true, [.store(bit(slot), in: .reference("PHEJ"))]),
            ])
    }

    private static func bit(_ slot: Int) -> AMLTerm { .integer(1 << UInt64(slot)) }

    private static func name(_ slot: Int) -> AMLName {
        let digits = String(slot, radix: 16, uppercase: true)
        return AMLName("S" + (digits.count < 2 ? "0" : "") + digits)
    }
}
