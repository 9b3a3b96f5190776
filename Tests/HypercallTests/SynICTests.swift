import EmbeddedHypervisor
import HypercallABI
import HypercallCore
import Hypervisor
import Synchronization
import Testing

/// A partition whose processor 0 has its message page at guest page 5 and its event page at 6, and takes messages and
/// events on SINT 2 as vector 0x51.
private final class SynICBench: Sendable {
    let bench: TouchableBench
    var client: HypercallClient { bench.client }
    var id: PartitionID { bench.id }
    static let messages: UInt64 = 0x5000
    static let events: UInt64 = 0x6000

    init() throws {
        bench = try TouchableBench()
        try set(.scontrol, 1)
        try set(.simp, Self.messages | 1)
        try set(.siefp, Self.events | 1)
        try set(.sint2, 0x51)
    }

    func set(_ name: RegisterName, _ value: UInt64) throws {
        try client.setRegisters([RegisterAssociation(name, RegisterValue(value))], of: 0, in: id)
    }

    var interrupts: [UInt32] { bench.bench.engine.partition(id)?.state.withLock { $0.messages } ?? [] }

    func direct(_ change: (inout PostMessageDirectInput) -> Void = { _ in }) -> HypercallStatus {
        var input = PostMessageDirectInput(
            partition: id, index: 0, sint: 2,
            message: SynICMessage(type: MessageType(rawValue: 7), sender: 9, payload: [1, 2, 3]))
        change(&input)
        return status { try client.postMessageDirect(input) }
    }

    func signal(_ change: (inout SignalEventDirectInput) -> Void = { _ in }) throws -> Bool {
        var input = SignalEventDirectInput(partition: id, index: 0, sint: 2, event: 13)
        change(&input)
        return try client.signalEventDirect(input)
    }

    /// A port of the partition, and a connection of the root with the same number.
    func connect(_ number: UInt32, _ info: PortInfo) throws {
        let port = PortID(rawValue: number)
        try client.createPort(CreatePortInput(partition: id, port: port, connectionPartition: .own, info: info))
        try client.connectPort(
            ConnectPortInput(
                partition: .own, connection: ConnectionID(rawValue: number), portPartition: id, port: port,
                info: info.type == .message ? .message : .event))
    }

    func post(_ number: UInt32, _ type: UInt32 = 7, _ payload: [UInt8] = [5]) -> HypercallStatus {
        status {
            try client.postMessage(
                PostMessageInput(
                    connection: ConnectionID(rawValue: number), type: MessageType(rawValue: type), payload: payload))
        }
    }

    func slot(_ sint: UInt64 = 2) throws -> SynICMessage {
        try decode((0..<256).map { bench.peek(Self.messages + 256 * sint + UInt64($0), as: UInt8.self) })
    }

    /// What a guest does with a message that it has read.
    func free(_ sint: UInt64 = 2) { bench.poke(Self.messages + 256 * sint, 0 as UInt32) }
}

@Suite struct SynICTests {
    @Test func aMessageLandsInItsSlot() throws {
        let bench = try SynICBench()
        #expect(bench.direct() == .success)
        #expect(try bench.slot() == SynICMessage(type: MessageType(rawValue: 7), sender: 9, payload: [1, 2, 3]))
        #expect(bench.interrupts == [0x51])
        #expect(bench.direct() == .objectInUse)
        #expect(try bench.slot().isPending, "the guest is to write EOM")
        bench.free()
        #expect(bench.direct() == .success)
        #expect(try !bench.slot().isPending)
        #expect(bench.interrupts == [0x51, 0x51])
        #expect(try bench.slot(3) == SynICMessage(type: .none, payload: []), "nothing beside it")
    }

    @Test func statesInWhichNothingIsTaken() throws {
        let changes: [(RegisterName, UInt64)] = [
            (.scontrol, 0), (.sint2, 0x1_0051), (.sint2, 0x10_0051), (.sint2, 0x0F),
        ]
        for (name, value) in changes {
            let bench = try SynICBench()
            try bench.set(name, value)
            #expect(bench.direct() == .invalidSynicState, "\(name)")
            #expect(status { _ = try bench.signal() } == .invalidSynicState, "\(name)")
            #expect(bench.interrupts == [])
        }
        let bench = try SynICBench()
        try bench.set(.simp, SynICBench.messages)
        try bench.set(.siefp, SynICBench.events)
        #expect(bench.direct() == .invalidSynicState)
        #expect(status { _ = try bench.signal() } == .invalidSynicState)
        for page in [512 * 4096, 1 << 52, UInt64.max << 12] as [UInt64] {
            try bench.set(.simp, page | 1)
            try bench.set(.siefp, page | 1)
            #expect(bench.direct() == .invalidSynicState, "no memory")
            #expect(status { _ = try bench.signal() } == .invalidSynicState, "no memory")
        }
    }

    @Test func polling() throws {
        let bench = try SynICBench()
        try bench.set(.sint2, 0x4_0000)
        #expect(bench.direct() == .success)
        #expect(try bench.signal())
        #expect(bench.interrupts == [])
        #expect(try bench.slot().type.rawValue == 7)
    }

    @Test func directStatuses() throws {
        let bench = try SynICBench()
        #expect(bench.direct { $0.vtl = 1 } == .invalidParameter)
        #expect(bench.direct { $0.partition = .own } == .invalidPartitionId)
        #expect(bench.direct { $0.index = 1 } == .invalidVpIndex)
        #expect(bench.direct { $0.sint = 16 } == .invalidParameter)
        #expect(bench.direct { $0.message.type = .none } == .invalidParameter)
        #expect(bench.direct { $0.sint = 3 } == .invalidSynicState)
        #expect(status { _ = try bench.signal { $0.vtl = 1 } } == .invalidParameter)
        #expect(status { _ = try bench.signal { $0.partition = .invalid } } == .invalidPartitionId)
        #expect(status { _ = try bench.signal { $0.index = 1 } } == .invalidVpIndex)
        #expect(status { _ = try bench.signal { $0.sint = 16 } } == .invalidParameter)
        #expect(status { _ = try bench.signal { $0.event = 2048 } } == .invalidParameter)
    }

    @Test func events() throws {
        let bench = try SynICBench()
        #expect(try bench.signal())
        #expect(bench.bench.peek(SynICBench.events + 512 + 1, as: UInt8.self) == 0x20)
        #expect(try !bench.signal(), "signalled already")
        #expect(try bench.signal { $0.event = 2047 })
        #expect(bench.bench.peek(SynICBench.events + 512 + 255, as: UInt8.self) == 0x80)
        #expect(bench.interrupts == [0x51, 0x51])
        bench.bench.poke(SynICBench.events + 512 + 1, 0 as UInt8)
        #expect(try bench.signal())
    }

    @Test func messagesThroughAPortWait() throws {
        let bench = try SynICBench()
        try bench.connect(0x1234, .message(sint: 2, vp: 0))
        #expect(bench.post(0x1234, 1) == .success)
        #expect(try bench.slot() == SynICMessage(type: MessageType(rawValue: 1), sender: 0x1234, payload: [5]))
        for type in 2...17 as ClosedRange<UInt32> { #expect(bench.post(0x1234, type) == .success) }
        #expect(bench.post(0x1234, 18) == .insufficientBuffers)
        #expect(try bench.slot().isPending)
        for type in 2...17 as ClosedRange<UInt32> {
            bench.free()
            try bench.set(.eom, 0)
            let message = try bench.slot()
            #expect(message.type.rawValue == type)
            #expect(message.isPending == (type < 17))
        }
        bench.free()
        try bench.set(.eom, 0)
        #expect(try bench.slot().type == .none)
        #expect(bench.interrupts.count == 17)
        #expect(try bench.client.registers([.eom], of: 0, in: bench.id).map(\.low) == [0])
    }

    /// A slot that the guest freed without EOM is used for what waits first.
    @Test func messagesKeepTheirOrder() throws {
        let bench = try SynICBench()
        try bench.connect(1, .message(sint: 2, vp: PortInfo.anyVP))
        for type in 1...2 as ClosedRange<UInt32> { #expect(bench.post(1, type) == .success) }
        bench.free()
        #expect(bench.post(1, 3) == .success)
        #expect(try bench.slot().type.rawValue == 2)
        #expect(try bench.slot().isPending)
        // Masked, nothing is delivered; unmasked again it is.
        try bench.set(.sint2, 0x1_0051)
        bench.free()
        try bench.set(.eom, 0)
        #expect(try bench.slot().type == .none)
        #expect(bench.post(1, 4) == .invalidSynicState)
        try bench.set(.sint2, 0x51)
        #expect(try bench.slot().type.rawValue == 3)
    }

    @Test func eventsThroughAPort() throws {
        let bench = try SynICBench()
        let client = bench.client
        try bench.connect(3, .event(sint: 2, vp: 0, base: 2000, count: 48))
        let connection = ConnectionID(rawValue: 3)
        try client.signalEvent(47, through: connection)
        #expect(bench.bench.peek(SynICBench.events + 512 + 255, as: UInt8.self) == 0x80)
        #expect(status { try client.signalEvent(48, through: connection) } == .invalidParameter)
        #expect(status { try client.signalEvent(0, through: ConnectionID(rawValue: 4)) } == .invalidConnectionId)
        #expect(bench.post(3) == .invalidConnectionId, "a connection for events")
        try bench.set(.scontrol, 0)
        #expect(status { try client.signalEvent(1, through: connection) } == .invalidSynicState)
        try client.deletePort(PortID(rawValue: 3), of: bench.id)
        #expect(status { try client.signalEvent(1, through: connection) } == .invalidPortId)
    }

    @Test func postingStatuses() throws {
        let bench = try SynICBench()
        try bench.connect(1, .message(sint: 2, vp: 0))
        #expect(bench.post(1, 0) == .invalidParameter)
        #expect(bench.post(1, 0x8000_0000) == .invalidParameter)
        #expect(bench.post(2) == .invalidConnectionId)
        #expect(bench.post(1, 1, [UInt8](repeating: 1, count: 240)) == .success)
        try bench.client.deletePort(PortID(rawValue: 1), of: bench.id)
        #expect(bench.post(1) == .invalidPortId)
        // A port with the same number is another.
        try bench.client.createPort(
            CreatePortInput(
                partition: bench.id, port: PortID(rawValue: 1), connectionPartition: .own,
                info: .message(sint: 2, vp: 0)))
        #expect(bench.post(1) == .invalidPortId)
        // The root has no pages for messages.
        try bench.client.createPort(
            CreatePortInput(
                partition: .own, port: PortID(rawValue: 9), connectionPartition: .own,
                info: .message(sint: 1, vp: PortInfo.anyVP)))
        try bench.client.connectPort(
            ConnectPortInput(
                partition: .own, connection: ConnectionID(rawValue: 9), portPartition: .own,
                port: PortID(rawValue: 9), info: .message))
        #expect(bench.post(9) == .invalidSynicState)
        try bench.connect(10, .message(sint: 2, vp: 0))
        try bench.client.deleteVP(0, of: bench.id)
        #expect(bench.post(10) == .invalidVpIndex)
        try bench.client.finalizePartition(bench.id)
        #expect(bench.post(10) == .invalidPortId)
    }
}
