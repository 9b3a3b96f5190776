import ManagementService

/// Which console a WebSocket is to be attached to, and from where.
struct ConsoleAttachment: Sendable {
    var service: any ManagementAPI
    var vmID: String
    /// Where the replay begins, as `readConsole` takes it; nil: with what comes from now on.
    var offset: Int64?
    /// Bytes of one message from the client.
    var maximumMessage: Int
}
