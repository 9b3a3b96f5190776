import CLinux
import Glibc
import LinuxSystem
import Synchronization
import Testing

@testable import NetworkBackends

/// The stream of packets between us and passt, whose side the test plays.
@Suite(.timeLimit(.minutes(1))) struct PacketStreamTests {
    /// The stream and the other end of its socket.
    private final class Bench {
        let stream: PacketStream
        let other: FileDescriptor

        init() throws {
            let (mine, other) = try Self.pair()
            stream = try PacketStream(FileDescriptor(owning: mine))
            self.other = FileDescriptor(owning: other)
        }

        static func pair() throws -> (Int32, Int32) {
            var pair: [Int32] = [-1, -1]
            try retryingInterrupts { hv_socket_pair(&pair) }
            return (pair[0], pair[1])
        }

        func receive() throws -> [UInt8]? {
            var buffer = [UInt8](repeating: 0xEE, count: 70_000)
            let count = try buffer.withUnsafeMutableBytes { try stream.receive($0) }
            return count.map { Array(buffer.prefix($0)) }
        }

        /// With virtio's header before it, in pieces of such sizes.
        func send(_ packet: [UInt8], pieces: [Int] = []) throws {
            var bytes = [UInt8](repeating: 0xAA, count: 12) + packet
            let total = bytes.count
            try bytes.withUnsafeMutableBytes { buffer in
                var vectors: [iovec] = []
                var done = 0
                for size in pieces + [total - pieces.reduce(0, +)] {
                    vectors.append(iovec(iov_base: buffer.baseAddress.map { $0 + done }, iov_len: size))
                    done += size
                }
                try vectors.withUnsafeBufferPointer { try stream.send($0) }
            }
        }

        /// What one read gives.
        static func read(_ socket: borrowing FileDescriptor) -> [UInt8] {
            var bytes = [UInt8](repeating: 0, count: 1 << 20)
            let count = recv(socket.raw, &bytes, bytes.count, 0)
            return Array(bytes.prefix(max(count, 0)))
        }

        var isReadable: Bool {
            var entry = pollfd(fd: stream.descriptor, events: Int16(POLLIN), revents: 0)
            return poll(&entry, 1, 0) > 0
        }
    }

    private static func packet(_ count: Int, _ seed: UInt8) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: $0) &+ seed }
    }

    private static func framed(_ packet: [UInt8]) -> [UInt8] {
        withUnsafeBytes(of: UInt32(packet.count).bigEndian) { Array($0) } + packet
    }

    @Test func packetsComeWholeHoweverTheyArrive() throws {
        let bench = try Bench()
        #expect(try bench.receive() == nil)
        let packets = [Self.packet(14, 1), Self.packet(60, 2), Self.packet(65549, 3)]
        let bytes = packets.flatMap(Self.framed)
        var received: [[UInt8]] = []
        var (done, step) = (0, 1)
        while done < bytes.count {
            let next = min(bytes.count, done + step)
            try bench.other.writeAll(Array(bytes[done..<next]))
            (done, step) = (next, step * 2 % 9973 + 1)
            // Readable as long as there is more, and never for nothing.
            while bench.isReadable { if let packet = try bench.receive() { received.append(packet) } }
        }
        #expect(received == packets.map { [UInt8](repeating: 0, count: 12) + $0 })
    }

    @Test func whatIsSentLosesItsHeader() throws {
        let bench = try Bench()
        try bench.send(Self.packet(60, 1))
        try bench.send(Self.packet(61, 2), pieces: [5, 20, 1])
        try bench.send(Self.packet(62, 3), pieces: [12])
        let expected = (0..<3).flatMap { Self.framed(Self.packet(60 + $0, UInt8($0 + 1))) }
        // The kernel keeps what was sent in one piece apart.
        var read: [UInt8] = []
        while read.count < expected.count { read += Bench.read(bench.other) }
        #expect(read == expected)
    }

    /// Where the other side takes nothing packets are dropped whole: what has begun comes to its end later.
    @Test func aFullStreamKeepsItsPlace() throws {
        let bench = try Bench()
        var sent: [[UInt8]] = []
        var refused = 0
        for number in 0..<2000 {
            let packet = Self.packet(60_000, UInt8(truncatingIfNeeded: number))
            do {
                try bench.send(packet)
                sent.append(packet)
            } catch let error as Errno {
                #expect(error.code == EAGAIN)
                refused += 1
            }
            if refused > 5 { break }
        }
        #expect(refused > 5 && !sent.isEmpty)
        var taken: [UInt8] = []
        let wanted = sent.reduce(0) { $0 + 4 + $1.count }
        while taken.count < wanted {
            let entry = Bench.read(bench.other)
            try #require(!entry.isEmpty)
            taken += entry
            _ = try bench.receive()
        }
        #expect(taken == sent.flatMap(Self.framed))
    }

    @Test func theOtherSideGoesAndComesAgain() throws {
        let bench = try Bench()
        try bench.other.writeAll(Array(Self.framed(Self.packet(100, 1)).prefix(50)))
        #expect(try bench.receive() == nil)
        shutdown(bench.other.raw, Int32(SHUT_RDWR))
        #expect(try bench.receive() == nil)
        // Nobody turns in circles while it is away.
        #expect(!bench.isReadable)
        #expect(throws: Errno(EAGAIN)) { try bench.send(Self.packet(60, 1)) }
        let (mine, other) = try Bench.pair()
        let next = FileDescriptor(owning: mine)
        let far = FileDescriptor(owning: other)
        // Who waits for a packet meanwhile gets one of the new socket's.
        let descriptor = bench.stream.descriptor
        let isWoken = Mutex(false)
        let waiter = try SystemThread(name: "waiter") {
            var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            let count = poll(&entry, 1, 20_000)
            isWoken.withLock { $0 = count == 1 }
        }
        usleep(100_000)
        try bench.stream.replace(next)
        usleep(100_000)
        try far.writeAll(Self.framed(Self.packet(80, 7)))
        waiter.join()
        #expect(isWoken.withLock { $0 })
        #expect(bench.isReadable)
        #expect(try bench.receive() == [UInt8](repeating: 0, count: 12) + Self.packet(80, 7))
        try bench.send(Self.packet(90, 9))
        #expect(Bench.read(far) == Self.framed(Self.packet(90, 9)))
    }

    @Test(arguments: [0, 13, 65550, 0xFFFF_FFFF] as [UInt32]) func aLengthThatThereIsNotEndsIt(length: UInt32) throws {
        let bench = try Bench()
        try bench.other.writeAll(withUnsafeBytes(of: length.bigEndian) { Array($0) })
        #expect(try bench.receive() == nil)
        #expect(!bench.isReadable)
    }
}

@Suite("User-mode networks")
struct PasstTests {
    private static let mac = MACAddress([2, 0, 0, 0, 0, 1])
    /// It needs to be there, a way out to copy, and leave to make namespaces.
    private static let isPossible = mac.flatMap { try? PasstProcess(.init(), mtu: 1500, mac: $0) } != nil

    @Test func argumentsSayWhatIsForwarded() {
        var user = NetworkSource.User(forwards: [
            .init(.tcp, hostPort: 2222, guestPort: 22), .init(.tcp, hostPort: 80, guestPort: 8080),
        ])
        user.forwards[1].hostAddress = IPv4Address(0)
        let arguments = PasstProcess.arguments(user, mtu: 1500)
        #expect(arguments.contains("--no-map-gw"))
        #expect(
            arguments.suffix(6) == ["-t", "127.0.0.1/2222:22", "-t", "0.0.0.0/80:8080", "-u", "none"])
    }

    /// One that is killed is there again; with its owner it goes.
    @Test(.enabled(if: isPossible, "needs passt, a default route and namespaces"), .timeLimit(.minutes(1)))
    func itIsKeptAlive() throws {
        let mac = try #require(Self.mac)
        // The one that showed that it is possible ends.
        Self.wait { Self.children().isEmpty }
        do {
            let network = try PasstNetwork(.init(), mac: mac)
            #expect(network.mtu == 65520 && network.queues.count == 1 && network.offloads == [])
            let first = try #require(Self.children().first)
            kill(first, SIGKILL)
            Self.wait { Self.children().contains { $0 != first } }
            let now = Self.children()
            #expect(now.count == 1 && now != [first])
        }
        #expect(Self.children().isEmpty)
    }

    private static func wait(_ condition: () -> Bool) {
        let deadline = monotonicNanoseconds() + 20_000_000_000
        while !condition(), monotonicNanoseconds() < deadline { usleep(20_000) }
    }

    /// The ids of the processes of passt that this one has.
    private static func children() -> [Int32] {
        ((try? DirectoryNames.list("/proc")) ?? []).compactMap { Int32($0) }.filter { id in
            guard let bytes = try? WholeFile.read("/proc/\(id)/stat", limit: 4096) else { return false }
            let text = String(decoding: bytes, as: UTF8.self)
            let fields = text.split(separator: ")").last?.split(separator: " ") ?? []
            return text.contains("(passt") && fields.count > 1 && fields[0] != "Z" && fields[1] == "\(getpid())"
        }
    }
}
