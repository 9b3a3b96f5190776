import Glibc
import LinuxSystem
import Synchronization

/// Keeps packets with other source addresses than a guest's own from leaving its tap, in the host's kernel: a filter of the
/// traffic control (tc) on what the tap brings in. It goes away with the tap, or with `remove`.
package final class SourceFilter: Sendable {
    /// What the filter has dropped.
    package struct Dropped: Equatable, Sendable {
        package var packets: UInt64 = 0
        package var bytes: UInt64 = 0

        package init() {}
    }

    private enum Message {
        static let newQdisc: UInt16 = 36
        static let deleteQdisc: UInt16 = 37
        static let newFilter: UInt16 = 44
        static let deleteFilter: UInt16 = 45
        static let getFilter: UInt16 = 46
    }
    private enum Attribute {
        static let kind: UInt16 = 1
        static let options: UInt16 = 2
        static let filterAction: UInt16 = 1
        static let filterLength: UInt16 = 4
        static let filterProgram: UInt16 = 5
        static let firstAction: UInt16 = 1
        static let actionStatistics: UInt16 = 4
        static let actionParameters: UInt16 = 2
        static let basicStatistics: UInt16 = 1
    }

    /// The queueing discipline `clsact`, which only holds filters, and the place of those for what comes in.
    private static let clsact: UInt32 = 0xFFFF_FFF1
    private static let clsactHandle: UInt32 = 0xFFFF_0000
    private static let ingress: UInt32 = 0xFFFF_FFF2
    /// Ours among the filters of a tap that somebody else uses as well.
    private static let priority: UInt32 = 0x6876
    private static let allProtocols = UInt32(UInt16(3).bigEndian)
    /// TC_ACT_SHOT.
    private static let drop: Int32 = 2

    private let index: UInt32
    private let ownsQdisc: Bool
    private let isRemoved = Atomic(false)

    /// Puts the filter in force; one that an earlier process left is replaced.
    ///
    /// - Throws: `NetworkError` where the host's kernel can't, or may not be asked.
    package init(tap: String, allowing mac: MACAddress) throws(NetworkError) {
        guard let index = HostInterface.index(of: tap) else { throw NetworkError("there is no interface \(tap)") }
        self.index = index
        do throws(Errno) {
            ownsQdisc = try Self.addQdisc(index)
            try? Self.removeFilter(index)
            try Self.addFilter(index, mac)
        } catch {
            throw NetworkError(
                "packets of \(tap) can't be filtered by the kernel (tc with clsact, cls_bpf and act_gact): \(error)")
        }
    }

    deinit { remove() }

    /// Ends it. What the host refuses stays.
    package func remove() {
        guard !isRemoved.exchange(true, ordering: .relaxed) else { return }
        try? Self.removeFilter(index)
        if ownsQdisc { try? Self.change(Message.deleteQdisc, [], index, Self.clsactHandle, Self.clsact, 0, "clsact") }
    }

    /// - Returns: false where there was one.
    private static func addQdisc(_ index: UInt32) throws(Errno) -> Bool {
        do throws(Errno) {
            try change(Message.newQdisc, [.create, .exclusive], index, clsactHandle, clsact, 0, "clsact")
            return true
        } catch {
            guard error.code == EEXIST else { throw error }
            return false
        }
    }

    private static func addFilter(_ index: UInt32, _ mac: MACAddress) throws(Errno) {
        let program = program(mac)
        let parameters: [UInt8] =
            NetlinkRequest.bytes(UInt32(0)) + NetlinkRequest.bytes(UInt32(0)) + NetlinkRequest.bytes(drop)
            + [UInt8](repeating: 0, count: 8)
        let action =
            NetlinkRequest.attribute(Attribute.kind, text("gact"))
            + NetlinkRequest.attribute(
                Attribute.options, NetlinkRequest.attribute(Attribute.actionParameters, parameters))
        let options =
            NetlinkRequest.attribute(Attribute.filterLength, NetlinkRequest.bytes(UInt16(program.count / 8)))
            + NetlinkRequest.attribute(Attribute.filterProgram, program)
            + NetlinkRequest.attribute(
                Attribute.filterAction, NetlinkRequest.attribute(Attribute.firstAction, action))
        try change(
            Message.newFilter, [.create, .exclusive], index, 1, ingress, priority << 16 | allProtocols, "bpf",
            options: options)
    }

    private static func removeFilter(_ index: UInt32) throws(Errno) {
        try change(Message.deleteFilter, [], index, 0, ingress, priority << 16 | allProtocols, "bpf")
    }

    private static func change(
        _ message: UInt16, _ flags: NetlinkRequest.Flag, _ index: UInt32, _ handle: UInt32, _ parent: UInt32,
        _ info: UInt32, _ kind: String, options: [UInt8]? = nil
    ) throws(Errno) {
        var request = NetlinkRequest(
            type: message, flags: flags.union(.acknowledge), header: header(index, handle, parent, info))
        request.add(Attribute.kind, text(kind))
        if let options { request.add(Attribute.options, options) }
        _ = try request.perform()
    }

    /// struct tcmsg.
    private static func header(_ index: UInt32, _ handle: UInt32, _ parent: UInt32, _ info: UInt32) -> [UInt8] {
        [index, handle, parent, info].reduce(into: [0, 0, 0, 0]) { $0 += NetlinkRequest.bytes($1) }
    }

    private static func text(_ text: String) -> [UInt8] { Array(text.utf8) + [0] }

    /// A program of the classic BPF: all ones, which means the action, for frames with another source address; else 0.
    static func program(_ mac: MACAddress) -> [UInt8] {
        let bytes = mac.bytes
        let high = bytes.prefix(4).reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        let low = bytes.suffix(2).reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        let (loadWord, loadHalf, jumpIfEqual, answer): (UInt16, UInt16, UInt16, UInt16) = (0x20, 0x28, 0x15, 0x06)
        // The code, how far to go on where it is equal and where not, and the operand.
        let instructions: [(UInt16, UInt8, UInt8, UInt32)] = [
            (loadWord, 0, 0, 6), (jumpIfEqual, 0, 2, high), (loadHalf, 0, 0, 10), (jumpIfEqual, 1, 0, low),
            (answer, 0, 0, .max), (answer, 0, 0, 0),
        ]
        return instructions.flatMap { NetlinkRequest.bytes($0.0) + [$0.1, $0.2] + NetlinkRequest.bytes($0.3) }
    }

    /// What it has dropped so far; nothing where the kernel does not tell.
    package var dropped: Dropped {
        let request = NetlinkRequest(
            type: Message.getFilter, flags: .dump,
            header: Self.header(index, 0, Self.ingress, Self.priority << 16 | Self.allProtocols))
        var dropped = Dropped()
        for body in (try? request.perform()) ?? [] {
            var level = [Array(body.dropFirst(20))]
            for attribute in [
                Attribute.options, Attribute.filterAction, Attribute.firstAction, Attribute.actionStatistics,
                Attribute.basicStatistics,
            ] { level = level.flatMap { NetlinkAttributes.values(attribute, in: $0) } }
            for statistics in level {
                dropped.bytes += NetlinkAttributes.number(statistics, UInt64.self) ?? 0
                dropped.packets += UInt64(NetlinkAttributes.number(statistics.dropFirst(8), UInt32.self) ?? 0)
            }
        }
        return dropped
    }
}
