import HypercallABI
import Hypervisor
import SimulatedEngine
import Synchronization
import Testing

@Suite("The simulated engine")
struct SimulatedEngineTests {
    /// A clock that tests set.
    final class Clock: Sendable {
        private let time = Mutex<UInt64>(5_000_000_000)
        var now: UInt64 {
            get { time.withLock { $0 } }
            set { time.withLock { $0 = newValue } }
        }
    }

    /// A simulated guest with its clock and a serial port's input.
    final class Guest {
        let clock = Clock()
        let engine: SimulatedEngine
        let partition: SimulatedPartition
        let vp: any EngineVP
        var input: [UInt8] = []
        var events: UInt64 = 0
        var output = ""
        var exits: [VPExit] = []

        init(_ model: SimulationModel = SimulationModel(), vpCount: Int = 1) throws {
            let clock = clock
            engine = SimulatedEngine { clock.now }
            let id = PartitionID(rawValue: 9)
            _ = try engine.createPartition(
                EnginePartitionConfiguration(partitionID: id, vpCount: vpCount, simulation: model))
            partition = try #require(engine.partition(id))
            vp = try partition.createVP(0)
        }

        /// Runs until the guest waits, and lets the clock go there if it lies before `limit`.
        func run(until limit: UInt64) {
            while exits.count < 100_000 {
                let exit = vp.run()
                exits.append(exit)
                switch exit {
                case .portRead(0x3FD, 1): vp.completeRead(input.isEmpty ? 0x60 : 0x61)
                case .portRead(0x3F8, 1): vp.completeRead(UInt64(input.removeFirst()))
                case .portRead(0x608, 1):
                    vp.completeRead(events)
                    events = 0
                case .portWrite(0x3F8, 1, let value): output.unicodeScalars.append(Unicode.Scalar(UInt8(value)))
                case .halt(let wakeAt?) where wakeAt <= limit: clock.now = wakeAt
                case .halt, .unrecoverableException, .interrupted: return
                default: break
                }
            }
        }

        func type(_ text: String) throws {
            input += Array(text.utf8)
            try partition.signalMSI(address: 0xFEE0_0000, data: 0x30)
            run(until: clock.now)
        }
    }

    private let start: UInt64 = 5_000_000_000

    @Test("boots when its time has come, prints the banner and ticks about each second")
    func boot() throws {
        let guest = try Guest()
        #expect(guest.vp.run() == .halt(wakeAt: start + 20_000_000))
        #expect(guest.vp.run() == .halt(wakeAt: start + 20_000_000))
        guest.run(until: start + 10_000_000_000)
        #expect(guest.output == "hvroot simulated guest\n")
        let wakes = guest.exits.compactMap { if case .halt(let at) = $0 { at } else { nil } }
        for (early, late) in zip(wakes.dropFirst(), wakes.dropFirst(2)) {
            #expect((1_000_000_000...1_100_000_000).contains(late - early))
        }
        #expect(guest.exits.contains(.portWrite(port: 0x3F9, size: 1, value: 1)))
    }

    @Test("the same seed and input give the same exits, another seed gives others")
    func determinism() throws {
        func exits(_ seed: UInt64) throws -> [VPExit] {
            let guest = try Guest(SimulationModel(seed: seed))
            guest.run(until: start + 3_000_000_000)
            try guest.type("hello\n")
            guest.run(until: start + 9_000_000_000)
            return guest.exits
        }
        #expect(try exits(7) == exits(7))
        #expect(try exits(7) != exits(8))
    }

    @Test("echoes what is typed, and wakes its driver")
    func echo() throws {
        let guest = try Guest()
        guest.run(until: start + 100_000_000)
        let counter = Counter()
        guest.partition.onWake = { counter.value.add(1, ordering: .relaxed) }
        guest.output = ""
        try guest.type("hi there\n")
        #expect(guest.output == "hi there\n")
        #expect(counter.value.load(ordering: .relaxed) == 1)
    }

    private final class Counter: Sendable { let value = Atomic<Int>(0) }

    @Test("the line poweroff powers off, crash crashes, others do nothing")
    func commands() throws {
        let guest = try Guest()
        guest.run(until: start + 100_000_000)
        try guest.type("poweroff now\nxpoweroff\n" + String(repeating: "poweroff", count: 100) + "\n")
        #expect(!guest.exits.contains(.portWrite(port: 0x600, size: 1, value: 0x34)))
        try guest.type("poweroff\n")
        #expect(guest.exits.suffix(2) == [.portWrite(port: 0x600, size: 1, value: 0x34), .halt(wakeAt: nil)])
        let other = try Guest()
        other.run(until: start + 100_000_000)
        try other.type("crash\r")
        #expect(other.exits.last == .unrecoverableException)
        #expect(other.vp.run() == .unrecoverableException)
    }

    @Test("the power button and the end of its life power it off")
    func powerOff() throws {
        let guest = try Guest()
        guest.run(until: start + 100_000_000)
        guest.events = 1
        try guest.partition.signalMSI(address: 0xFEE0_0000, data: 0x31)
        guest.run(until: guest.clock.now)
        #expect(guest.exits.suffix(2) == [.portWrite(port: 0x600, size: 1, value: 0x34), .halt(wakeAt: nil)])
        let other = try Guest(SimulationModel(lifetime: 2_500_000_000))
        other.run(until: .max)
        #expect(other.exits.suffix(2) == [.portWrite(port: 0x600, size: 1, value: 0x34), .halt(wakeAt: nil)])
        #expect(other.clock.now == start + 20_000_000 + 2_500_000_000)
    }

    @Test("time that it is paused does not count")
    func pause() throws {
        let guest = try Guest(SimulationModel(busyNanosecondsPerSecond: 10_000_000), vpCount: 2)
        _ = guest.vp.run()
        guest.clock.now = start + 1_000_000_000
        guest.partition.pauseClock()
        let processor = try #require(guest.vp as? any SimulatedProcessor)
        #expect(processor.runTime == 10_000_000)
        guest.clock.now += 50_000_000_000
        #expect(processor.runTime == 10_000_000)
        guest.partition.resumeClock()
        guest.clock.now += 500_000_000
        #expect(processor.runTime == 15_000_000)
        let second = try guest.partition.createVP(1)
        #expect(second.run() == .halt(wakeAt: nil))
    }

    @Test("keeps registers and memory as they were set, and cancels once")
    func bookkeeping() throws {
        let guest = try Guest()
        try guest.vp.setRegisters([RegisterAssociation(.rip, 0x1000)])
        #expect(try guest.vp.registers([.rip, .rax]).map(\.low) == [0x1000, 0])
        #expect(throws: HypercallStatus.invalidParameter) {
            try guest.vp.registers([RegisterName(rawValue: 0xDEAD_0000)])
        }
        for page: UInt64 in [0, 2, 1] {
            try guest.partition.map(gpa: page * 4096, hostAddress: 4096, count: 4096, access: .all)
        }
        #expect(guest.partition.mappedBytes == 3 * 4096)
        #expect(throws: HypervisorError.self) {
            try guest.partition.map(gpa: 4096, hostAddress: 4096, count: 4096, access: .all)
        }
        try guest.partition.unmap(gpa: 4096, count: 4096)
        #expect(guest.partition.mappedBytes == 2 * 4096)
        guest.vp.cancelRun()
        #expect(guest.vp.run() == .interrupted)
        #expect(guest.vp.run().reason == .halt)
        guest.partition.close()
        #expect(guest.engine.partition(PartitionID(rawValue: 9)) == nil)
    }
}
