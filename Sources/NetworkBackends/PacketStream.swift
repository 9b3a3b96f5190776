import CLinux
import Glibc
import LinuxSystem
import Synchronization

/// Packets over a stream socket: each with its length before it, four bytes in network order, as QEMU's `-netdev stream`
/// and passt have them. The other side may go and come again under the same descriptor.
final class PacketStream: NetworkQueue {
    /// What virtio puts before a packet and the stream has not.
    private static let header = 12
    /// A packet with its Ethernet header: more than that the other side does not send.
    private static let largest = 65535 + 14

    /// One of the sockets that there are in its life.
    private final class Socket: Sendable {
        let file: FileDescriptor
        init(_ file: consuming FileDescriptor) { self.file = file }
    }

    private struct State {
        /// Nil: nobody is there.
        var socket: Socket?
        /// What is there of the packet that comes, with its length.
        var incoming: [UInt8] = []
        /// The end of a packet that the other side had no room for.
        var unsent: [UInt8] = []
    }

    /// Holds the socket that there is: who waits for this set waits for the next one too, and not for one that is at its
    /// end, which would always be readable.
    private let waiting: EpollSet
    private let state = Mutex(State())

    init(_ socket: consuming FileDescriptor) throws(Errno) {
        waiting = try EpollSet()
        try replace(socket)
    }

    var descriptor: Int32 { waiting.raw }

    /// Goes on with another socket.
    func replace(_ file: consuming FileDescriptor) throws(Errno) {
        let socket = Socket(file)
        let number = socket.file.raw
        try retryingInterrupts { hv_fcntl_int(number, F_SETFL, Int32(O_NONBLOCK)) }
        // Room for many packets of the largest kind; what the host does not allow is cut by it.
        var size: Int32 = 4 << 20
        for option in [SO_SNDBUF, SO_RCVBUF] { setsockopt(number, SOL_SOCKET, option, &size, 4) }
        try state.withLock { state throws(Errno) in
            goDown(&state)
            try waiting.add(number, token: 0)
            state.socket = socket
        }
    }

    private func goDown(_ state: inout State) {
        if let socket = state.socket { waiting.remove(socket.file.raw) }
        state = State()
    }

    // MARK: To the other side

    func send(_ parts: UnsafeBufferPointer<iovec>) throws(Errno) {
        try state.withLock { state throws(Errno) in
            guard let socket = state.socket, flush(&state, socket) else { throw Errno(EAGAIN) }
            var packet = Self.withoutHeader(parts)
            let count = packet.reduce(0) { $0 + $1.iov_len }
            var length = UInt32(count).bigEndian
            try withUnsafeMutableBytes(of: &length) { length throws(Errno) in
                packet.insert(iovec(iov_base: length.baseAddress, iov_len: 4), at: 0)
                try write(packet, 4 + count, &state, socket)
            }
        }
    }

    private func write(
        _ packet: [iovec], _ count: Int, _ state: inout State, _ socket: Socket
    ) throws(Errno) {
        var message = msghdr()
        let number = socket.file.raw
        let sent: Int
        do throws(Errno) {
            sent = try packet.withUnsafeBufferPointer { vectors throws(Errno) in
                message.msg_iov = UnsafeMutablePointer(mutating: vectors.baseAddress)
                message.msg_iovlen = vectors.count
                return try retryingInterrupts { sendmsg(number, &message, Int32(MSG_NOSIGNAL)) }
            }
        } catch {
            if error.code == EPIPE || error.code == ECONNRESET { goDown(&state) }
            throw Errno(EAGAIN)
        }
        // A part of a packet obliges to the rest.
        var skipped = sent
        for vector in packet where sent < count {
            let bytes = UnsafeRawBufferPointer(start: vector.iov_base, count: vector.iov_len)
            state.unsent.append(contentsOf: bytes.dropFirst(min(skipped, bytes.count)))
            skipped -= min(skipped, bytes.count)
        }
    }

    private static func withoutHeader(_ parts: UnsafeBufferPointer<iovec>) -> [iovec] {
        var left = header
        return parts.compactMap { part in
            let skipped = min(left, part.iov_len)
            left -= skipped
            guard skipped < part.iov_len else { return nil }
            return iovec(iov_base: part.iov_base + skipped, iov_len: part.iov_len - skipped)
        }
    }

    /// - Returns: whether nothing waits any more.
    private func flush(_ state: inout State, _ socket: Socket) -> Bool {
        while !state.unsent.isEmpty {
            let sent = Glibc.send(socket.file.raw, state.unsent, state.unsent.count, Int32(MSG_NOSIGNAL))
            guard sent > 0 else { return false }
            state.unsent.removeFirst(sent)
        }
        return true
    }

    // MARK: From the other side

    /// Nothing behind the packet is taken from the socket: while it has more it is readable.
    func receive(_ buffer: UnsafeMutableRawBufferPointer) throws(Errno) -> Int? {
        state.withLock { state in
            guard let socket = state.socket else { return nil }
            _ = flush(&state, socket)
            guard take(4, &state, socket) else { return nil }
            let length = state.incoming.prefix(4).reduce(0) { $0 << 8 | Int($1) }
            // Whoever sends such a thing has lost its place in the stream.
            guard (14...Self.largest).contains(length) else {
                goDown(&state)
                return nil
            }
            guard take(4 + length, &state, socket) else { return nil }
            let count = min(Self.header + length, buffer.count)
            buffer[..<Self.header].initializeMemory(as: UInt8.self, repeating: 0)
            UnsafeMutableRawBufferPointer(rebasing: buffer[Self.header..<count]).copyBytes(
                from: state.incoming[4..<4 + count - Self.header])
            state.incoming.removeAll(keepingCapacity: true)
            return count
        }
    }

    /// - Returns: whether `wanted` bytes of the packet are there.
    private func take(_ wanted: Int, _ state: inout State, _ socket: Socket) -> Bool {
        let have = state.incoming.count
        guard have < wanted else { return true }
        state.incoming += [UInt8](repeating: 0, count: wanted - have)
        let number = socket.file.raw
        let got = state.incoming.withUnsafeMutableBytes {
            recv(number, $0.baseAddress.map { $0 + have }, wanted - have, 0)
        }
        let isGone = got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)
        state.incoming.removeLast(wanted - have - max(got, 0))
        if isGone { goDown(&state) }
        return !isGone && state.incoming.count == wanted
    }
}
