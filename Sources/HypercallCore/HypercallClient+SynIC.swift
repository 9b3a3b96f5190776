import HypercallABI

extension HypercallClient {
    // MARK: Ports (TLFS, "Inter-Partition Communication")

    package func createPort(_ input: CreatePortInput) throws(HypercallFailure) {
        try simple(.createPort, input) { _ in }
    }

    package func deletePort(_ port: PortID, of partition: PartitionID) throws(HypercallFailure) {
        try simple(.deletePort, DeletePortInput(partition: partition, port: port)) { _ in }
    }

    package func connectPort(_ input: ConnectPortInput) throws(HypercallFailure) {
        try simple(.connectPort, input) { _ in }
    }

    package func disconnectPort(_ input: DisconnectPortInput) throws(HypercallFailure) {
        try simple(.disconnectPort, input) { _ in }
    }

    /// Says that the ring of a SINT of the root was read.
    package func notifyPortRingEmpty(sint: UInt32) throws(HypercallFailure) {
        try simple(.notifyPortRingEmpty, NotifyPortRingEmptyInput(sint: sint)) { _ in }
    }

    // MARK: Messages and events (TLFS, "Inter-Partition Communication")

    /// Sends a message through a connection of the root.
    package func postMessage(_ input: PostMessageInput) throws(HypercallFailure) {
        try simple(.postMessage, input) { _ in }
    }

    /// Signals an event through a connection of the root.
    package func signalEvent(_ event: UInt16, through connection: ConnectionID) throws(HypercallFailure) {
        try simple(.signalEvent, SignalEventInput(connection: connection, event: event)) { _ in }
    }

    /// Puts a message into a slot.
    package func postMessageDirect(_ input: PostMessageDirectInput) throws(HypercallFailure) {
        try simple(.postMessageDirect, input) { _ in }
    }

    /// Sets an event flag.
    ///
    /// - Returns: whether it was not set before.
    package func signalEventDirect(_ input: SignalEventDirectInput) throws(HypercallFailure) -> Bool {
        try simple(.signalEventDirect, input) { output throws(HypercallStatus) in
            try output.read(UInt8.self, at: 0) != 0
        }
    }
}
