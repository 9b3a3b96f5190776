import CLinux
import Glibc
import LinuxSystem

/// One end of a control connection: messages over a socket that does not block. Confined to the thread of the epoll
/// loop that watches it.
package final class MessageChannel {
    /// An other end that sends and does not read what it gets is given up at this many bytes.
    private static let outputLimit = 1 << 21

    private let socket: FileDescriptor
    private var decoder = FrameDecoder()
    private var output: [UInt8] = []
    /// Why the connection is of no further use; nil as long as it is.
    package private(set) var failure: String?

    package init(_ socket: consuming FileDescriptor) { self.socket = socket }

    /// The socket's number, for epoll.
    package var raw: Int32 { socket.raw }
    /// Whether there are bytes that the socket did not take yet.
    package var wantsToWrite: Bool { failure == nil && !output.isEmpty }
    package var isBroken: Bool { failure != nil }

    /// Takes what has arrived and returns its messages. One read for each call, so that no channel starves the others.
    package func receive() -> [WorkerMessage] {
        guard failure == nil else { return [] }
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        let count = recv(socket.raw, &chunk, chunk.count, Int32(hv_message_flags))
        if count < 0 {
            let error = Errno.last
            if error.code != EAGAIN && error.code != EINTR { failure = "\(error)" }
            return []
        }
        guard count > 0 else {
            failure = "the other end has closed the connection"
            return []
        }
        decoder.append(chunk.prefix(count))
        var messages: [WorkerMessage] = []
        do {
            while let frame = try decoder.next() { messages.append(try WorkerMessage(frame)) }
        } catch {
            // The messages before the bad one were good; the stream ends here.
            failure = "\(error)"
        }
        return messages
    }

    /// Sends a message, now or when the socket takes it.
    ///
    /// - Returns: false where the connection is broken or the message is too long for a frame.
    @discardableResult
    package func send(_ message: WorkerMessage) -> Bool {
        guard failure == nil, let bytes = message.bytes else { return false }
        guard output.count + bytes.count <= Self.outputLimit else {
            failure = "the other end does not read"
            return false
        }
        output += bytes
        flush()
        return failure == nil
    }

    /// Writes as much as the socket takes.
    package func flush() {
        while failure == nil, !output.isEmpty {
            let count = output.withUnsafeBytes {
                Glibc.send(socket.raw, $0.baseAddress, $0.count, Int32(hv_message_flags))
            }
            if count < 0 {
                let error = Errno.last
                if error.code == EAGAIN { return }
                if error.code != EINTR { failure = "\(error)" }
            } else {
                output.removeFirst(count)
            }
        }
    }
}
