import Testing

@testable import VirtualDevices

private let data: UInt64 = 0
private let enable: UInt64 = 1
private let identification: UInt64 = 2
private let fifoControl: UInt64 = 2
private let lineControl: UInt64 = 3
private let modemControl: UInt64 = 4
private let lineStatus: UInt64 = 5
private let modemStatus: UInt64 = 6
private let scratch: UInt64 = 7

@Suite struct SerialTests {
    private let line = RecordedLine()
    private let sent = Recorder<UInt8>()
    private let drained = Recorder<Void>()
    private let port: Serial16550

    init() {
        let sent = sent
        let drained = drained
        port = Serial16550(
            interrupt: line, output: { bytes in for byte in bytes { sent.append(byte) } },
            inputDrained: { drained.append(()) })
    }

    private func read(_ register: UInt64) -> UInt8 {
        UInt8(truncatingIfNeeded: port.read(offset: register, size: 1))
    }

    private func write(_ register: UInt64, _ value: UInt8) {
        port.write(offset: register, size: 1, value: UInt64(value))
    }

    @Test(arguments: [
        Scenario(
            "after reset",
            [
                .expect(data, 0), .expect(enable, 0), .expect(identification, 0x01), .expect(lineControl, 0),
                .expect(modemControl, 0), .expect(lineStatus, 0x60), .expect(modemStatus, 0xB0), .expect(scratch, 0),
            ]),
        Scenario("scratch keeps its value", [.write(scratch, 0xA5), .expect(scratch, 0xA5)]),
        Scenario("only four interrupt enables exist", [.write(enable, 0xFF), .expect(enable, 0x0F)]),
        Scenario(
            "status registers are read-only",
            [.write(lineStatus, 0), .expect(lineStatus, 0x60), .write(modemStatus, 0), .expect(modemStatus, 0xB0)]),
        Scenario(
            "the divisor lies under data and interrupt enable",
            [
                .write(enable, 0x05), .write(lineControl, 0x83), .write(data, 0x34), .write(enable, 0x12),
                .expect(data, 0x34), .expect(enable, 0x12), .write(lineControl, 0x03), .expect(enable, 0x05),
                .expect(data, 0),
            ]),
        Scenario(
            "a 16550A says so in IIR when FIFOs are enabled, and is no 16750",
            [
                .write(fifoControl, 0x01), .expect(identification, 0xC1), .write(fifoControl, 0x21),
                .expect(identification, 0xC1), .write(fifoControl, 0), .expect(identification, 0x01),
            ]),
        Scenario(
            "Linux's loopback test: RTS and OUT2 come back as CTS and DCD",
            [
                .write(modemControl, 0x1A), .expect(modemStatus, 0x90 | 0x02), .expect(modemStatus, 0x90),
                .write(modemControl, 0), .expect(modemStatus, 0xB2), .expect(modemStatus, 0xB0),
            ]),
        Scenario(
            "only the ring indicator's end is a change",
            [
                .write(modemControl, 0x1F), .expect(modemStatus, 0xF0), .write(modemControl, 0x1B),
                .expect(modemStatus, 0xB4), .expect(modemStatus, 0xB0),
            ]),
        Scenario(
            "Linux's THRE test: enabling the interrupt raises it each time",
            [
                .write(enable, 0x02), .expect(identification, 0x02), .write(enable, 0), .write(enable, 0x02),
                .expect(identification, 0x02), .expect(identification, 0x01), .write(enable, 0),
            ]),
        Scenario(
            "disabling takes the pending interrupt away",
            [.write(enable, 0x02), .write(enable, 0), .expect(identification, 0x01)]),
        Scenario(
            "loopback returns bytes, overruns without FIFOs and keeps the newest",
            [
                .write(modemControl, 0x10), .write(data, 0x41), .expect(lineStatus, 0x61), .write(data, 0x42),
                .expect(lineStatus, 0x63), .expect(lineStatus, 0x61), .expect(data, 0x42), .expect(lineStatus, 0x60),
            ]),
        Scenario(
            "interrupts come in the data sheet's order",
            [
                .write(modemControl, 0x10), .write(data, 1), .write(data, 2), .write(modemControl, 0x13),
                .write(enable, 0x0F), .expect(identification, 0x06), .expect(lineStatus, 0x63),
                .expect(identification, 0x04), .expect(data, 2), .expect(identification, 0x02),
                .expect(identification, 0x00), .expect(modemStatus, 0x3B),
                .expect(identification, 0x01),
            ]),
    ])
    func registers(scenario: Scenario) {
        for (index, step) in scenario.steps.enumerated() {
            switch step {
            case .write(let register, let value): write(register, value)
            case .expect(let register, let value): #expect(read(register) == value, "step \(index): \(step)")
            }
        }
    }

    @Test func sendsBytesInOrder() {
        for byte in "hello".utf8 { write(data, byte) }
        #expect(sent.all == Array("hello".utf8))
        #expect(read(lineStatus) == 0x60)
        write(modemControl, 0x10)
        write(data, 1)
        #expect(sent.all.count == 5, "nothing leaves in loopback")
    }

    @Test func wideAccessesReachRegistersInTurn() {
        port.write(offset: scratch, size: 4, value: 0xDDCC_BB77)
        #expect(read(scratch) == 0x77)
        #expect(sent.all == [0xBB], "offsets wrap within the eight registers")
        #expect(port.read(offset: lineStatus, size: 2) == 0xB060)
    }

    @Test func transmitterInterruptFollowsLinux() {
        write(enable, 0x02)
        #expect(line.isAsserted)
        #expect(read(identification) == 0x02)
        #expect(!line.isAsserted)
        write(data, 0x41)
        #expect(line.isAsserted, "the transmitter is empty again at once")
        #expect(read(identification) == 0x02)
        #expect(line.history == [true, false, true, false])
    }

    @Test(arguments: [(0x01, 1), (0x41, 4), (0x81, 8), (0xC1, 14)] as [(UInt8, Int)])
    func triggerLevels(control: UInt8, level: Int) {
        write(fifoControl, control)
        write(enable, 0x01)
        for count in 1...16 {
            #expect(port.receive([UInt8(count)]) == 1)
            #expect(read(identification) == (count < level ? 0xCC : 0xC4))
            #expect(line.isAsserted)
        }
        for count in 1...16 { #expect(read(data) == UInt8(count)) }
        #expect(!line.isAsserted)
    }

    @Test func boundsInputAndSaysWhenThereIsRoom() {
        #expect(port.inputSpace == 4096)
        write(fifoControl, 0x01)
        let bytes = (0..<5000).map { UInt8(truncatingIfNeeded: $0) }
        #expect(port.receive(bytes) == 4096)
        #expect(port.inputSpace == 16)
        #expect(port.receive(Array(bytes[4096...])) == 16)
        #expect(port.inputSpace == 0)
        #expect(port.receive([1]) == 0)
        for index in 0..<4112 {
            if index == 2047 { #expect(drained.all.isEmpty) }
            #expect(read(data) == bytes[index])
        }
        #expect(drained.all.count == 1)
        #expect(read(lineStatus) == 0x60)
        #expect(port.inputSpace == 4096)
    }

    @Test func fifoHoldsOneByteUntilEnabledAndLoopbackCutsTheLine() {
        _ = port.receive([1, 2, 3])
        #expect(port.inputSpace == 4094)
        write(modemControl, 0x10)
        #expect(read(data) == 1)
        #expect(read(lineStatus) == 0x60)
        write(modemControl, 0)
        #expect(read(data) == 2)
        write(fifoControl, 0x01)
        #expect(read(lineStatus) == 0x60, "enabling the FIFOs clears the receiver")
    }

    @Test func loopbackWithFIFOsLosesTheSeventeenth() {
        write(fifoControl, 0x01)
        write(modemControl, 0x10)
        for byte in 1...17 { write(data, UInt8(byte)) }
        #expect(read(lineStatus) == 0x63)
        for byte in 1...16 { #expect(read(data) == UInt8(byte)) }
        #expect(read(lineStatus) == 0x60)
    }

    @Test func stateCanBeSavedAndLoaded() {
        write(enable, 0x01)
        write(scratch, 9)
        _ = port.receive([5, 6])
        let saved = port.state
        let otherLine = RecordedLine()
        let other = Serial16550(interrupt: otherLine, output: { _ in })
        other.state = saved
        #expect(otherLine.isAsserted)
        #expect(other.read(offset: data, size: 1) == 5)
        #expect(other.state != saved)
        #expect(read(data) == 5)
        #expect(other.state == port.state)
        port.reset()
        #expect(!line.isAsserted)
        #expect(port.state == Serial16550.State())
    }
}
