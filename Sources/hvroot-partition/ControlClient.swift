import LinuxSystem
import WorkerProtocol

/// A connection of the server to this worker.
final class ControlClient {
    let token: UInt64
    let channel: MessageChannel
    /// Whether a `consoleAdvanced` waits for its acknowledgement.
    var consoleIsOutstanding = false
    /// Whether there were further bytes while it waited.
    var consoleHasMore = false

    init(_ socket: consuming FileDescriptor, token: UInt64) {
        channel = MessageChannel(socket)
        self.token = token
    }
}
