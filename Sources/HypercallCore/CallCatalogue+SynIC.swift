import HypercallABI

extension CallCatalogue {
    /// Ports, connections, messages and events (TLFS, "Inter-Partition Communication").
    static let synIC: [CallDefinition] = ports + messages

    private static let ofPartition: [HypercallStatus] = [
        .invalidPartitionId, .invalidPartitionState, .invalidParameter,
    ]

    private static let ports: [CallDefinition] = [
        CallDefinition(
            .createPort, .synIC, CallForm(inputSize: CreatePortInput.size),
            "Makes a port through which another partition sends messages or events, or rings a doorbell of the root. "
                + "It costs a page of its partition's pool.",
            input: "hv_input_create_port",
            statuses: ofPartition + [
                .invalidProximityDomainInfo, .invalidPortId, .invalidVpIndex, .featureUnavailable,
                .insufficientMemory,
            ],
            mshv: .ioctl("MSHV_IOEVENTFD")),
        CallDefinition(
            .deletePort, .synIC, CallForm(inputSize: DeletePortInput.size, isFast: true),
            "Deletes a port. Its connections stay until they are disconnected, and lead nowhere.",
            input: "hv_input_delete_port", statuses: ofPartition + [.invalidPortId],
            mshv: .ioctl("MSHV_IOEVENTFD")),
        CallDefinition(
            .connectPort, .synIC, CallForm(inputSize: ConnectPortInput.size),
            "Connects a partition to a port that was made for it. It costs a page of the connection's partition.",
            input: "hv_input_connect_port",
            statuses: ofPartition + [
                .invalidProximityDomainInfo, .invalidConnectionId, .invalidPortId, .accessDenied, .objectInUse,
                .featureUnavailable, .insufficientMemory,
            ],
            mshv: .ioctl("MSHV_IOEVENTFD")),
        CallDefinition(
            .disconnectPort, .synIC, CallForm(inputSize: DisconnectPortInput.size, isFast: true),
            "Ends a connection.", input: "hv_input_disconnect_port",
            statuses: ofPartition + [.invalidConnectionId], mshv: .ioctl("MSHV_IOEVENTFD")),
        CallDefinition(
            .notifyPortRingEmpty, .synIC, CallForm(inputSize: NotifyPortRingEmptyInput.size, isFast: true),
            "Says that the root has read the ring of a SINT: doorbells for which it had no room come now.",
            input: "hv_input_notify_port_ring_empty", statuses: [.invalidParameter], mshv: .driverOnly),
    ]

    private static let messages: [CallDefinition] = [
        CallDefinition(
            .postMessage, .synIC, CallForm(inputSize: PostMessageInput.size),
            "Sends a message through a connection of the root. It waits while the slot of its SINT is taken.",
            input: "hv_input_post_message", statuses: [.invalidParameter] + ofConnection + [.insufficientBuffers],
            mshv: .none),
        CallDefinition(
            .signalEvent, .synIC, CallForm(inputSize: SignalEventInput.size),
            "Signals an event through a connection of the root.",
            input: "hv_input_signal_event", statuses: [.invalidParameter] + ofConnection, mshv: .none),
        CallDefinition(
            .postMessageDirect, .synIC, CallForm(inputSize: PostMessageDirectInput.size),
            "Puts a message into the slot of a processor's SINT.", input: "hv_input_post_message_direct",
            statuses: ofPartition + [.invalidVpIndex, .invalidSynicState, .objectInUse], mshv: .rootHvcall),
        CallDefinition(
            .signalEventDirect, .synIC,
            CallForm(inputSize: SignalEventDirectInput.size, outputSize: SignalEventDirectInput.outputSize),
            "Sets an event flag of a processor's SINT. The output tells whether it was not set before.",
            input: "hv_input_signal_event_direct", output: "hv_output_signal_event_direct",
            statuses: ofPartition + [.invalidVpIndex, .invalidSynicState], mshv: .rootHvcall),
    ]

    private static let ofConnection: [HypercallStatus] = [
        .invalidConnectionId, .invalidPortId, .invalidVpIndex, .invalidSynicState,
    ]
}
