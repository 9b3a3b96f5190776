import CLinux
import Glibc
import LinuxSystem

/// A request to the kernel's rtnetlink, put together byte by byte, in the host's byte order as netlink has it.
struct NetlinkRequest {
    struct Flag: OptionSet {
        let rawValue: UInt16
        static let request = Flag(rawValue: 1)
        static let acknowledge = Flag(rawValue: 4)
        /// For new things: there is none yet; make it.
        static let exclusive = Flag(rawValue: 0x200)
        static let create = Flag(rawValue: 0x400)
        /// For questions: all there are.
        static let dump = Flag(rawValue: 0x300)
    }

    private(set) var bytes: [UInt8]

    /// - Parameter header: of the kind of message, what stands before the attributes.
    init(type: UInt16, flags: Flag, header: [UInt8]) {
        bytes = Self.bytes(UInt32(0)) + Self.bytes(type) + Self.bytes(flags.union(.request).rawValue)
        bytes += Self.bytes(UInt32(1)) + Self.bytes(UInt32(0)) + header
        close()
    }

    /// Adds an attribute.
    mutating func add(_ type: UInt16, _ value: [UInt8]) {
        bytes += Self.attribute(type, value)
        close()
    }

    private mutating func close() {
        bytes.replaceSubrange(0..<4, with: Self.bytes(UInt32(bytes.count)))
    }

    static func attribute(_ type: UInt16, _ value: [UInt8]) -> [UInt8] {
        bytes(UInt16(4 + value.count)) + bytes(type) + value + [UInt8](repeating: 0, count: -value.count & 3)
    }

    static func bytes(_ value: some FixedWidthInteger) -> [UInt8] { withUnsafeBytes(of: value) { Array($0) } }

    /// Sends it to rtnetlink and takes the answers.
    ///
    /// - Returns: the bodies of all messages that are no acknowledgement.
    /// - Throws: `Errno`, the kernel's refusal among them.
    func perform() throws(Errno) -> [[UInt8]] {
        let socket = FileDescriptor(
            owning: try retryingInterrupts { Glibc.socket(AF_NETLINK, Int32(hv_netlink_socket_type), 0) })
        let (number, request) = (socket.raw, bytes)
        try retryingInterrupts { send(number, request, request.count, 0) }
        var answers: [[UInt8]] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = try retryingInterrupts { recv(number, &buffer, buffer.count, 0) }
            var messages = NetlinkAttributes.messages(buffer[..<count])
            while let message = messages.popFirst() {
                switch message.type {
                case NetlinkAttributes.error:
                    let code = NetlinkAttributes.number(message.body, UInt32.self) ?? 0
                    guard code == 0 else { throw Errno(-Int32(bitPattern: code)) }
                    return answers
                case NetlinkAttributes.done: return answers
                default: answers.append(message.body)
                }
            }
        }
    }
}

/// Takes netlink's answers apart.
enum NetlinkAttributes {
    static let error: UInt16 = 2
    static let done: UInt16 = 3

    static func number<Number: FixedWidthInteger>(_ bytes: some Collection<UInt8>, _: Number.Type) -> Number? {
        let bytes = Array(bytes.prefix(MemoryLayout<Number>.size))
        guard bytes.count == MemoryLayout<Number>.size else { return nil }
        return bytes.withUnsafeBytes { $0.loadUnaligned(as: Number.self) }
    }

    /// The messages of a datagram, with what follows their headers.
    static func messages(_ bytes: ArraySlice<UInt8>) -> ArraySlice<(type: UInt16, body: [UInt8])> {
        var (rest, messages) = (bytes, [(type: UInt16, body: [UInt8])]())
        while let length = number(rest, UInt32.self), length >= 16, Int(length) <= rest.count,
            let type = number(rest.dropFirst(4), UInt16.self)
        {
            messages.append((type, Array(rest.dropFirst(16).prefix(Int(length) - 16))))
            rest = rest.dropFirst((Int(length) + 3) & ~3)
        }
        return messages[...]
    }

    /// The values of the attributes of a type, in their order.
    static func values(_ type: UInt16, in bytes: some Collection<UInt8>) -> [[UInt8]] {
        var (rest, values) = (Array(bytes)[...], [[UInt8]]())
        while let length = number(rest, UInt16.self), length >= 4, Int(length) <= rest.count,
            let kind = number(rest.dropFirst(2), UInt16.self)
        {
            // The highest bits say that it is nested, or in network order.
            if kind & 0x3FFF == type { values.append(Array(rest.dropFirst(4).prefix(Int(length) - 4))) }
            rest = rest.dropFirst((Int(length) + 3) & ~3)
        }
        return values
    }
}
