import HypercallABI
import Testing

/// The structures of the calls about ports, messages and events lie where the headers' compiled layouts say.
@Suite struct PortLayoutTests {
    private let id = PartitionID(rawValue: .max)
    private let none = PartitionID.invalid
    private let preferred = ProximityDomainInfo(domain: .max, isPreferred: false, isValid: false)

    @Test func ports() throws {
        let message = PortInfo.message(sint: 0, vp: 0)
        try expectLayout("hv_port_info", message) { _ in
            [
                ("message_port_info.target_sint", .message(sint: .max, vp: 0)),
                ("message_port_info.target_vp", .message(sint: 0, vp: .max)),
            ]
        }
        try expectLayout("hv_port_info", PortInfo.event(sint: 0, vp: 0, base: 0, count: 0)) { _ in
            [
                ("event_port_info.target_sint", .event(sint: .max, vp: 0, base: 0, count: 0)),
                ("event_port_info.target_vp", .event(sint: 0, vp: .max, base: 0, count: 0)),
                ("event_port_info.base_flag_number", .event(sint: 0, vp: 0, base: .max, count: 0)),
                ("event_port_info.flag_count", .event(sint: 0, vp: 0, base: 0, count: .max)),
            ]
        }
        try expectLayout("hv_port_info", PortInfo.monitor(address: 0)) { _ in
            [("monitor_port_info.monitor_address", .monitor(address: .max))]
        }
        try expectLayout("hv_port_info", PortInfo.doorbell(sint: 0, vp: 0)) { _ in
            [
                ("doorbell_port_info.target_sint", .doorbell(sint: .max, vp: 0)),
                ("doorbell_port_info.target_vp", .doorbell(sint: 0, vp: .max)),
            ]
        }
        let port = PortID(rawValue: 0)
        let create = CreatePortInput(partition: none, port: port, connectionPartition: none, info: message)
        try expectLayout("hv_input_create_port", create) { change in
            [
                ("port_partition_id", change { $0.partition = id }),
                ("port_id", change { $0.port = PortID(rawValue: .max) }),
                ("port_vtl", change { $0.vtl = .max }),
                ("min_connection_vtl", change { $0.minimumConnectionVTL = .max }),
                ("connection_partition_id", change { $0.connectionPartition = id }),
                ("port_info[8..12]", change { $0.info = .message(sint: .max, vp: 0) }),
                ("proximity_domain_info[0..4]", change { $0.proximity = preferred }),
            ]
        }
        try expectLayout("hv_input_delete_port", DeletePortInput(partition: none, port: port)) { change in
            [
                ("port_partition_id", change { $0.partition = id }),
                ("port_id", change { $0.port = PortID(rawValue: .max) }),
            ]
        }
        try expectLayout("hv_input_notify_port_ring_empty", NotifyPortRingEmptyInput(sint: 0)) { change in
            [("sint_index", change { $0.sint = .max })]
        }
        for offset in [14, 15] { expectRefused(CreatePortInput.self, offset) }
        expectRefused(CreatePortInput.self, 24, 5)
        for type in [0, 5, 255] as [UInt8] { expectRefused(PortInfo.self, 0, type) }
        for offset in 12..<16 { expectRefused(DeletePortInput.self, offset) }
        for offset in 4..<8 { expectRefused(NotifyPortRingEmptyInput.self, offset) }
        for type in PortType.allCases {
            for offset in type == .event ? 20..<24 : 16..<24 {
                var bytes = [UInt8](repeating: 0, count: PortInfo.size)
                bytes[0] = UInt8(type.rawValue)
                let _: PortInfo? = try decode(bytes)
                bytes[offset] = 1
                #expect(throws: HypercallStatus.invalidParameter) { let _: PortInfo = try decode(bytes) }
            }
        }
    }

    @Test func connections() throws {
        let connection = ConnectionID(rawValue: 0)
        let empty = ConnectionInfo.doorbell(Doorbell(gpa: 0))
        try expectLayout("hv_connection_info", empty) { _ in
            [
                ("doorbell_connection_info.gpa", .doorbell(Doorbell(gpa: .max))),
                ("doorbell_connection_info.trigger_value", .doorbell(Doorbell(gpa: 0, value: .max))),
                (
                    "doorbell_connection_info.flags",
                    .doorbell(Doorbell(gpa: 0, flags: DoorbellFlags(rawValue: .max)))
                ),
            ]
        }
        try expectLayout("hv_connection_info", ConnectionInfo.monitor(address: 0)) { _ in
            [("monitor_connection_info.monitor_address", .monitor(address: .max))]
        }
        let connect = ConnectPortInput(
            partition: none, connection: connection, portPartition: none, port: PortID(rawValue: 0), info: .message)
        try expectLayout("hv_input_connect_port", connect) { change in
            [
                ("connection_partition_id", change { $0.partition = id }),
                ("connection_id", change { $0.connection = ConnectionID(rawValue: .max) }),
                ("connection_vtl", change { $0.vtl = .max }), ("port_partition_id", change { $0.portPartition = id }),
                ("port_id", change { $0.port = PortID(rawValue: .max) }),
                ("proximity_domain_info[0..4]", change { $0.proximity = preferred }),
            ]
        }
        #expect(bytes(of: connect)[32] == 1, "the type of the connection")
        let disconnect = DisconnectPortInput(partition: none, connection: connection)
        try expectLayout("hv_input_disconnect_port", disconnect) { change in
            [
                ("connection_partition_id", change { $0.partition = id }),
                ("connection_id", change { $0.connection = ConnectionID(rawValue: .max) }),
                ("is_doorbell", change { $0.isDoorbell = true }),
            ]
        }
        for offset in [13, 14, 28, 31] { expectRefused(ConnectPortInput.self, offset) }
        for (offset, value) in [(12, 2), (15, 0x80)] as [(Int, UInt8)] {
            expectRefused(DisconnectPortInput.self, offset, value)
        }
    }

    @Test func messages() throws {
        let zero = SynICMessage(type: .none, payload: [])
        let full = [UInt8](repeating: 0xFF, count: 240)
        try expectLayout("hv_message_header", zero, size: 256) { change in
            [
                ("message_type", change { $0.type = MessageType(rawValue: .max) }),
                ("message_flags:0..1", change { $0.isPending = true }), ("sender", change { $0.sender = .max }),
            ]
        }
        let message = try Fixture.layout("hv_message")
        #expect(message.size == SynICMessage.size)
        #expect(try message.bits(of: "u.payload") == 128..<2048)
        let filled = SynICMessage(type: .none, payload: full)
        #expect(bytes(of: filled)[4] == 240 && bytes(of: filled)[16...] == full[...])
        #expect(try decode(bytes(of: filled)) == filled)

        let post = PostMessageInput(connection: ConnectionID(rawValue: 0), type: .none, payload: [])
        try expectLayout("hv_input_post_message", post) { change in
            [
                ("connection_id", change { $0.connection = ConnectionID(rawValue: .max) }),
                ("message_type", change { $0.type = MessageType(rawValue: .max) }),
            ]
        }
        let posted = PostMessageInput(connection: ConnectionID(rawValue: 0), type: .none, payload: full)
        #expect(bytes(of: posted)[12] == 240 && bytes(of: posted)[16...] == full[...])
        try expectLayout("hv_input_signal_event", SignalEventInput(connection: ConnectionID(rawValue: 0), event: 0)) {
            change in
            [
                ("connection_id", change { $0.connection = ConnectionID(rawValue: .max) }),
                ("flag_number", change { $0.event = .max }),
            ]
        }
        let direct = PostMessageDirectInput(partition: none, index: 0, sint: 0, message: zero)
        try expectLayout("hv_input_post_message_direct", direct) { change in
            [
                ("partition_id", change { $0.partition = id }), ("vp_index", change { $0.index = .max }),
                ("vtl", change { $0.vtl = .max }), ("sint_index", change { $0.sint = .max }),
                ("message[0..4]", change { $0.message.type = MessageType(rawValue: .max) }),
            ]
        }
        let signal = SignalEventDirectInput(partition: none, index: 0, sint: 0, event: 0)
        try expectLayout("hv_input_signal_event_direct", signal) { change in
            [
                ("target_partition", change { $0.partition = id }), ("target_vp", change { $0.index = .max }),
                ("target_vtl", change { $0.vtl = .max }), ("target_sint", change { $0.sint = .max }),
                ("flag_number", change { $0.event = .max }),
            ]
        }
        #expect(try Fixture.layout("hv_output_signal_event_direct").size == SignalEventDirectInput.outputSize)
        for offset in 4..<8 { expectRefused(PostMessageInput.self, offset) }
        expectRefused(PostMessageInput.self, 12, 241)
        for offset in [6, 7] { expectRefused(SignalEventInput.self, offset) }
        for (offset, value) in [(13, 1), (15, 1), (24, 241), (25, 2), (26, 1), (27, 1), (276, 1)] as [(Int, UInt8)] {
            expectRefused(PostMessageDirectInput.self, offset, value)
        }
    }

    @Test func numbers() throws {
        let table = Dictionary(
            try Fixture.numbers("device_constants.csv").map { ($0.name, $0.value) },
            uniquingKeysWith: { first, _ in first })
        let ours: [(String, UInt64)] = [
            ("HV_PORT_TYPE_MESSAGE", UInt64(PortType.message.rawValue)),
            ("HV_PORT_TYPE_EVENT", UInt64(PortType.event.rawValue)),
            ("HV_PORT_TYPE_MONITOR", UInt64(PortType.monitor.rawValue)),
            ("HV_PORT_TYPE_DOORBELL", UInt64(PortType.doorbell.rawValue)),
            ("HV_DOORBELL_FLAG_TRIGGER_SIZE_MASK", DoorbellFlags.sizeMask.rawValue),
            ("HV_DOORBELL_FLAG_TRIGGER_SIZE_BYTE", DoorbellFlags.byte.rawValue),
            ("HV_DOORBELL_FLAG_TRIGGER_SIZE_WORD", DoorbellFlags.word.rawValue),
            ("HV_DOORBELL_FLAG_TRIGGER_SIZE_DWORD", DoorbellFlags.dword.rawValue),
            ("HV_DOORBELL_FLAG_TRIGGER_SIZE_QWORD", DoorbellFlags.qword.rawValue),
            ("HV_DOORBELL_FLAG_TRIGGER_ANY_VALUE", DoorbellFlags.anyValue.rawValue),
            ("HV_SYNIC_SINT_COUNT", UInt64(SynICMessage.sintCount)),
            ("HV_EVENT_FLAGS_COUNT", UInt64(SynICMessage.eventCount)),
            ("HV_MESSAGE_SIZE", UInt64(SynICMessage.size)),
            ("HV_MESSAGE_PAYLOAD_BYTE_COUNT", UInt64(SynICMessage.maximumPayload)),
            ("HV_ANY_VP", UInt64(PortInfo.anyVP)),
        ]
        for (name, value) in ours { #expect(table[name] == value, "\(name)") }
        #expect(
            [DoorbellFlags(), .byte, .word, .dword, .qword].map { Doorbell(gpa: 0, flags: $0).writeSize } == [
                nil, 1, 2, 4, 8,
            ])
    }
}
