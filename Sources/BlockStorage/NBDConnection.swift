import CLinux
import Glibc
import LinuxSystem

/// Numbers of the NBD protocol (NetworkBlockDevice/nbd, doc/proto.md), "fixed newstyle" negotiation and simple replies.
enum NBD {
    static let greeting: UInt64 = 0x4E42_444D_4147_4943
    static let option: UInt64 = 0x4948_4156_454F_5054
    static let optionReply: UInt64 = 0x0003_E889_0455_65A9
    static let request: UInt32 = 0x2560_9513
    static let reply: UInt32 = 0x6744_6698
    static let replySize = 16
    /// Fixed newstyle, and no zeros behind the export's description.
    static let clientFlags: UInt32 = 3
    static let optionGo: UInt32 = 7
    static let replyAcknowledge: UInt32 = 1
    static let replyInformation: UInt32 = 3
    static let informationExport: UInt64 = 0

    enum Command {
        static let read: UInt16 = 0
        static let write: UInt16 = 1
        static let disconnect: UInt16 = 2
        static let flush: UInt16 = 3
        static let trim: UInt16 = 4
        static let writeZeroes: UInt16 = 6
    }

    enum Flag {
        static let durable: UInt16 = 1
        static let noHole: UInt16 = 2
    }

    enum Export {
        static let readOnly: UInt16 = 1 << 1
        static let flush: UInt16 = 1 << 2
        static let durable: UInt16 = 1 << 3
        static let trim: UInt16 = 1 << 5
        static let writeZeroes: UInt16 = 1 << 6
    }

    static func big<T: FixedWidthInteger>(_ value: T) -> [UInt8] {
        withUnsafeBytes(of: value.bigEndian, Array.init)
    }

    static func number(_ bytes: some Collection<UInt8>) -> UInt64 { bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) } }
}

/// A connection to an NBD server, past its negotiation. For one thread.
final class NBDConnection {
    let size: UInt64
    let flags: UInt16
    private let socket: FileDescriptor

    /// How long the server may take for each answer of the negotiation.
    private static let patience: Int32 = 10_000

    /// - Throws: `BlockStorageError` where the server does not speak the protocol or has no such export.
    init(_ socket: consuming FileDescriptor) throws(BlockStorageError) {
        let number = socket.raw
        func receive(_ count: Int) throws(BlockStorageError) -> [UInt8] { try Self.receive(number, count) }
        let hello = try receive(18)
        guard NBD.number(hello) == NBD.greeting, NBD.number(hello[8...]) == NBD.option, hello[17] & 1 != 0 else {
            throw BlockStorageError("the server of the image is no NBD server of the newer style")
        }
        // The export with no name, and what the server says of it by itself.
        try Self.send(
            number,
            NBD.big(NBD.clientFlags) + NBD.big(NBD.option) + NBD.big(NBD.optionGo) + NBD.big(UInt32(6))
                + NBD.big(UInt32(0)) + NBD.big(UInt16(0)))
        var export: (size: UInt64, flags: UInt16)?
        while true {
            let head = try receive(20)
            let (type, count) = (UInt32(truncatingIfNeeded: NBD.number(head[12..<16])), NBD.number(head[16..<20]))
            guard NBD.number(head) == NBD.optionReply, NBD.number(head[8..<12]) == UInt64(NBD.optionGo),
                count <= 4096
            else { throw BlockStorageError("the server of the image breaks the protocol of NBD") }
            let body = try receive(Int(count))
            if type == NBD.replyAcknowledge { break }
            guard type == NBD.replyInformation else {
                throw BlockStorageError("the server of the image refuses it: NBD's error 0x\(String(type, radix: 16))")
            }
            if body.count >= 12, NBD.number(body[..<2]) == NBD.informationExport {
                export = (NBD.number(body[2..<10]), UInt16(truncatingIfNeeded: NBD.number(body[10..<12])))
            }
        }
        guard let export, export.size <= UInt64(Int64.max) else {
            throw BlockStorageError("the server of the image does not say how large it is")
        }
        size = export.size
        flags = export.flags
        self.socket = socket
    }

    deinit {
        // Told, the server need not wonder. If the socket is full it sees the end of it all the same.
        let bytes = Self.request(NBD.Command.disconnect, flags: 0, cookie: 0, offset: 0, count: 0)
        _ = bytes.withUnsafeBytes { Glibc.send(socket.raw, $0.baseAddress, $0.count, Int32(hv_message_flags)) }
    }

    var raw: Int32 { socket.raw }

    static func request(_ command: UInt16, flags: UInt16, cookie: UInt64, offset: UInt64, count: UInt32) -> [UInt8] {
        NBD.big(NBD.request) + NBD.big(flags) + NBD.big(command) + NBD.big(cookie) + NBD.big(offset) + NBD.big(count)
    }

    // MARK: Negotiation

    private static func receive(_ socket: Int32, _ count: Int) throws(BlockStorageError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var done = 0
        while done < count {
            let got = bytes.withUnsafeMutableBytes {
                recv(socket, $0.baseAddress.map { $0 + done }, count - done, Int32(hv_message_flags))
            }
            if got > 0 {
                done += got
                continue
            }
            guard got < 0 else { throw BlockStorageError("the server of the image has ended the connection") }
            let error = Errno.last
            if error.code == EINTR { continue }
            guard error.code == EAGAIN else { throw BlockStorageError("the server of the image: \(error)") }
            var entry = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
            guard poll(&entry, 1, patience) != 0 else {
                throw BlockStorageError("the server of the image does not answer")
            }
        }
        return bytes
    }

    /// Few bytes, for which a new socket has room.
    private static func send(_ socket: Int32, _ bytes: [UInt8]) throws(BlockStorageError) {
        let sent = bytes.withUnsafeBytes { Glibc.send(socket, $0.baseAddress, $0.count, Int32(hv_message_flags)) }
        guard sent == bytes.count else { throw BlockStorageError("the server of the image takes nothing") }
    }
}
