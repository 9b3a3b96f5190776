import HypercallABI
import HypercallCore
import Hypervisor
import Synchronization

/// Messages and events (TLFS, "Inter-Partition Communication"). How they reach a processor is `PartitionState`'s.
///
/// - Through a connection, the calls check: reserved fields, more than 240 bytes, and a message type that is 0 or the
///   hypervisor's own (from 2^31 on), `invalidParameter`; the connection, which must be there, the root's, and for
///   messages or events, `invalidConnectionId`; the port, which may be deleted, `invalidPortId`; an event beyond the
///   port's, `invalidParameter`; the processor, `invalidVpIndex`; and its SynIC, `invalidSynicState`. The root's own
///   SynIC takes only doorbells here: `invalidSynicState` for a port of the root. A message whose slot is taken waits;
///   16 wait for a SINT, the next is `insufficientBuffers`.
/// - Directly, the calls check: reserved fields and the trust level, `invalidParameter`; the partition; the processor,
///   `invalidVpIndex`; a SINT above 15, an event above 2047, a message of type 0, `invalidParameter`; the SynIC,
///   `invalidSynicState`. A slot that is taken is `objectInUse`.
extension EmbeddedCore {
    func postMessage(_ input: PostMessageInput) throws(HypercallStatus) {
        guard input.type.rawValue != 0, input.type.rawValue < 1 << 31 else { throw HypercallStatus.invalidParameter }
        let (key, port) = try port(of: input.connection, .message)
        guard case .message(let sint, let vp) = port.info else { throw HypercallStatus.invalidConnectionId }
        guard key.owner != .own else { throw HypercallStatus.invalidSynicState }
        let message = SynICMessage(type: input.type, sender: UInt64(key.id.rawValue), payload: input.payload)
        try partition(key.owner).with { state throws(HypercallStatus) in
            try state.post(message, sint: sint, to: vp, mayWait: true)
        }
    }

    func signalEvent(_ input: SignalEventInput) throws(HypercallStatus) {
        let (key, port) = try port(of: input.connection, .event)
        guard case .event(let sint, let vp, let base, let count) = port.info else {
            throw HypercallStatus.invalidConnectionId
        }
        guard input.event < count else { throw HypercallStatus.invalidParameter }
        guard key.owner != .own else { throw HypercallStatus.invalidSynicState }
        try partition(key.owner).with { state throws(HypercallStatus) in
            // The sum was checked when the port was made.
            _ = try state.signal(base &+ input.event, sint: sint, to: vp)
        }
    }

    func postMessageDirect(_ input: PostMessageDirectInput) throws(HypercallStatus) {
        guard input.vtl == 0 else { throw HypercallStatus.invalidParameter }
        try partition(input.partition).with { state throws(HypercallStatus) in
            _ = try state.processor(input.index)
            guard input.sint < SynICMessage.sintCount, input.message.type != .none else {
                throw HypercallStatus.invalidParameter
            }
            try state.post(input.message, sint: input.sint, to: input.index, mayWait: false)
        }
    }

    func signalEventDirect(_ input: SignalEventDirectInput) throws(HypercallStatus) -> Bool {
        guard input.vtl == 0 else { throw HypercallStatus.invalidParameter }
        return try partition(input.partition).with { state throws(HypercallStatus) in
            _ = try state.processor(input.index)
            guard UInt32(input.sint) < SynICMessage.sintCount, input.event < SynICMessage.eventCount else {
                throw HypercallStatus.invalidParameter
            }
            return try state.signal(input.event, sint: UInt32(input.sint), to: input.index)
        }
    }

    /// The port that a connection of the root leads to.
    private func port(
        of connection: ConnectionID, _ type: PortType
    ) throws(HypercallStatus) -> (key: PortTable.PortKey, port: PortTable.Port) {
        try ports.withLock { table throws(HypercallStatus) in
            let key = PortTable.ConnectionKey(owner: .own, id: connection)
            guard let connection = table.connections[key], connection.info.type == type else {
                throw HypercallStatus.invalidConnectionId
            }
            guard let found = table.port(of: connection) else { throw HypercallStatus.invalidPortId }
            return found
        }
    }
}
