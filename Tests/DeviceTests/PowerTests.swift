import Testing

@testable import VirtualDevices

@Suite struct PowerTests {
    private let ports = Bus(name: "ports")
    private let requests = Recorder<PowerRequest>()
    private let control: PowerControl

    init() throws {
        let requests = requests
        control = PowerControl { request in requests.append(request) }
        try control.attach(to: ports)
        try ports.insert(control.resetControl, at: UInt64(Platform.cf9Port), count: 1)
    }

    @Test(
        arguments: [
            (0x600, 0x34, .powerOff), (0x600, 0x14, nil), (0x600, 0x20, nil), (0x600, 0x30, nil), (0x600, 0xFF, nil),
            (0x601, 0x80, nil), (0x602, 0x01, .reset), (0x602, 0x00, nil), (0x602, 0x02, nil),
            (0x64, 0xFE, .reset), (0x64, 0xAA, nil), (0x60, 0xFE, nil),
            (0xCF9, 0x02, nil), (0xCF9, 0x06, .reset), (0xCF9, 0x0E, .reset),
            (0xF4, 0x00, .debugExit(0)), (0xF4, 0x2A, .debugExit(42)),
        ] as [(UInt64, UInt64, PowerRequest?)])
    func byteWrites(port: UInt64, value: UInt64, request: PowerRequest?) {
        ports.write(address: port, size: 1, value: value)
        #expect(requests.all == (request.map { [$0] } ?? []))
    }

    @Test func widerWritesReachOnlyTheDebugExit() {
        for port in [0x600, 0x602, 0x64, 0xCF9] as [UInt64] {
            ports.write(address: port, size: 2, value: 0xFEFE)
            ports.write(address: port, size: 4, value: 0x0101_0101)
        }
        #expect(requests.all.isEmpty)
        ports.write(address: 0xF5, size: 1, value: 9)
        #expect(requests.all.isEmpty)
        ports.write(address: 0xF4, size: 4, value: 0x1_07)
        #expect(requests.all == [.debugExit(7)])
    }

    @Test func anotherSleepStateEndsAtOnce() {
        #expect(ports.read(address: 0x601, size: 1) == 0)
        ports.write(address: 0x600, size: 1, value: 0x2C)
        #expect(ports.read(address: 0x601, size: 1) == 0x80)
        ports.write(address: 0x601, size: 1, value: 0x80)
        #expect(ports.read(address: 0x601, size: 1) == 0)
    }

    @Test func keyboardControllerLooksBrokenButReady() {
        #expect(ports.read(address: 0x64, size: 1) == 0x01)
        #expect(ports.read(address: 0x60, size: 1) == 0)
    }

    @Test func cf9KeepsItsKindOfReset() {
        ports.write(address: 0xCF9, size: 1, value: 0xFF)
        #expect(ports.read(address: 0xCF9, size: 1) == 0x0A)
        ports.reset()
        #expect(ports.read(address: 0xCF9, size: 1) == 0)
        #expect(control.state == PowerControl.State())
    }

    @Test func eventDeviceTellsOfTheButtonOnce() throws {
        let line = RecordedLine()
        let events = EventDevice(interrupt: line)
        try ports.insert(events, at: UInt64(Platform.eventPort), count: 1)
        #expect(ports.read(address: 0x608, size: 1) == 0)
        events.pressPowerButton()
        #expect(line.history == [true, false])
        ports.write(address: 0x608, size: 1, value: 0)
        #expect(events.state == .powerButton)
        #expect(ports.read(address: 0x608, size: 1) == 1)
        #expect(ports.read(address: 0x608, size: 1) == 0)
        events.pressPowerButton()
        events.pressPowerButton()
        #expect(line.history.count == 6)
        ports.reset()
        #expect(ports.read(address: 0x608, size: 1) == 0)
    }
}
