/// The processors in the namespace (ACPI 6.5, 8.4), and how those that can come and go do so.
extension ACPITables {
    /// A device for each processor that the guest can have. Where there are more of them than it begins with, they
    /// answer by the registers of `ProcessorHotplug`, and `\_SB.PRSC`, which the event device calls, tells of changes.
    static func processors(_ configuration: Configuration) -> [AMLTerm] {
        let maximum = configuration.maximumVPCount
        guard configuration.hasProcessorHotplug else {
            return (0..<configuration.vpCount).map { .device(name($0), identity($0) + [working]) }
        }
        return registers
            + (0..<maximum).map { .device(name($0), identity($0) + ($0 == 0 ? [working] : comingAndGoing($0))) }
            + [.method("PRSC", arguments: 0, serialized: true, tell(maximum))]
    }

    /// The identifier equals that of the processor's local APIC in the MADT.
    private static func identity(_ index: Int) -> [AMLTerm] {
        [.name("_HID", .string("ACPI0007")), .name("_UID", .integer(UInt64(max(index, 0))))]
    }

    private static func name(_ index: Int) -> AMLName {
        let digits = String(index, radix: 16, uppercase: true)
        return AMLName("C" + String(repeating: "0", count: max(0, 3 - digits.count)) + digits)
    }

    private static var registers: [AMLTerm] {
        let banks = ["PRP", "PRI", "PRQ", "PRE"]
        let fields = banks.flatMap { bank in
            (0..<ProcessorHotplug.wordsPerBank).map { (name: AMLName("\(bank)\($0)"), bits: 32) }
        }
        let count = UInt16(truncatingIfNeeded: Platform.processorHotplugCount)
        return [
            .ioRegion("PRRG", port: Platform.processorHotplugPort, count: count),
            .field(of: "PRRG", .doubleWord, fields),
        ]
    }

    /// `_STA` tells whether it is there, `_MAT` its entry of the MADT once it is, and `_EJ0` gives it back.
    private static func comingAndGoing(_ index: Int) -> [AMLTerm] {
        let bit = AMLTerm.integer(1 << UInt64(index % 32))
        return [
            .method(
                "_STA", arguments: 0, serialized: true,
                [
                    .if(.and(.reference(AMLName("PRP\(index / 32)")), bit), [.return(.integer(0x0F))]),
                    .return(.integer(0)),
                ]),
            .name("_MAT", .buffer(localAPIC(index, .enabled))),
            .method(
                "_EJ0", arguments: 1, serialized: true, [.store(bit, in: .reference(AMLName("PRE\(index / 32)")))]),
        ]
    }

    /// Takes the bits of both registers, a word at a time, and tells their processors.
    private static func tell(_ maximum: Int) -> [AMLTerm] {
        (0...(maximum - 1) / 32).flatMap { word -> [AMLTerm] in
            let take: [AMLTerm] = [
                .store(.reference(AMLName("PRI\(word)")), in: .local0),
                .store(.reference(AMLName("PRQ\(word)")), in: .local1),
            ]
            return take
                + (max(1, word * 32)..<min(maximum, word * 32 + 32)).flatMap { index -> [AMLTerm] in
                    let bit = AMLTerm.integer(1 << UInt64(index % 32))
                    return [
                        .if(.and(.local0, bit), [.notify(name(index), Notification.deviceCheck)]),
                        .if(.and(.local1, bit), [.notify(name(index), Notification.ejectRequest)]),
                    ]
                }
        }
    }

    /// The flags of a local APIC's entry (ACPI 6.5, 5.2.12.2).
    enum LocalAPICFlags: UInt32 {
        case enabled = 1
        /// Not there yet; it may come.
        case onlineCapable = 2
    }

    /// An entry of the MADT for the processor with this number.
    static func localAPIC(_ index: Int, _ flags: LocalAPICFlags) -> [UInt8] {
        let id = UInt8(truncatingIfNeeded: index)
        return [0, 8, id, id] + littleEndianBytes(flags.rawValue)
    }
}
