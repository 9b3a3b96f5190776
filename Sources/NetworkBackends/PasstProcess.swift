import CLinux
import Glibc
import LinuxSystem

/// A passt (https://passt.top) of ours: it takes a guest's packets and does with sockets of its own what they ask for,
/// which needs no privileges. It ends when its socket is closed, so also when this process is killed.
final class PasstProcess: Sendable {
    private static let folders = ["/usr/bin", "/usr/local/bin", "/bin"]
    /// How long it may take to begin, and then to end.
    private static let patience = 10_000

    let process: PidFD
    /// Our end of the stream of packets.
    let socket: FileDescriptor
    /// What it says, a file without a name.
    private let errors: FileDescriptor

    static var path: String? { folders.map { "\($0)/passt" }.first { access($0, X_OK) == 0 } }

    /// Starts it, and waits until it answers.
    ///
    /// - Throws: `NetworkError` with what it said.
    convenience init(_ user: NetworkSource.User, mtu: Int, mac: MACAddress) throws(NetworkError) {
        guard let path = Self.path else {
            throw NetworkError("this host has no passt, which gives a network without privileges (Debian: passt)")
        }
        let arguments = Self.arguments(user, mtu: mtu)
        do throws(Errno) {
            try self.init(path, arguments)
        } catch {
            throw NetworkError("passt can't be started: \(error)")
        }
        try awaitAnswer(mac)
    }

    private init(_ path: String, _ arguments: [String]) throws(Errno) {
        var pair: [Int32] = [-1, -1]
        try retryingInterrupts { hv_socket_pair(&pair) }
        socket = FileDescriptor(owning: pair[0])
        let other = FileDescriptor(owning: pair[1])
        let nothing = try FileDescriptor(opening: "/dev/null", O_RDWR)
        errors = try FileDescriptor(holding: [])
        process = try PidFD(
            try ProcessSpawn.start(
                path, arguments: arguments, environment: ["PATH=/usr/bin:/bin", "LC_ALL=C", "TMPDIR=/tmp"],
                descriptors: [nothing.raw, nothing.raw, errors.raw, other.raw]))
    }

    static func arguments(_ user: NetworkSource.User, mtu: Int) -> [String] {
        // A guest gets at nothing that listens on the host's loopback interface: the gateway's address is the gateway.
        var arguments = ["--foreground", "--stderr", "--quiet", "--no-map-gw", "--mtu", String(mtu), "--fd", "3"]
        for (protocolName, option) in [(NetworkSource.User.Transport.tcp, "-t"), (.udp, "-u")] {
            let forwards = user.forwards.filter { $0.transport == protocolName }
            if forwards.isEmpty { arguments += [option, "none"] }
            for forward in forwards {
                arguments += [option, "\(forward.hostAddress)/\(forward.hostPort):\(forward.guestPort)"]
            }
        }
        return arguments
    }

    /// Asks for an address nobody has, as a guest does when it comes: passt answers for all of them.
    private func awaitAnswer(_ mac: MACAddress) throws(NetworkError) {
        // Ethernet and ARP for IPv4 (RFC 826): who has 169.254.255.254, tell 0.0.0.0.
        let request =
            [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF] + mac.bytes + [8, 6, 0, 1, 8, 0, 6, 4, 0, 1] + mac.bytes
            + [0, 0, 0, 0] + [0, 0, 0, 0, 0, 0] + [169, 254, 255, 254]
        var bytes: [UInt8] = [0, 0, 0, UInt8(request.count)] + request
        let isSent = send(socket.raw, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count
        let deadline = monotonicNanoseconds() + UInt64(Self.patience) * 1_000_000
        // The answer, which is as long, comes in pieces.
        var missing = bytes.count
        while isSent, missing > 0, waitForBytes(until: deadline) {
            let count = recv(socket.raw, &bytes, missing, Int32(MSG_DONTWAIT))
            guard count > 0 else { break }
            missing -= count
        }
        if missing == 0 { return }
        let hasEnded = process.waitForEnd(milliseconds: 0)
        if !hasEnded { try? process.send(signal: SIGKILL) }
        _ = process.waitForEnd(milliseconds: Self.patience)
        _ = process.end()
        throw NetworkError("passt \(hasEnded ? "has ended" : "does not answer"); it says: \(words)")
    }

    /// False where it has ended or the time is over.
    private func waitForBytes(until deadline: UInt64) -> Bool {
        var waiting = [socket.raw, process.raw].map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        let now = monotonicNanoseconds()
        guard now < deadline else { return false }
        return poll(&waiting, 2, Int32(clamping: (deadline - now) / 1_000_000 + 1)) > 0 && waiting[1].revents == 0
    }

    /// The last lines that it wrote.
    private var words: String {
        let said = (try? errors.read(count: 1 << 16, at: 0)) ?? []
        return String(decoding: said, as: UTF8.self).split(separator: "\n").suffix(3).joined(separator: "; ")
    }
}
