import GuestMemory
import Synchronization
import Testing
import VirtualDevices

@testable import Virtio

/// Devices that go on from a saved state on another device, with the guest none the wiser.
@Suite struct SavedDeviceTests {
    private final class Signals: VirtioSignals {
        let used = Mutex(0)
        func queueWasUsed(_ queue: Int) { used.withLock { $0 += 1 } }
        func configurationChanged() {}
        func needsReset(_ reason: VirtQueueError) {}
    }

    @Test(arguments: [false, true])
    func entropy(isPacked: Bool) throws {
        let memory = try GuestMemory(size: 2 << 20)
        var driver = TestDriver(memory, size: 64, isPacked: isPacked)
        let features = VirtioFeature.version1 | (isPacked ? VirtioFeature.ringPacked : 0)
        let first = EntropyDevice()
        #expect(first.save() == QueueDeviceState(features: 0, queues: []))
        first.start([try driver.device()], features: features, memory: memory, signals: Signals())
        func ask(_ device: EntropyDevice) throws {
            try driver.add(readable: [], writable: [GuestSegment(gpa: 0x9000, count: 32)])
            device.notify(queue: 0)
            #expect(try driver.used()?.written == 32)
        }
        try ask(first)
        let saved = first.save()
        #expect(saved.features == features && saved.queues.count == 1)
        // Saving ends nothing.
        try ask(first)
        let again = first.save()
        let second = EntropyDevice()
        try second.load(again, memory: memory, signals: Signals())
        #expect(second.save() == again)
        try ask(second)
        // An other device's state, and one that never ran.
        var wrong = again
        wrong.features |= 1 << 3
        #expect(throws: VirtQueueError.self) { try second.load(wrong, memory: memory, signals: Signals()) }
        wrong = again
        wrong.queues.append(nil)
        #expect(throws: VirtQueueError.self) { try second.load(wrong, memory: memory, signals: Signals()) }
        try ask(second)
        try second.load(QueueDeviceState(features: 0, queues: []), memory: memory, signals: Signals())
        #expect(second.save() == QueueDeviceState(features: 0, queues: []))
    }

    @Test func memory() throws {
        let block = GrowthRegion.blockSize
        func make(_ requested: UInt64) throws -> (GuestMemory, MemoryDevice, Mapped) {
            let memory = try GuestMemory(size: 16 << 20, growth: 4 * block)
            let mapped = Mapped()
            let region = try #require(memory.growth)
            let device = MemoryDevice(
                region, requested: requested,
                backend: .init(
                    map: { gpa, _, count in mapped.map(gpa, count) }, unmap: { gpa, _ in mapped.unmap(gpa) }))
            return (memory, device, mapped)
        }
        let (memory, first, _) = try make(3 * block)
        var driver = TestDriver(memory, size: 64, isPacked: false)
        first.start([try driver.device()], features: VirtioFeature.version1, memory: memory, signals: Signals())
        let region = try #require(memory.growth)
        // Blocks 0 and 2.
        for place: UInt64 in [0, 2] {
            try memory.write(0x8000, [UInt8](repeating: 0, count: 24))
            try memory.store(0x8008, region.gpa + place * block)
            try memory.store(0x8010, UInt16(1))
            try driver.add(
                readable: [GuestSegment(gpa: 0x8000, count: 24)], writable: [GuestSegment(gpa: 0x9000, count: 10)])
            first.notify(queue: 0)
            _ = try driver.used()
        }
        let saved = first.save()
        #expect(saved.plugged == [0..<1, 2..<3] && saved.requested == 3 * block)
        let (other, second, mapped) = try make(0)
        try second.load(saved, memory: other, signals: Signals())
        #expect(second.save() == saved && second.plugged == 2 * block)
        #expect(mapped.ranges.withLock { $0 } == [region.gpa: block, region.gpa + 2 * block: block])
        var wrong = saved
        wrong.plugged = [3..<5]
        let (third, unused, _) = try make(0)
        #expect(throws: VirtQueueError.self) { try unused.load(wrong, memory: third, signals: Signals()) }
        #expect(unused.plugged == 0)
    }

    private final class Mapped: Sendable {
        let ranges = Mutex<[UInt64: UInt64]>([:])
        func map(_ gpa: UInt64, _ count: UInt64) -> Bool {
            ranges.withLock { $0.updateValue(count, forKey: gpa) == nil }
        }
        func unmap(_ gpa: UInt64) -> Bool { ranges.withLock { $0.removeValue(forKey: gpa) != nil } }
    }

    /// The transport with its vectors: a driver that set it up finds it on another one, and interrupts come.
    @Test func transport() throws {
        let memory = try GuestMemory(size: 2 << 20)
        let delivered = Mutex<[UInt32]>([])
        func make() -> (VirtioPCI, EntropyDevice) {
            let device = EntropyDevice()
            return (
                VirtioPCI(
                    device, classCode: (0xFF, 0), memory: memory,
                    deliver: { _, data in delivered.withLock { $0.append(data) } }), device
            )
        }
        var driver = TestDriver(memory, size: 64, isPacked: false)
        let queue = try driver.device()
        var transport = VirtioTransportState(queueSizes: [64])
        transport.driverFeatures = VirtioFeature.version1
        transport.status = 0x0F
        transport.queues[0].layout = queue.layout
        transport.queues[0].isEnabled = true
        transport.queues[0].vector = 1
        var msix = make().0.save().msix
        msix.isEnabled = true
        msix.entries[1].data = 0x41
        msix.entries[1].isMasked = false
        let saved = VirtioPCIState(transport: transport, msix: msix)
        let (pci, device) = make()
        let state = QueueDeviceState(features: VirtioFeature.version1, queues: [SavedQueue(queue)])
        try pci.load(saved) { signals throws(VirtQueueError) in
            try device.load(state, memory: memory, signals: signals)
        }
        #expect(pci.save() == saved && device.save() == state)
        try driver.add(readable: [], writable: [GuestSegment(gpa: 0x9000, count: 16)])
        device.notify(queue: 0)
        #expect(try driver.used()?.written == 16)
        #expect(delivered.withLock { $0 } == [0x41])
        // What does not fit leaves a device that was reset.
        var wrong = saved
        wrong.transport.queues = []
        #expect(throws: VirtQueueError.self) { try pci.load(wrong) { _ in } }
        wrong = saved
        wrong.transport.driverFeatures |= 1 << 3
        #expect(throws: VirtQueueError.self) { try pci.load(wrong) { _ in } }
        #expect(throws: VirtQueueError.self) {
            try pci.load(saved) { _ throws(VirtQueueError) in throw VirtQueueError("a test") }
        }
        #expect(pci.state.status == 0)
    }
}
