import Testing

@testable import VirtualDevices

/// Nothing a guest reads or writes, and no size or offset, may trap.
@Suite struct HostileAccessTests {
    private static let sizes = [1, 2, 4, 8]
    private static let strangeSizes = [0, 3, 5, 7, 9, 64, -1, .max, .min]
    private static let strangeOffsets: [UInt64] = [
        0, 1, 7, 8, 0x10, 0x11, 0xFF, 0x1000, 1 << 32, .max - 7, .max - 1, .max,
    ]

    private func machine() throws -> (ports: Bus, mmio: Bus, devices: [any BusDevice]) {
        let ports = Bus(name: "ports")
        let mmio = Bus(name: "mmio")
        let controller = IOAPIC(deliver: { _ in }, messagesChanged: { _ in })
        let serial = Serial16550(interrupt: controller.line(Platform.com1GSI), output: { _ in })
        let clock = CMOSClock(memorySize: 1 << 30)
        let events = EventDevice(interrupt: controller.line(Platform.gedGSI))
        try mmio.insert(controller, at: Platform.ioAPICBase, count: Platform.ioAPICSize)
        try ports.insert(serial, at: UInt64(Platform.com1Port), count: Platform.com1Count)
        try ports.insert(clock, at: UInt64(Platform.cmosPort), count: Platform.cmosCount)
        try ports.insert(events, at: UInt64(Platform.eventPort), count: 1)
        try PowerControl { _ in }.attach(to: ports)
        return (ports, mmio, [controller, serial, clock, events])
    }

    @Test(arguments: [UInt64(1), 2])
    func everyPortAndIOAPICOffset(seed: UInt64) throws {
        let (ports, mmio, _) = try machine()
        var random = SeededGenerator(state: seed)
        for address in UInt64(0)...0xFFFF {
            for size in Self.sizes {
                ports.write(address: address, size: size, value: random.next())
                #expect(size == 8 || ports.read(address: address, size: size) >> (8 * UInt64(size)) == 0)
            }
        }
        for offset in UInt64(0)...0x1010 {
            for size in Self.sizes {
                mmio.write(address: Platform.ioAPICBase + offset, size: size, value: random.next())
                _ = mmio.read(address: Platform.ioAPICBase + offset, size: size)
            }
        }
    }

    @Test func longRandomSequences() throws {
        let (ports, mmio, devices) = try machine()
        var random = SeededGenerator(state: 42)
        let registers = (0x3F8...0x3FF).map(UInt64.init) + [0x70, 0x71, 0x71, 0x71, 0x608]
        for _ in 0..<100_000 {
            let choice = random.next()
            let port = registers[Int(choice % UInt64(registers.count))]
            let size = Self.sizes[Int(choice >> 16 & 3)]
            if choice >> 20 & 1 == 0 {
                ports.write(address: port, size: size, value: random.next())
            } else {
                _ = ports.read(address: port, size: size)
            }
            let controller = devices[0] as? IOAPIC
            let serial = devices[1] as? Serial16550
            switch choice >> 24 & 15 {
            case 0: _ = serial?.receive([UInt8(truncatingIfNeeded: choice >> 32), 1, 2])
            case 1: controller?.endOfInterrupt(vector: UInt8(truncatingIfNeeded: choice >> 32))
            case 2: controller?.line(Int(choice >> 32 & 31)).setLevel(choice >> 40 & 1 == 0)
            default:
                mmio.write(address: Platform.ioAPICBase, size: 1, value: choice >> 32 & 0x3F)
                mmio.write(address: Platform.ioAPICBase + 0x10, size: size, value: random.next())
            }
        }
        ports.reset()
        mmio.reset()
    }

    @Test func strangeSizesAndOffsets() throws {
        let (ports, mmio, devices) = try machine()
        for size in Self.sizes + Self.strangeSizes {
            for offset in Self.strangeOffsets {
                for device in devices {
                    device.write(offset: offset, size: size, value: .max)
                    _ = device.read(offset: offset, size: size)
                }
                for bus in [ports, mmio] {
                    bus.write(address: offset, size: size, value: .max)
                    _ = bus.read(address: offset, size: size)
                }
            }
        }
    }
}
