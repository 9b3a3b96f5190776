import GuestMemory
import LinuxSystem
import Testing

@testable import Virtio

@Suite struct ConsoleDeviceTests {
    private static let data: UInt64 = 0x40_0000

    private final class Bench {
        let memory: GuestMemory
        let device: ConsoleDevice
        let signals = RecordedSignals()
        let printed = Monitor<[UInt8]>([])
        var receive: TestDriver
        var transmit: TestDriver
        let features: UInt64

        init(isPacked: Bool = false, size: ConsoleDevice.Size? = nil) throws {
            memory = try GuestMemory(size: 8 << 20)
            features = VirtioFeature.version1 | (isPacked ? VirtioFeature.ringPacked : 0)
            device = ConsoleDevice(size: size, output: { [printed] bytes in printed.withLock { $0 += bytes } })
            receive = TestDriver(memory, size: 8, isPacked: isPacked)
            transmit = TestDriver(memory, size: 8, isPacked: isPacked, base: 0x10_0000)
        }

        func start() throws {
            device.start(
                [try receive.device(), try transmit.device()], features: features, memory: memory, signals: signals)
        }

        var text: String { String(decoding: printed.read { $0 }, as: UTF8.self) }
    }

    @Test func itTellsItsSize() throws {
        let sized = try Bench(size: .init(columns: 132, rows: 43)).device
        #expect(sized.features == ConsoleDevice.Feature.size | ConsoleDevice.Feature.emergencyWrite)
        #expect(sized.readConfiguration(offset: 0, count: 4) == 132 | 43 << 16)
        #expect(sized.readConfiguration(offset: 4, count: 4) == 1)
        #expect(sized.readConfiguration(offset: 12, count: 8) == 0)
        // Linux looks at it when it is told of a change only.
        for (features, changes) in [(ConsoleDevice.Feature.size, 1), (0, 0)] {
            let bench = try Bench(size: .init(columns: 132, rows: 43))
            bench.device.start(
                [try bench.receive.device(), try bench.transmit.device()], features: VirtioFeature.version1 | features,
                memory: bench.memory, signals: bench.signals)
            #expect(bench.signals.news.read { $0.changed } == changes)
        }
        let plain = try Bench().device
        #expect(plain.features == ConsoleDevice.Feature.emergencyWrite)
        #expect(plain.readConfiguration(offset: 0, count: 4) == 0)
    }

    @Test(arguments: [false, true]) func whatTheGuestPrints(isPacked: Bool) throws {
        let bench = try Bench(isPacked: isPacked)
        try bench.start()
        try bench.memory.write(Self.data, Array("hello, world\n".utf8))
        try bench.transmit.add(
            readable: [GuestSegment(gpa: Self.data, count: 7), GuestSegment(gpa: Self.data + 7, count: 6)], writable: []
        )
        bench.device.notify(queue: 1)
        #expect(bench.text == "hello, world\n")
        #expect(try bench.transmit.used()?.written == 0)
        #expect(bench.signals.used(1) == 1)
        // Before there are queues, and then too.
        bench.device.writeConfiguration(offset: 8, count: 4, value: 0x141)
        bench.device.writeConfiguration(offset: 8, count: 1, value: 0x42)
        bench.device.writeConfiguration(offset: 0, count: 4, value: 0x43)
        bench.device.writeConfiguration(offset: 9, count: 1, value: 0x43)
        #expect(bench.text == "hello, world\nAB")
    }

    @Test(arguments: [false, true]) func whatIsTyped(isPacked: Bool) throws {
        let bench = try Bench(isPacked: isPacked)
        #expect(!bench.device.isRunning)
        try bench.start()
        #expect(bench.device.isRunning)
        // No buffer yet: it waits, up to what there is room for.
        #expect(bench.device.receive(Array("abcdef".utf8)) == 6)
        try bench.receive.add(readable: [], writable: [GuestSegment(gpa: Self.data, count: 4)])
        bench.device.notify(queue: 0)
        #expect(try bench.receive.used()?.written == 4)
        #expect(try bench.memory.read(Self.data, count: 4) == Array("abcd".utf8))
        try bench.receive.add(
            readable: [],
            writable: [GuestSegment(gpa: Self.data, count: 1), GuestSegment(gpa: Self.data + 16, count: 8)])
        bench.device.notify(queue: 0)
        #expect(try bench.receive.used()?.written == 2)
        #expect(try bench.memory.read(Self.data + 16, count: 1) == Array("f".utf8))
        try bench.receive.add(readable: [], writable: [GuestSegment(gpa: Self.data, count: 8)])
        bench.device.notify(queue: 0)
        #expect(try bench.receive.used() == nil, "there is nothing")
        #expect(bench.device.receive(Array("xy".utf8)) == 2)
        #expect(try bench.receive.used()?.written == 2)
        let full = [UInt8](repeating: 0x61, count: 5000)
        #expect(bench.device.receive(full) == ConsoleDevice.inputCapacity)
        #expect(bench.device.receive(full) == 0)
        #expect(bench.signals.broken.isEmpty && bench.signals.used(0) == 3)
        bench.device.stop()
        #expect(!bench.device.isRunning)
    }

    @Test func brokenBuffersNeedAReset() throws {
        for segment in [GuestSegment(gpa: 1 << 40, count: 4), GuestSegment(gpa: Self.data, count: 2 << 20)] {
            let bench = try Bench()
            try bench.start()
            try bench.transmit.add(readable: [segment], writable: [])
            bench.device.notify(queue: 1)
            #expect(bench.signals.broken.count == 1 && bench.text.isEmpty, "\(segment)")
            bench.device.notify(queue: 1)
            #expect(bench.signals.broken.count == 1)
        }
        for segment in [GuestSegment(gpa: 1 << 40, count: 4), GuestSegment(gpa: Self.data, count: 0)] {
            let bench = try Bench()
            try bench.start()
            try bench.receive.add(readable: [], writable: [segment])
            #expect(bench.device.receive([1]) == 1)
            #expect(bench.signals.broken.count == 1, "\(segment)")
        }
    }

    @Test(arguments: [false, true]) func theStateGoesOn(isPacked: Bool) throws {
        let bench = try Bench(isPacked: isPacked)
        #expect(bench.device.save() == ConsoleDeviceState())
        try bench.start()
        try bench.memory.write(Self.data, Array("ab".utf8))
        try bench.transmit.add(readable: [GuestSegment(gpa: Self.data, count: 2)], writable: [])
        bench.device.notify(queue: 1)
        #expect(bench.device.receive(Array("typed".utf8)) == 5)
        let saved = bench.device.save()
        #expect(saved == bench.device.save() && saved.input == Array("typed".utf8))
        let printed = bench.printed
        let other = ConsoleDevice(output: { bytes in printed.withLock { $0 += bytes } })
        try other.load(saved, memory: bench.memory, signals: bench.signals)
        #expect(other.save() == saved)
        try bench.receive.add(readable: [], writable: [GuestSegment(gpa: Self.data, count: 8)])
        other.notify(queue: 0)
        #expect(try bench.receive.used()?.written == 5)
        var bad = saved
        bad.input = [UInt8](repeating: 0, count: ConsoleDevice.inputCapacity + 1)
        #expect(throws: VirtQueueError.self) { try other.load(bad, memory: bench.memory, signals: bench.signals) }
        bad = saved
        bad.features |= ConsoleDevice.Feature.size
        #expect(throws: VirtQueueError.self) { try other.load(bad, memory: bench.memory, signals: bench.signals) }
    }
}
