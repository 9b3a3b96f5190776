import CLinux
import Glibc
import LinuxSystem

/// Carries operations out by an NBD server, many at a time, on a connection of its own. A server that ends or breaks
/// the protocol is one whose operations fail from then on.
final class NBDEngine: BlockEngine {
    /// What is still to be sent: a request's head, then its bytes where it writes.
    private struct Outgoing {
        let token: Int
        var head: [UInt8]
        var body: BlockOperation?
    }

    private let connection: NBDConnection
    /// Kept until the connection is closed: its server is waited for at its end.
    private let image: QemuImage
    private var operations: [BlockOperation?]
    private var outgoing: [Outgoing] = []
    private var ended: [BlockCompletion] = []
    /// As much of the next reply's head as has arrived.
    private var head: [UInt8] = []
    /// A read whose bytes are arriving.
    private var incoming: BlockOperation?
    private var isLost = false

    init(_ connection: NBDConnection, image: QemuImage, depth: Int) {
        self.connection = connection
        self.image = image
        operations = Array(repeating: nil, count: max(depth, 1))
    }

    var descriptor: Int32? { connection.raw }
    var events: Int16 { Int16(outgoing.isEmpty ? POLLIN : POLLIN | POLLOUT) }
    var name: String { "qemu-nbd" }

    func submit(_ operation: BlockOperation) {
        guard operations.indices.contains(operation.token), let count = UInt32(exactly: operation.count), !isLost else {
            ended.append(BlockCompletion(token: operation.token, error: Errno(EIO)))
            return
        }
        var (command, flags) = (NBD.Command.read, UInt16(0))
        switch operation.kind {
        case .read: break
        case .write(let isDurable):
            command = NBD.Command.write
            flags = isDurable ? NBD.Flag.durable : 0
        case .flush: command = NBD.Command.flush
        case .discard:
            // A wish, which not every image can be asked.
            guard connection.flags & NBD.Export.trim != 0 else {
                ended.append(BlockCompletion(token: operation.token, error: nil))
                return
            }
            command = NBD.Command.trim
        case .writeZeroes(let mayUnmap, let isDurable):
            command = NBD.Command.writeZeroes
            flags = (mayUnmap ? 0 : NBD.Flag.noHole) | (isDurable ? NBD.Flag.durable : 0)
        }
        operations[operation.token] = operation
        var body: BlockOperation?
        if command == NBD.Command.write { body = operation }
        outgoing.append(
            Outgoing(
                token: operation.token,
                head: NBDConnection.request(
                    command, flags: flags, cookie: UInt64(operation.token), offset: operation.offset, count: count),
                body: body))
    }

    func kick() { while sendSome() {} }

    func reap() -> [BlockCompletion] {
        while receiveSome() {}
        kick()
        defer { ended.removeAll(keepingCapacity: true) }
        return ended
    }

    // MARK: Socket

    /// - Returns: whether something was sent.
    private func sendSome() -> Bool {
        guard !isLost, var first = outgoing.first else { return false }
        if !first.head.isEmpty {
            let sent = first.head.withUnsafeBytes {
                send(connection.raw, $0.baseAddress, $0.count, Int32(hv_message_flags))
            }
            guard isDone(sent) else { return false }
            first.head.removeFirst(sent)
        } else if var body = first.body {
            var message = msghdr()
            message.msg_iov = body.vectors.baseAddress
            message.msg_iovlen = body.vectors.count
            let sent = sendmsg(connection.raw, &message, Int32(hv_message_flags))
            guard isDone(sent) else { return false }
            body.advance(by: UInt64(sent))
            first.body = body
        }
        if first.head.isEmpty, first.body.map({ $0.count == 0 }) ?? true {
            outgoing.removeFirst()
        } else {
            outgoing[0] = first
        }
        return true
    }

    /// - Returns: whether something has arrived.
    private func receiveSome() -> Bool {
        guard !isLost else { return false }
        if var read = incoming {
            let got = readv(connection.raw, read.vectors.baseAddress, Int32(clamping: read.vectors.count))
            guard isDone(got) else { return false }
            read.advance(by: UInt64(got))
            incoming = read
            if read.count == 0 {
                incoming = nil
                finish(read.token, nil)
            }
            return true
        }
        var bytes = [UInt8](repeating: 0, count: NBD.replySize - head.count)
        let got = recv(connection.raw, &bytes, bytes.count, Int32(hv_message_flags))
        guard isDone(got) else { return false }
        head += bytes.prefix(got)
        if head.count == NBD.replySize { takeReply() }
        return true
    }

    private func takeReply() {
        defer { head.removeAll(keepingCapacity: true) }
        let (magic, code, cookie) = (NBD.number(head[..<4]), NBD.number(head[4..<8]), NBD.number(head[8...]))
        guard magic == UInt64(NBD.reply), let token = Int(exactly: cookie), operations.indices.contains(token),
            let operation = operations[token], !outgoing.contains(where: { $0.token == token })
        else { return lose() }
        guard code == 0 else {
            // The protocol's numbers are Linux's.
            let error = Errno(Int32(clamping: code))
            return finish(token, operation.kind == .discard && error.isUnsupported ? nil : error)
        }
        if operation.kind == .read, operation.count > 0 {
            incoming = operation
        } else {
            finish(token, nil)
        }
    }

    /// Whether a call on the socket moved bytes. Anything but a socket that is full or empty is its end.
    private func isDone(_ count: Int) -> Bool {
        if count > 0 { return true }
        if count < 0, [EAGAIN, EINTR, ENOBUFS].contains(errno) { return false }
        lose()
        return false
    }

    private func finish(_ token: Int, _ error: Errno?) {
        operations[token] = nil
        ended.append(BlockCompletion(token: token, error: error))
    }

    private func lose() {
        isLost = true
        shutdown(connection.raw, Int32(SHUT_RDWR))
        outgoing = []
        incoming = nil
        for (token, operation) in operations.enumerated() where operation != nil { finish(token, Errno(EIO)) }
    }
}
