import HypercallABI

/// Ports, connections, messages and events (TLFS, "Inter-Partition Communication").
package protocol SynICCallHandler: Sendable {
    func createPort(_ input: CreatePortInput) throws(HypercallStatus)
    func deletePort(_ input: DeletePortInput) throws(HypercallStatus)
    func connectPort(_ input: ConnectPortInput) throws(HypercallStatus)
    func disconnectPort(_ input: DisconnectPortInput) throws(HypercallStatus)
    func notifyPortRingEmpty(_ input: NotifyPortRingEmptyInput) throws(HypercallStatus)
    func postMessage(_ input: PostMessageInput) throws(HypercallStatus)
    func signalEvent(_ input: SignalEventInput) throws(HypercallStatus)
    func postMessageDirect(_ input: PostMessageDirectInput) throws(HypercallStatus)
    /// - Returns: whether the event was not signalled before.
    func signalEventDirect(_ input: SignalEventDirectInput) throws(HypercallStatus) -> Bool
}
