import Testing

@testable import VirtualDevices

@Suite struct IOAPICTests {
    private let delivered = Recorder<InterruptMessage>()
    private let routings = Recorder<[InterruptMessage?]>()
    private let controller: IOAPIC

    private static let masked: UInt64 = 1 << 16
    private static let level: UInt64 = 1 << 15
    private static let remoteIRR: UInt32 = 1 << 14

    init() {
        let delivered = delivered
        let routings = routings
        controller = IOAPIC(
            deliver: { message in delivered.append(message) },
            messagesChanged: { messages in routings.append(messages) })
    }

    private func register(_ index: UInt8) -> UInt32 {
        controller.write(offset: 0, size: 4, value: UInt64(index))
        return UInt32(truncatingIfNeeded: controller.read(offset: 0x10, size: 4))
    }

    private func setRegister(_ index: UInt8, _ value: UInt32) {
        controller.write(offset: 0, size: 4, value: UInt64(index))
        controller.write(offset: 0x10, size: 4, value: UInt64(value))
    }

    /// High half first, as Linux writes an entry.
    private func setEntry(_ pin: UInt8, _ entry: UInt64) {
        setRegister(0x11 + 2 * pin, UInt32(truncatingIfNeeded: entry >> 32))
        setRegister(0x10 + 2 * pin, UInt32(truncatingIfNeeded: entry))
    }

    @Test func registersAfterReset() {
        #expect(register(0) == 0)
        #expect(register(1) == 0x0017_0011)
        #expect(register(2) == 0)
        for pin in UInt8(0)..<24 {
            #expect(register(0x10 + 2 * pin) == 0x10000)
            #expect(register(0x11 + 2 * pin) == 0)
        }
        #expect(register(3) == 0)
        #expect(register(0x40) == 0)
        #expect(register(0xFF) == 0)
    }

    @Test func identifierHasFourBits() {
        setRegister(0, 0xFFFF_FFFF)
        #expect(register(0) == 0x0F00_0000)
        #expect(register(2) == 0x0F00_0000)
        setRegister(1, 0)
        #expect(register(1) == 0x0017_0011)
    }

    @Test func entriesKeepOnlyWhatIsDefined() {
        setEntry(5, .max)
        #expect(register(0x1A) == 0x1_AFFF)
        #expect(register(0x1B) == 0xFF00_0000)
    }

    @Test(
        arguments: [
            // entry, address, data, level
            (0x0000_0000_0000_0030, 0xFEE0_0000, 0x0030, false),
            (0x0300_0000_0000_0031, 0xFEE0_3000, 0x0031, false),
            (0xFD00_0000_0000_0832, 0xFEEF_D004, 0x0032, false),  // logical
            (0x0100_0000_0000_0933, 0xFEE0_100C, 0x0133, false),  // logical, lowest priority
            (0x0100_0000_0000_A034, 0xFEE0_1000, 0xC034, true),  // level, active low
            (0x0100_0000_0000_8400, 0xFEE0_1000, 0x0400, false),  // NMI is an edge whatever it says
            (0x0100_0000_0000_0700, 0xFEE0_1000, 0x0700, false),  // ExtINT
        ] as [(UInt64, UInt64, UInt32, Bool)])
    func messages(entry: UInt64, address: UInt64, data: UInt32, isLevel: Bool) {
        let expected = InterruptMessage(address: address, data: data, isLevelTriggered: isLevel)
        setEntry(7, entry)
        #expect(routings.all.last?[7] == expected)
        #expect(routings.all.last?.compactMap { $0 }.count == 1)
        controller.line(7).setLevel(true)
        #expect(delivered.all == [expected])
    }

    @Test func anEdgeInterruptsOncePerRise() {
        setEntry(4, 0x30)
        let line = controller.line(4)
        line.setLevel(true)
        line.setLevel(true)
        #expect(delivered.take().count == 1)
        line.setLevel(false)
        line.setLevel(true)
        #expect(delivered.take().count == 1)
        line.setLevel(false)
        line.pulse()
        #expect(delivered.take().count == 1)
    }

    @Test func anEdgeOnAMaskedPinIsLost() {
        controller.line(4).setLevel(true)
        setEntry(4, 0x30)
        #expect(delivered.all.isEmpty)
    }

    @Test func aLevelWaitsForTheUnmasking() {
        setEntry(9, Self.masked | Self.level | 0x40)
        controller.line(9).setLevel(true)
        #expect(delivered.all.isEmpty)
        #expect(routings.all.isEmpty)
        setEntry(9, Self.level | 0x40)
        #expect(delivered.all.map(\.data) == [0xC040])
        #expect(register(0x10 + 18) & Self.remoteIRR != 0)
    }

    @Test func aLevelRepeatsUntilItEnds() {
        setEntry(9, Self.level | 0x40)
        let line = controller.line(9)
        line.setLevel(true)
        line.setLevel(false)
        line.setLevel(true)
        #expect(delivered.take().count == 1, "in service: no second one")
        controller.endOfInterrupt(vector: 0x41)
        #expect(delivered.take().isEmpty, "another vector")
        controller.endOfInterrupt(vector: 0x40)
        #expect(delivered.take().count == 1, "still asserted")
        line.setLevel(false)
        controller.endOfInterrupt(vector: 0x40)
        #expect(delivered.take().isEmpty)
        #expect(register(0x10 + 18) & Self.remoteIRR == 0)
        controller.endOfInterrupt(vector: 0x40)
        #expect(delivered.take().isEmpty)
    }

    @Test func aPinMaskedInServiceStaysRoutedUntilItsEnd() {
        setEntry(9, Self.level | 0x40)
        controller.line(9).setLevel(true)
        setEntry(9, Self.masked | Self.level | 0x40)
        #expect(routings.all.last?[9] != nil)
        controller.endOfInterrupt(vector: 0x40)
        #expect(routings.all.last?[9] == nil)
        #expect(delivered.take().count == 1)
        setEntry(9, Self.level | 0x40)
        #expect(delivered.take().count == 1, "unmasked and still asserted")
    }

    @Test func switchingToEdgeEndsALevel() {
        setEntry(9, Self.level | 0x40)
        controller.line(9).setLevel(true)
        setEntry(9, Self.masked | 0x40)
        setEntry(9, Self.masked | Self.level | 0x40)
        #expect(register(0x10 + 18) & Self.remoteIRR == 0)
        #expect(routings.all.last?[9] == nil)
    }

    @Test func routingIsToldOnlyWhenItChanges() {
        setEntry(4, 0x30)
        #expect(routings.take().count == 1)
        setEntry(4, 0x30)
        controller.line(4).pulse()
        setEntry(5, Self.masked | 0x31)
        #expect(routings.take().isEmpty)
        controller.reset()
        #expect(routings.take().map { $0.compactMap { $0 }.count } == [0])
    }

    @Test func resetKeepsTheWires() {
        controller.line(9).setLevel(true)
        controller.reset()
        setEntry(9, Self.level | 0x40)
        #expect(delivered.all.count == 1)
    }

    @Test func aPinThatIsNotThereLeadsNowhere() {
        for pin in [-1, 24, .max, .min] { controller.line(pin).pulse() }
        #expect(delivered.all.isEmpty)
    }

    @Test func deliveringMayEndTheInterruptAtOnce() {
        // A simulated processor may take and end an interrupt within its delivery.
        let box = Recorder<IOAPIC>()
        let count = Recorder<Void>()
        let controller = IOAPIC(
            deliver: { _ in
                count.append(())
                box.all.first?.line(9).setLevel(false)
                box.all.first?.endOfInterrupt(vector: 0x40)
            }, messagesChanged: { _ in })
        box.append(controller)
        controller.write(offset: 0, size: 4, value: 0x22)
        controller.write(offset: 0x10, size: 4, value: Self.level | 0x40)
        controller.line(9).setLevel(true)
        controller.line(9).setLevel(true)
        #expect(count.all.count == 2)
        _ = box.take()
    }

    @Test func stateCanBeSavedAndLoaded() {
        setEntry(9, Self.level | 0x40)
        controller.line(9).setLevel(true)
        let told = Recorder<[InterruptMessage?]>()
        let other = IOAPIC(deliver: { _ in }, messagesChanged: { messages in told.append(messages) })
        other.state = controller.state
        #expect(other.state == controller.state)
        #expect(told.all.last?[9]?.data == 0xC040)
    }
}
