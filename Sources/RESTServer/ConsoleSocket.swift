import CLinux
import CMicroHTTPD
import CWSLay
import Glibc
import LinuxSystem
import ManagementService
import PartitionManager

/// One WebSocket on a VM's console, confined to the live loop's thread. Output is read from the kept log only when the
/// frame before has left, so a slow client holds up nothing and costs one frame. Input waits in a bounded buffer, and
/// the socket is not read while that is full.
final class ConsoleSocket {
    /// Bytes of one frame to the client.
    private static let frameSize = 16 << 10
    /// Control frames that may wait for a client that does not read.
    private static let maximumQueued = 16
    private static let pingInterval: UInt64 = 30_000_000_000
    /// Without a byte from the client for so long it is taken for gone.
    private static let silenceLimit: UInt64 = 90_000_000_000
    /// How long the client has to answer a close frame.
    private static let closeLimit: UInt64 = 5_000_000_000

    let vmID: String
    private(set) var isDead = false

    private let attachment: ConsoleAttachment
    private let id: UInt64
    private let socket: Int32
    private let handle: UpgradeHandle
    private let epoll: Int32
    private let loop: LiveLoop
    private var context: wslay_event_context_ptr?
    private var observation: Observation?
    /// Bytes that came together with the request.
    private var early: ArraySlice<UInt8>
    private var isDisposed = false

    private var offset: Int64
    /// Only the place of the log's end is wanted from the first read.
    private var seeksEnd: Bool
    private var mayHaveOutput = true
    private var isReading = false

    private var input: [UInt8] = []
    private var isWriting = false

    private var interest: UInt32 = 0
    private var lastHeard = monotonicNanoseconds()
    private var lastPing = monotonicNanoseconds()
    private var closingSince: UInt64?

    /// Takes the connection over: from here on it is closed by `dispose` only.
    init(
        _ attachment: ConsoleAttachment, id: UInt64, socket: Int32, handle: UpgradeHandle, early: [UInt8], epoll: Int32,
        loop: LiveLoop
    ) {
        self.attachment = attachment
        self.id = id
        self.socket = socket
        self.handle = handle
        self.epoll = epoll
        self.loop = loop
        self.early = early[...]
        vmID = attachment.vmID
        offset = attachment.offset ?? -1
        seeksEnd = attachment.offset == nil
        _ = hv_fcntl_int(socket, F_SETFL, hv_fcntl_int(socket, F_GETFL, 0) | O_NONBLOCK)
        var callbacks = WebSocketCallbacks.table
        // Not retained: `dispose` frees the context, and the loop holds this object until then.
        let user = Unmanaged.passUnretained(self).toOpaque()
        guard wslay_event_context_server_init(&context, &callbacks, user) == 0 else {
            isDead = true
            return
        }
        wslay_event_config_set_max_recv_msg_length(context, UInt64(attachment.maximumMessage))
        var event = epoll_event(events: 0, data: epoll_data_t(u64: id))
        guard epoll_ctl(epoll, EPOLL_CTL_ADD, socket, &event) == 0 else {
            isDead = true
            return
        }
        do {
            observation = try attachment.service.observeConsole(vm: vmID) { [weak loop, id] in
                loop?.post(.consoleChanged(id: id))
            }
        } catch {
            close(1001, "The VM was deleted.")
        }
    }

    /// Gives the connection back to libmicrohttpd, which closes it. What can leave at once still leaves.
    func dispose() {
        guard !isDisposed else { return }
        isDisposed = true
        isDead = true
        observation?.cancel()
        observation = nil
        epoll_ctl(epoll, EPOLL_CTL_DEL, socket, nil)
        if let context {
            wslay_event_context_free(context)
            self.context = nil
        }
        _ = hv_mhd_close_upgraded(handle.raw)
    }

    // MARK: - Events

    /// Receives, sends and asks for output as far as possible now.
    func proceed() {
        guard !isDead, let context else { return }
        if wslay_event_recv(context) != 0 { return die() }
        writeInput()
        readOutput()
        flush()
    }

    func consoleChanged() {
        mayHaveOutput = true
        proceed()
    }

    func consoleRead(_ result: Result<ConsoleChunk, ServiceError>) {
        isReading = false
        guard !isDead, let context else { return }
        switch result {
        case .success(let chunk):
            offset = Int64(clamping: chunk.nextOffset)
            if seeksEnd {
                seeksEnd = false
                mayHaveOutput = true
            } else if !chunk.bytes.isEmpty {
                // There may be more behind it.
                mayHaveOutput = true
                if !queue(WSLAY_BINARY_FRAME, chunk.bytes, context) { return die() }
            }
        case .failure(let error) where error.kind == .notFound: close(1001, "The VM was deleted.")
        case .failure(let error): close(1011, error.detail)
        }
        proceed()
    }

    func consoleWritten(_ result: Result<Int, ServiceError>) {
        isWriting = false
        guard !isDead else { return }
        switch result {
        case .success(let count): input.removeFirst(min(max(count, 0), input.count))
        case .failure(let error) where error.kind == .notFound: close(1001, "The VM was deleted.")
        // A guest that does not run hears nothing, as a machine that is switched off.
        case .failure: input.removeAll()
        }
        proceed()
    }

    func tick(_ now: UInt64) {
        guard !isDead, let context else { return }
        if let closingSince, now - min(closingSince, now) > Self.closeLimit { return die() }
        if now - min(lastHeard, now) > Self.silenceLimit { return die() }
        if now - min(lastPing, now) >= Self.pingInterval, closingSince == nil {
            lastPing = now
            if !queue(WSLAY_PING, [], context) { return die() }
        }
        flush()
    }

    /// Begins the closing handshake.
    func close(_ code: UInt16, _ reason: String) {
        guard !isDead, let context, closingSince == nil else { return }
        closingSince = monotonicNanoseconds()
        // A close frame holds 125 bytes, two of them the code; the text must stay UTF-8 when it is cut.
        var text = reason
        while text.utf8.count > 120 { text.removeLast() }
        let bytes = Array(text.utf8)
        if wslay_event_queue_close(context, code, bytes, bytes.count) != 0 { return die() }
        flush()
    }

    // MARK: - Parts

    private func readOutput() {
        guard mayHaveOutput, !isReading, closingSince == nil, let context,
            wslay_event_get_queued_msg_count(context) == 0
        else { return }
        isReading = true
        mayHaveOutput = false
        let limit = seeksEnd ? 1 : Self.frameSize
        Task { [attachment, loop, id, offset] in
            do throws(ServiceError) {
                let chunk = try await attachment.service.readConsole(vm: attachment.vmID, offset: offset, limit: limit)
                loop.post(.consoleRead(id: id, .success(chunk)))
            } catch {
                loop.post(.consoleRead(id: id, .failure(error)))
            }
        }
    }

    private func writeInput() {
        // Not before the place from which output is shown is known: the answer to the input must lie behind it.
        guard !input.isEmpty, !isWriting, !seeksEnd, closingSince == nil else { return }
        isWriting = true
        Task { [attachment, loop, id, input] in
            do throws(ServiceError) {
                let count = try await attachment.service.writeConsole(vm: attachment.vmID, input)
                // The guest does not read now; ask again when it may have.
                if count == 0 { try? await Task.sleep(nanoseconds: 50_000_000) }
                loop.post(.consoleWritten(id: id, .success(count)))
            } catch {
                loop.post(.consoleWritten(id: id, .failure(error)))
            }
        }
    }

    private func queue(_ opcode: wslay_opcode, _ bytes: [UInt8], _ context: wslay_event_context_ptr) -> Bool {
        // wslay copies the message.
        bytes.withUnsafeBufferPointer { buffer in
            var message = wslay_event_msg(
                opcode: UInt8(opcode.rawValue), msg: buffer.baseAddress, msg_length: buffer.count)
            return wslay_event_queue_msg(context, &message) == 0
        }
    }

    /// Sends what is queued and says what the socket is watched for.
    private func flush() {
        guard !isDead, let context else { return }
        if wslay_event_send(context) != 0 { return die() }
        if wslay_event_want_read(context) == 0, wslay_event_want_write(context) == 0 { return die() }
        // A frame has left: the next piece of output can be fetched.
        readOutput()
        var wanted: UInt32 = 0
        if wslay_event_want_read(context) != 0, mayReceive { wanted |= EPOLLIN.rawValue }
        if wslay_event_want_write(context) != 0 { wanted |= EPOLLOUT.rawValue }
        guard wanted != interest else { return }
        interest = wanted
        var event = epoll_event(events: wanted, data: epoll_data_t(u64: id))
        if epoll_ctl(epoll, EPOLL_CTL_MOD, socket, &event) != 0 { die() }
    }

    private var mayReceive: Bool {
        input.count < attachment.maximumMessage
            && wslay_event_get_queued_msg_count(context) < Self.maximumQueued
    }

    private func die() { isDead = true }

    // MARK: - For wslay

    /// Bytes received into `buffer`; 0 at the connection's end, nil when there is nothing to take now.
    func receive(into buffer: UnsafeMutableRawBufferPointer) -> Int? {
        guard mayReceive else { return nil }
        if !early.isEmpty {
            let count = min(early.count, buffer.count)
            buffer.copyBytes(from: early.prefix(count))
            early = early.dropFirst(count)
            return count
        }
        while true {
            let count = recv(socket, buffer.baseAddress, buffer.count, 0)
            if count >= 0 {
                lastHeard = monotonicNanoseconds()
                return count
            }
            if errno == EINTR { continue }
            return errno == EAGAIN ? nil : 0
        }
    }

    /// Bytes of `bytes` that were sent; nil when the client must read first, a negative number when it has gone.
    func transmit(_ bytes: UnsafeRawBufferPointer) -> Int? {
        while true {
            let count = send(socket, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
            if count >= 0 { return count }
            if errno == EINTR { continue }
            return errno == EAGAIN ? nil : -1
        }
    }

    /// A whole message of the client.
    func received(opcode: UInt8, _ bytes: UnsafeRawBufferPointer) {
        if opcode == UInt8(WSLAY_TEXT_FRAME.rawValue) || opcode == UInt8(WSLAY_BINARY_FRAME.rawValue) {
            input.append(contentsOf: bytes)
        } else if opcode == UInt8(WSLAY_CONNECTION_CLOSE.rawValue), closingSince == nil {
            // wslay answers it; the connection ends when that has left.
            closingSince = monotonicNanoseconds()
        }
    }
}
