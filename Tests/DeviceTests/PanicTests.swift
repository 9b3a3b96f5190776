import Synchronization
import Testing
import VirtualDevices

@Suite struct PanicTests {
    /// Where a driver finds it, what it offers and what it tells.
    @Test func pvpanic() throws {
        let told = Mutex<[PanicDevice.Events]>([])
        let device = PanicDevice { events in told.withLock { $0.append(events) } }
        let ports = Bus(name: "port I/O")
        let mmio = Bus(name: "MMIO")
        let bridge = PCIHostBridge(
            windows: PCIWindows(
                low: Platform.pciLowWindow, high: Platform.pciHighWindow(memoryEnd: 1 << 30),
                ports: Platform.pciPortWindow), ports: ports, mmio: mmio)
        try bridge.insert(device.function, at: 5)
        let function = device.function
        #expect(function.readConfiguration(offset: PCIRegister.vendorID, size: 4) == 0x0011_1B36)
        #expect(function.readConfiguration(offset: PCIRegister.revisionID, size: 4) == 0x0880_0001)
        #expect(function.readConfiguration(offset: PCIRegister.capabilitiesPointer, size: 1) == 0)

        #expect(device.read(offset: 0, size: 1) == 3)
        #expect(device.read(offset: 1, size: 1) == 0)
        device.write(offset: 0, size: 1, value: 1)
        device.write(offset: 0, size: 1, value: 2)
        device.write(offset: 0, size: 4, value: 0xFF)
        // Not its register, nothing that it knows.
        device.write(offset: 1, size: 1, value: 1)
        device.write(offset: 0, size: 1, value: 0xFC)
        #expect(told.withLock { $0 } == [.panicked, .crashLoaded, .all])
    }
}
