import GuestMemory
import Testing

@testable import Virtio

@Suite struct VirtQueueTests {
    private static func bench(_ size: UInt16, _ isPacked: Bool) throws -> TestDriver {
        TestDriver(try GuestMemory(size: 2 << 20), size: size, isPacked: isPacked)
    }

    private func segment(_ number: Int) -> GuestSegment {
        GuestSegment(gpa: 0x10_0000 + UInt64(number) * 0x100, count: UInt32(number % 200 + 1))
    }

    /// Chains of every length, direct and indirect, many times round the ring.
    @Test(arguments: [(UInt16(8), false), (8, true), (5, true), (1, true), (256, false)])
    func chainsGoThereAndBack(_ size: UInt16, _ isPacked: Bool) throws {
        var driver = try Self.bench(size, isPacked)
        var device = try driver.device()
        #expect(try device.next() == nil)
        for round in 0..<(4 * Int(size) + 3) {
            let count = round % Int(size) + 1
            let isIndirect = round % 3 == 2
            let readable = (0..<count / 2).map { segment(round + $0) }
            let writable = (count / 2..<count).map { segment(round + $0) }
            let id = try driver.add(readable: readable, writable: writable, indirect: isIndirect && round < 200)
            let chain = try #require(try device.next())
            #expect(chain.id == id && chain.readable == readable && chain.writable == writable)
            #expect(try device.next() == nil)
            #expect(try driver.used() == nil)
            try device.complete(chain, written: UInt32(round))
            let used = try #require(try driver.used())
            #expect(used.id == id && used.written == UInt32(round))
        }
    }

    @Test(arguments: [false, true]) func severalAreUnderWay(_ isPacked: Bool) throws {
        var driver = try Self.bench(8, isPacked)
        var device = try driver.device()
        for _ in 0..<5 {
            let ids = try (0..<4).map { try driver.add(readable: [segment($0)], writable: [segment($0 + 9)]) }
            let chains = try (0..<4).map { _ in try #require(try device.next()) }
            for chain in chains { try device.complete(chain, written: 1) }
            for id in ids { #expect(try driver.used()?.id == id) }
        }
    }

    @Test(arguments: [false, true]) func interruptsAreWishedAway(_ isPacked: Bool) throws {
        var driver = try Self.bench(8, isPacked)
        var device = try driver.device()
        #expect(try !device.needsInterrupt())
        func completeOne() throws {
            try driver.add(readable: [segment(1)], writable: [])
            try device.complete(try #require(try device.next()), written: 0)
        }
        try completeOne()
        #expect(try device.needsInterrupt() && !device.needsInterrupt())
        try driver.memory.store(isPacked ? TestDriver.driverArea + 2 : TestDriver.driverArea, UInt16(1))
        try completeOne()
        #expect(try !device.needsInterrupt())
        #expect(try !device.setNotifications(false))
        let place = isPacked ? TestDriver.deviceArea + 2 : TestDriver.deviceArea
        #expect(try driver.memory.load(place, as: UInt16.self) == 1)
        // What came meanwhile is told of.
        try driver.add(readable: [segment(1)], writable: [])
        #expect(try device.setNotifications(true))
        #expect(try driver.memory.load(place, as: UInt16.self) == 0)
    }

    /// The driver asks for an interrupt after a certain element: it comes once, there.
    @Test(arguments: [false, true]) func eventIndexSaysWhere(_ isPacked: Bool) throws {
        var driver = try Self.bench(8, isPacked)
        var device = try driver.device(eventIndex: true)
        var told: [Int] = []
        if isPacked { try driver.memory.store(TestDriver.driverArea + 2, UInt16(2)) }
        for round in 0..<40 {
            // Each fifth, told ahead.
            let wanted = round / 5 * 5 + 4
            if isPacked {
                let wrap: UInt16 = (wanted / 8) % 2 == 0 ? 0x8000 : 0
                try driver.memory.store(TestDriver.driverArea, UInt16(wanted % 8) | wrap)
            } else {
                try driver.memory.store(TestDriver.driverArea + 4 + 16, UInt16(wanted))
            }
            try driver.add(readable: [segment(round)], writable: [])
            try device.complete(try #require(try device.next()), written: 0)
            if try device.needsInterrupt() { told.append(round) }
        }
        #expect(told == [4, 9, 14, 19, 24, 29, 34, 39])
        #expect(try !device.setNotifications(true))
        let field = isPacked ? TestDriver.deviceArea : TestDriver.deviceArea + 4 + 64
        // 40 elements in a ring of 8: the start of a lap of the first kind, or index 40.
        #expect(try driver.memory.load(field, as: UInt16.self) == (isPacked ? 0 : 40))
    }

    /// A device that serves at once asks to be notified of the next chain, too; with an event index the driver would
    /// be silent otherwise.
    @Test func servingAsksForTheNextNotification() throws {
        var driver = try Self.bench(8, false)
        var queue = try driver.device(eventIndex: true)
        for round in 1...3 {
            try driver.add(readable: [segment(1)], writable: [])
            _ = try queue.serve { _ in 0 }
            let event = try driver.memory.load(TestDriver.deviceArea + 4 + 8 * 8, as: UInt16.self)
            #expect(event == round)
        }
    }

    /// A driver that adds a chain for each that is carried out keeps no thread.
    @Test(arguments: [false, true]) func servingEnds(_ isPacked: Bool) throws {
        let driver = try Self.bench(4, isPacked)
        var queue = try driver.device()
        var other = driver
        try other.add(readable: [segment(1)], writable: [])
        var served = 0
        #expect(throws: VirtQueueError.self) {
            _ = try queue.serve { (_) throws(VirtQueueError) in
                served += 1
                do { try other.add(readable: [segment(1)], writable: []) } catch { throw VirtQueueError("\(error)") }
                return 0
            }
        }
        #expect(served == 256)
    }

    @Test func layoutsAreChecked() throws {
        let memory = try GuestMemory(size: 2 << 20)
        func make(_ change: (inout VirtQueueLayout) -> Void, packed: Bool = false) throws -> VirtQueue {
            var layout = VirtQueueLayout(size: 8, descriptors: 0x1000, driver: 0x2000, device: 0x3000)
            change(&layout)
            return try VirtQueue(layout, memory: memory, isPacked: packed, usesEventIndex: false)
        }
        _ = try make { _ in }
        _ = try make({ $0.size = 7 }, packed: true)
        for size: UInt16 in [0, 7, 32769, 65535] {
            #expect(throws: VirtQueueError.self) { try make { $0.size = size } }
        }
        for place: UInt64 in [1, 2 << 20, (2 << 20) - 8, .max, .max - 127, 0xC000_0000] {
            #expect(throws: VirtQueueError.self) { try make { $0.descriptors = place } }
            #expect(throws: VirtQueueError.self) { try make { $0.driver = place | 1 } }
            #expect(throws: VirtQueueError.self) { try make({ $0.device = place | 1 }, packed: true) }
        }
    }

    /// Each breaks one rule: an error, and nothing of the guest's is believed.
    @Test func brokenChainsAreErrors() throws {
        let memory = try GuestMemory(size: 2 << 20)
        func descriptor(_ index: Int, _ gpa: UInt64, _ count: UInt32, _ flags: UInt16, _ next: UInt16) throws {
            let place = TestDriver.descriptors + 16 * UInt64(index)
            try memory.store(place, gpa)
            try memory.store(place + 8, count)
            try memory.store(place + 12, flags)
            try memory.store(place + 14, next)
        }
        func expect(_ fragment: String, available: UInt16 = 1, head: UInt16 = 0) throws {
            try memory.store(TestDriver.driverArea + 2, available)
            try memory.store(TestDriver.driverArea + 4, head)
            var device = try TestDriver(memory, size: 4, isPacked: false).device()
            let error = #expect(throws: VirtQueueError.self) { try device.next() }
            #expect(error?.description.contains(fragment) == true, "\(error.map { $0.description } ?? "none")")
        }
        try descriptor(0, 0x10_0000, 16, DescriptorFlag.next, 0)
        try expect("never ends")
        try descriptor(0, 0x10_0000, 16, DescriptorFlag.next, 9)
        try expect("descriptor 9 of a table of 4")
        try expect("descriptor 7 of a table of 4", head: 7)
        try expect("from 0 to 5", available: 5)
        try descriptor(0, 0x10_0000, 16, DescriptorFlag.next | DescriptorFlag.write, 1)
        try descriptor(1, 0x10_0000, 16, 0, 0)
        try expect("readable segment behind a writable")
        try descriptor(0, 0x10_0000, 24, DescriptorFlag.indirect, 0)
        try expect("indirect table of 24 bytes")
        try descriptor(0, 0x10_0000, 0, DescriptorFlag.indirect, 0)
        try expect("indirect table of 0 bytes")
        try descriptor(0, .max - 4, 16, DescriptorFlag.indirect, 0)
        try expect("not in guest memory")
        try descriptor(0, TestDriver.descriptors, 16, DescriptorFlag.indirect, 0)
        try expect("inside an indirect table")
        try descriptor(0, 0x10_0000, 16, DescriptorFlag.indirect | DescriptorFlag.next, 1)
        try expect("indirect")
    }

    /// Random bytes everywhere: chains or errors, never a trap, and no segment more than the queue has.
    @Test(arguments: [false, true]) func noGuestMemoryTraps(_ isPacked: Bool) throws {
        let memory = try GuestMemory(size: 2 << 20)
        var random = SystemRandomNumberGenerator()
        for _ in 0..<3000 {
            for base in [TestDriver.descriptors, TestDriver.driverArea, TestDriver.deviceArea] {
                for word in 0..<32 {
                    let value = UInt64.random(in: 0...UInt64.max, using: &random)
                    // Small values make more of it plausible.
                    try memory.store(base + UInt64(word) * 8, value >> UInt64.random(in: 0...63, using: &random))
                }
            }
            let layout = VirtQueueLayout(
                size: 8, descriptors: TestDriver.descriptors, driver: TestDriver.driverArea,
                device: TestDriver.deviceArea)
            var device = try VirtQueue(
                layout, memory: memory, isPacked: isPacked, usesEventIndex: Bool.random(using: &random))
            for _ in 0..<20 {
                guard let chain = try? device.next() else { break }
                #expect(chain.readable.count + chain.writable.count <= 8)
                try device.complete(chain, written: 1)
                _ = try device.needsInterrupt()
                _ = try device.setNotifications(Bool.random(using: &random))
            }
        }
    }
}
