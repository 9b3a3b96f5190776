import EmbeddedHypervisor
import HypercallABI
import HypercallCore
import Hypervisor
import Synchronization
import Testing

/// Ports, connections and doorbells.
@Suite struct PortTests {
    private func port(_ number: UInt32) -> PortID { PortID(rawValue: number) }

    @Test func statusesOfCreating() throws {
        let bench = try TouchableBench()
        func create(_ change: (inout CreatePortInput) -> Void) -> HypercallStatus {
            var input = CreatePortInput(
                partition: bench.id, port: port(1), connectionPartition: .own, info: .message(sint: 2, vp: 0))
            change(&input)
            return status { try bench.client.createPort(input) }
        }
        #expect(create { $0.vtl = 1 } == .invalidParameter)
        #expect(create { $0.minimumConnectionVTL = 1 } == .invalidParameter)
        #expect(create { $0.partition = .invalid } == .invalidPartitionId)
        #expect(create { $0.connectionPartition = .invalid } == .invalidPartitionId)
        let young = try bench.client.createPartition(CreatePartitionInput(flags: []))
        #expect(create { $0.partition = young } == .invalidPartitionState)
        for number in [0, 1 << 24, .max] as [UInt32] { #expect(create { $0.port = port(number) } == .invalidPortId) }
        #expect(create { $0.info = .message(sint: 16, vp: 0) } == .invalidParameter)
        #expect(create { $0.info = .event(sint: 0, vp: 0, base: 0, count: 0) } == .invalidParameter)
        #expect(create { $0.info = .event(sint: 0, vp: 0, base: 2047, count: 2) } == .invalidParameter)
        #expect(create { $0.info = .event(sint: 0, vp: 0, base: .max, count: .max) } == .invalidParameter)
        #expect(create { $0.info = .monitor(address: 0) } == .featureUnavailable)
        #expect(create { $0.info = .doorbell(sint: 5, vp: 0) } == .featureUnavailable, "only the root's")
        #expect(create { $0.info = .message(sint: 0, vp: 1) } == .invalidVpIndex)
        #expect(
            create {
                $0.partition = .own; $0.info = .message(sint: 0, vp: 0x7FF)
            } == .invalidVpIndex)
        #expect(create { _ in } == .success)
        #expect(create { _ in } == .invalidPortId, "in use")
        #expect(create { $0.partition = .own } == .success, "another partition's")
        #expect(
            create {
                $0.port = port(0xFF_FFFF); $0.info = .event(sint: 15, vp: .max, base: 0, count: 2048)
            } == .success)
        #expect(status { try bench.client.deletePort(port(2), of: bench.id) } == .invalidPortId)
        try bench.client.deletePort(port(1), of: bench.id)
        #expect(status { try bench.client.deletePort(port(1), of: bench.id) } == .invalidPortId)
        #expect(status { try bench.client.deletePort(port(1), of: .invalid) } == .invalidPartitionId)
        #expect(create { _ in } == .success)
    }

    @Test func statusesOfConnecting() throws {
        let bench = try TouchableBench()
        let client = bench.client
        try client.createPort(
            CreatePortInput(
                partition: bench.id, port: port(1), connectionPartition: .own, info: .message(sint: 2, vp: 0)))
        try client.createPort(
            CreatePortInput(
                partition: .own, port: port(2), connectionPartition: bench.id,
                info: .doorbell(sint: 5, vp: PortInfo.anyVP)))
        func connect(_ change: (inout ConnectPortInput) -> Void) -> HypercallStatus {
            var input = ConnectPortInput(
                partition: .own, connection: ConnectionID(rawValue: 1), portPartition: bench.id, port: port(1),
                info: .message)
            change(&input)
            return status { try client.connectPort(input) }
        }
        #expect(connect { $0.vtl = 1 } == .invalidParameter)
        #expect(connect { $0.partition = .invalid } == .invalidPartitionId)
        #expect(connect { $0.portPartition = .invalid } == .invalidPartitionId)
        for number in [0, 1 << 24] as [UInt32] {
            #expect(connect { $0.connection = ConnectionID(rawValue: number) } == .invalidConnectionId)
        }
        #expect(connect { $0.port = port(3) } == .invalidPortId)
        #expect(connect { $0.partition = bench.id } == .accessDenied)
        #expect(connect { $0.info = .event } == .invalidParameter)
        #expect(connect { _ in } == .success)
        #expect(connect { _ in } == .invalidConnectionId)
        func doorbell(_ number: UInt32, _ gpa: UInt64, _ value: UInt64, _ flags: UInt64) -> HypercallStatus {
            let doorbell = Doorbell(gpa: gpa, value: value, flags: DoorbellFlags(rawValue: flags))
            let input = ConnectPortInput(
                partition: bench.id, connection: ConnectionID(rawValue: number), portPartition: .own, port: port(2),
                info: .doorbell(doorbell))
            return status { try client.connectPort(input) }
        }
        #expect(doorbell(1, 0, 0, 5) == .invalidParameter)
        #expect(doorbell(1, 0, 0, 8) == .invalidParameter)
        #expect(doorbell(1, 1 << 52, 0, 0) == .invalidParameter)
        #expect(doorbell(1, 0, 256, 1) == .invalidParameter)
        #expect(doorbell(1, 0, 1 << 32, 3) == .invalidParameter)
        #expect(doorbell(1, 0, 1 << 32, 0x8000_0003) == .success)
        #expect(doorbell(2, 0, 1 << 32, 0x8000_0003) == .objectInUse)
        #expect(doorbell(2, 0, .max, 4) == .success)
        func disconnect(_ change: (inout DisconnectPortInput) -> Void) -> HypercallStatus {
            var input = DisconnectPortInput(
                partition: bench.id, connection: ConnectionID(rawValue: 1), isDoorbell: true)
            change(&input)
            return status { try client.disconnectPort(input) }
        }
        #expect(disconnect { $0.partition = .invalid } == .invalidPartitionId)
        #expect(disconnect { $0.isDoorbell = false } == .invalidConnectionId)
        #expect(disconnect { $0.connection = ConnectionID(rawValue: 5) } == .invalidConnectionId)
        #expect(disconnect { _ in } == .success)
        #expect(disconnect { _ in } == .invalidConnectionId)
        #expect(
            disconnect {
                $0.partition = .own; $0.isDoorbell = false
            } == .success)
    }

    @Test func portsCostPages() throws {
        let bench = try Bench()
        let client = bench.client
        let id = try bench.activePartition(deposit: 160)
        func create(_ number: UInt32) -> HypercallStatus {
            status {
                try client.createPort(
                    CreatePortInput(
                        partition: id, port: port(number), connectionPartition: .own,
                        info: .message(sint: 2, vp: PortInfo.anyVP)))
            }
        }
        #expect(create(1) == .insufficientMemory)
        try client.depositMemory(bench.pages(1..<2), to: id)
        #expect(create(1) == .success)
        #expect(create(2) == .insufficientMemory)
        #expect(try client.withdrawMemory(from: id, maximum: 1).isEmpty)
        try client.deletePort(port(1), of: id)
        #expect(create(2) == .success)
        try client.finalizePartition(id)
        #expect(try client.withdrawMemory(from: id, maximum: .max).count == 161)
        #expect(status { try client.deletePort(port(2), of: id) } == .invalidPartitionState)
    }

    /// A write that rings does not exit; the next one that does not ring does.
    @Test func doorbells() throws {
        let bench = try TouchableBench()
        let hypervisor = bench.bench.hypervisor
        let rung = Mutex<[UInt32]>([])
        hypervisor.onRing { sint in rung.withLock { $0.append(sint) } }
        func connect(_ number: UInt32, _ doorbell: Doorbell) throws {
            try bench.client.createPort(
                CreatePortInput(
                    partition: .own, port: port(number), connectionPartition: bench.id,
                    info: .doorbell(sint: 5, vp: PortInfo.anyVP)))
            try bench.client.connectPort(
                ConnectPortInput(
                    partition: bench.id, connection: ConnectionID(rawValue: number), portPartition: .own,
                    port: port(number), info: .doorbell(doorbell)))
        }
        try connect(1, Doorbell(gpa: 0xD000_0000, flags: [.anyValue]))
        try connect(2, Doorbell(gpa: 0xD000_0000, value: 7, flags: .dword))
        let engine = try #require(bench.bench.engine.partition(bench.id)?.processor(0))
        let processor = try hypervisor.hotPath(of: bench.id).virtualProcessor(0)
        let exit = VPExit.mmioWrite(gpa: 0xD000_0004, size: 4, value: 7)
        func run(_ gpa: UInt64, _ size: UInt8, _ value: UInt64) {
            engine.give(.mmioWrite(gpa: gpa, size: size, value: value))
            engine.give(exit)
            #expect(processor.run() == exit)
        }
        run(0xD000_0000, 4, 7)
        #expect(hypervisor.readRing(sint: 5) == [port(2)], "the narrower one")
        run(0xD000_0000, 2, 7)
        run(0xD000_0000, 4, 8)
        #expect(hypervisor.readRing(sint: 5) == [port(1)], "once until it is read")
        #expect(hypervisor.readRing(sint: 5) == [])
        #expect(rung.withLock { $0 } == [5, 5])
        // The port's end is the doorbell's; so is the connection's.
        try bench.client.deletePort(port(1), of: .own)
        try bench.client.disconnectPort(
            DisconnectPortInput(partition: bench.id, connection: ConnectionID(rawValue: 2), isDoorbell: true))
        let write = VPExit.mmioWrite(gpa: 0xD000_0000, size: 4, value: 7)
        engine.give(write)
        #expect(processor.run() == write)
        #expect(hypervisor.readRing(sint: 5) == [])
        // The connection to the deleted port is there until it is disconnected.
        try bench.client.disconnectPort(
            DisconnectPortInput(partition: bench.id, connection: ConnectionID(rawValue: 1), isDoorbell: true))
    }

    @Test func aFullRingLeavesDoorbellsWaiting() throws {
        let bench = try TouchableBench()
        let hypervisor = bench.bench.hypervisor
        let rung = Mutex(0)
        hypervisor.onRing { _ in rung.withLock { $0 += 1 } }
        try bench.client.depositMemory(bench.bench.pages(0..<128), to: .own)
        let engine = try #require(bench.bench.engine.partition(bench.id)?.processor(0))
        let processor = try hypervisor.hotPath(of: bench.id).virtualProcessor(0)
        for number in 1...70 as ClosedRange<UInt32> {
            try bench.client.createPort(
                CreatePortInput(
                    partition: .own, port: port(number), connectionPartition: bench.id,
                    info: .doorbell(sint: 5, vp: 0)))
            try bench.client.connectPort(
                ConnectPortInput(
                    partition: bench.id, connection: ConnectionID(rawValue: number), portPartition: .own,
                    port: port(number),
                    info: .doorbell(Doorbell(gpa: 0xD000_0000, value: UInt64(number), flags: .byte))))
            engine.give(.mmioWrite(gpa: 0xD000_0000, size: 1, value: UInt64(number)))
        }
        engine.give(.halt(wakeAt: nil))
        #expect(processor.run() == .halt(wakeAt: nil))
        #expect(hypervisor.readRing(sint: 5) == (1...63).map { port($0) })
        #expect(hypervisor.readRing(sint: 5) == [])
        try bench.client.notifyPortRingEmpty(sint: 5)
        #expect(hypervisor.readRing(sint: 5) == (64...70).map { port($0) })
        try bench.client.notifyPortRingEmpty(sint: 5)
        #expect(hypervisor.readRing(sint: 5) == [])
        #expect(rung.withLock { $0 } == 2)
        #expect(status { try bench.client.notifyPortRingEmpty(sint: 16) } == .invalidParameter)
    }
}
