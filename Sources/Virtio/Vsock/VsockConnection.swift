import CLinux
import Glibc
import LinuxSystem

/// A stream between a port of the guest and a socket of the host. For the device's own thread.
final class VsockConnection {
    struct Key: Hashable {
        /// The host's and the guest's.
        var hostPort: UInt32
        var guestPort: UInt32
    }

    enum Phase {
        /// The host asked the guest, which has not answered yet; until when it may.
        case requested(until: UInt64)
        case established
    }

    let key: Key
    /// Names it in the set of descriptors that are waited for.
    let token: UInt64
    var phase: Phase
    var credit = VsockCredit()
    /// Nil after the host's program has gone.
    private var socket: FileDescriptor?
    /// What the host's program has not taken yet: at most `VsockCredit.bufferSize`.
    private var pending: [UInt8] = []
    /// What the guest said that it does no more.
    var guestShutdown: UInt32 = 0
    /// What the guest was told that the host does no more.
    var hostShutdown: UInt32 = 0
    /// What the descriptor is waited for now; nil: it is in no set.
    var interest: Interest?

    struct Interest: Equatable {
        var readable: Bool
        var writable: Bool
    }

    init(_ key: Key, _ socket: consuming FileDescriptor, token: UInt64, phase: Phase) {
        self.key = key
        self.token = token
        self.phase = phase
        self.socket = consume socket
    }

    var descriptor: Int32? { socket?.raw }

    var isEstablished: Bool {
        if case .established = phase { return true }
        return false
    }

    /// Whether bytes of the host's program may go to the guest now.
    var canReceive: Bool {
        isEstablished && socket != nil && hostShutdown & VsockPacket.Shutdown.send == 0
            && guestShutdown & VsockPacket.Shutdown.receive == 0 && credit.available > 0
    }

    /// What the descriptor should be waited for; nil: nothing.
    var wanted: Interest? {
        guard socket != nil, isEstablished else { return nil }
        let interest = Interest(readable: canReceive, writable: !pending.isEmpty)
        return interest.readable || interest.writable ? interest : nil
    }

    var hasPending: Bool { !pending.isEmpty }

    /// Whether both sides are done: the guest sends and takes nothing more, and all that it sent was taken.
    var isDone: Bool {
        guestShutdown & VsockPacket.Shutdown.both == VsockPacket.Shutdown.both && pending.isEmpty
    }

    enum ReadResult {
        case bytes([UInt8])
        case nothing
        /// The host's program sends nothing more.
        case end
    }

    /// Takes what the host's program sent, at most `limit` bytes.
    func read(limit: Int) -> ReadResult {
        guard let number = socket?.raw else { return .end }
        var count = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: limit) { buffer, filled in
            count = recv(number, buffer.baseAddress, limit, Int32(hv_message_flags))
            filled = max(count, 0)
        }
        if count > 0 { return .bytes(bytes) }
        if count < 0, errno == EAGAIN || errno == EINTR { return .nothing }
        return .end
    }

    /// Gives the guest's bytes to the host's program; what it does not take now waits.
    ///
    /// - Returns: false where there is no such program any more.
    func write(_ bytes: [UInt8]) -> Bool {
        pending += bytes
        return flush()
    }

    func flush() -> Bool {
        guard let number = socket?.raw else {
            credit.forward(pending.count)
            pending = []
            return false
        }
        var done = 0
        let isAlive = pending.withUnsafeBytes { bytes -> Bool in
            while done < bytes.count {
                // Sound: the rest of the buffer.
                let count = send(
                    number, bytes.baseAddress.map { $0 + done }, bytes.count - done, Int32(hv_message_flags))
                if count > 0 {
                    done += count
                } else if errno != EINTR {
                    return errno == EAGAIN
                }
            }
            return true
        }
        pending.removeFirst(done)
        credit.forward(done)
        guard isAlive else {
            credit.forward(pending.count)
            pending = []
            return false
        }
        // All that the guest sent is with the program: it learns that nothing more comes.
        if pending.isEmpty, guestShutdown & VsockPacket.Shutdown.send != 0 { shutdown(number, Int32(SHUT_WR)) }
        return true
    }

    /// Tells the host's program that the guest has answered.
    ///
    /// - Returns: false where there is no such program any more.
    func greet(_ line: String) -> Bool {
        guard let number = socket?.raw else { return false }
        let bytes = Array(line.utf8)
        // The first bytes on this socket: there is room.
        return send(number, bytes, bytes.count, Int32(hv_message_flags)) == bytes.count
    }

    /// Whether the host's program neither sends nor takes anything any more.
    var isHungUp: Bool {
        guard let number = socket?.raw else { return true }
        var entry = pollfd(fd: number, events: 0, revents: 0)
        return poll(&entry, 1, 0) > 0 && entry.revents & Int16(POLLHUP | POLLERR) != 0
    }

    /// Takes nothing more of the host's program.
    func stopReading() { if let number = socket?.raw { shutdown(number, Int32(SHUT_RD)) } }

    /// The host's program has gone, or is left.
    func closeSocket() {
        socket = nil
        pending = []
    }
}
