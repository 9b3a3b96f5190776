import LinuxSystem
import ManagementService
import PartitionManager
import Synchronization

/// How slowly a body of any size may come: who drips would keep a connection for ever.
struct UploadPace: Sendable {
    private let startedAt = monotonicNanoseconds()
    private let grace: Double
    private let minimumRate: Double

    init(_ configuration: RESTConfiguration) {
        grace = configuration.uploadGrace
        minimumRate = configuration.minimumUploadRate
    }

    func allows(_ received: UInt64) -> Bool {
        let seconds = Double(monotonicNanoseconds() - startedAt) / 1e9
        return seconds < grace || Double(received) / seconds >= minimumRate
    }
}

/// A body on its way to its receiver: pieces are gathered to a buffer, and when it is full the client waits until it is
/// written. So an upload of any size costs one buffer.
///
/// Unchecked: the buffer is the connection's thread's while the connection is awake, and `flush`'s while it sleeps.
final class BodyUpload: @unchecked Sendable {
    private static let bufferSize = 1 << 20

    private let receiver: any BodyReceiver
    private let pace: UploadPace
    private var buffer: [UInt8] = []
    private var received: UInt64 = 0
    /// What is wrong: it is the answer when the body is over, which is read to its end and dropped.
    private var failure: Problem?

    init(_ receiver: any BodyReceiver, _ pace: UploadPace) {
        self.receiver = receiver
        self.pace = pace
    }

    var isFull: Bool { buffer.count >= Self.bufferSize }

    /// False when the client is so slow that its connection is ended.
    func take(_ piece: UnsafeRawBufferPointer) -> Bool {
        received += UInt64(piece.count)
        if failure == nil { buffer.append(contentsOf: piece) }
        return pace.allows(received)
    }

    /// Writes what was gathered.
    func flush() async {
        let bytes = buffer
        buffer.removeAll(keepingCapacity: true)
        guard failure == nil, !bytes.isEmpty else { return }
        do {
            try await receiver.write(bytes)
        } catch {
            failure = Problem(catching: error)
            receiver.cancel()
        }
    }

    /// The body is complete: the answer.
    func finish(path: String) async -> Response {
        await flush()
        do {
            if let failure { throw failure }
            return try await receiver.finish()
        } catch {
            receiver.cancel()
            return Problem(catching: error).response(instance: path)
        }
    }

    /// The request is over.
    func cancel() { receiver.cancel() }
}
