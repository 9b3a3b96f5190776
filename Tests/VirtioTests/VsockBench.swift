import Glibc
import GuestMemory
import LinuxSystem
import Testing

@testable import Virtio

/// A vsock device with its driver and programs of the host.
final class VsockBench {
    static let cid: UInt64 = 42
    private static let queueArea: UInt64 = 0x10_0000
    private static let data: UInt64 = 0x100_0000
    private static let size: UInt16 = 64

    let directory: String
    let memory: GuestMemory
    let host: VsockHost
    let device: VsockDevice
    let signals = RecordedSignals()
    var drivers: [TestDriver]
    private let features: UInt64
    private var nextBuffer: UInt64 = 0
    /// Where each chain of the receive queue is, by its identifier.
    private var buffers: [UInt16: (gpa: UInt64, count: UInt32)] = [:]

    init(isPacked: Bool = false) throws {
        var template = Array("/tmp/hvroot-vsock-XXXXXX".utf8CString)
        directory = template.withUnsafeMutableBufferPointer { buffer in
            buffer.baseAddress.flatMap { mkdtemp($0) }.map { String(cString: $0) } ?? "/nonexistent"
        }
        memory = try GuestMemory(size: 64 << 20)
        features = VirtioFeature.version1 | (isPacked ? VirtioFeature.ringPacked : 0)
        host = try VsockHost(directory: directory, name: "v.sock")
        device = VsockDevice(cid: Self.cid, host: host)
        drivers = (0..<3).map { [memory] index in
            TestDriver(
                memory, size: index == 2 ? 16 : Self.size, isPacked: isPacked, base: UInt64(index) * Self.queueArea)
        }
    }

    deinit {
        device.stop()
        for name in ["v.sock", "v.sock_1234"] { unlink("\(directory)/\(name)") }
        rmdir(directory)
    }

    /// - Parameter buffers: for what the guest receives, of a header and so many bytes each.
    func start(buffers: Int = 32, size: UInt32 = 4096) throws {
        device.start(try drivers.map { try $0.device() }, features: features, memory: memory, signals: signals)
        for _ in 0..<buffers { try addBuffer(size) }
        device.notify(queue: 0)
    }

    private func place() -> UInt64 {
        defer { nextBuffer += 1 }
        return Self.data + nextBuffer % 256 * 0x2_0000
    }

    func addBuffer(_ size: UInt32 = 4096) throws {
        let gpa = place()
        let id = try drivers[0].add(
            readable: [],
            writable: [GuestSegment(gpa: gpa, count: 44), GuestSegment(gpa: gpa + 44, count: size)])
        buffers[id] = (gpa, size)
    }

    // MARK: The guest

    static func packet(
        _ operation: VsockPacket.Operation, from port: UInt32, to hostPort: UInt32, flags: UInt32 = 0,
        bufferSize: UInt32 = 1 << 20, forwarded: UInt32 = 0
    ) -> VsockPacket {
        var packet = VsockPacket(operation, from: (cid, port), to: (VsockPacket.hostCID, hostPort))
        packet.flags = flags
        packet.bufferSize = bufferSize
        packet.forwarded = forwarded
        return packet
    }

    /// Sends a packet as the guest's driver.
    func send(_ packet: VsockPacket, _ payload: [UInt8] = []) throws {
        var packet = packet
        packet.count = UInt32(payload.count)
        try sendRaw(packet.bytes + payload)
    }

    func sendRaw(_ bytes: [UInt8]) throws {
        let gpa = place()
        try memory.write(gpa, bytes)
        try drivers[1].add(readable: [GuestSegment(gpa: gpa, count: UInt32(bytes.count))], writable: [])
        device.notify(queue: 1)
        #expect(eventually { try self.drivers[1].used() != nil || !self.signals.broken.isEmpty })
    }

    /// The next packet that the guest receives; a new buffer takes its place.
    func receive(seconds: Double = 10) throws -> (packet: VsockPacket, payload: [UInt8])? {
        var found: (packet: VsockPacket, payload: [UInt8])?
        _ = eventually(seconds) {
            guard let used = try self.drivers[0].used(), let buffer = self.buffers.removeValue(forKey: used.id) else {
                return false
            }
            let bytes = try self.memory.read(buffer.gpa, count: Int(used.written))
            guard bytes.count >= 44 else { return false }
            let packet = VsockPacket(Array(bytes.prefix(44)))
            #expect(Int(packet.count) == bytes.count - 44)
            found = (packet, Array(bytes.dropFirst(44)))
            try self.addBuffer(buffer.count)
            self.device.notify(queue: 0)
            return true
        }
        return found
    }

    /// The next packet, which must be of that kind.
    @discardableResult
    func expect(
        _ operation: VsockPacket.Operation, location: SourceLocation = #_sourceLocation
    ) throws -> (packet: VsockPacket, payload: [UInt8]) {
        let received = try #require(try receive(), "nothing comes", sourceLocation: location)
        #expect(received.packet.operation == operation.rawValue, sourceLocation: location)
        #expect(received.packet.sourceCID == 2 && received.packet.destinationCID == Self.cid)
        return received
    }

    func eventually(_ seconds: Double = 10, _ condition: () throws -> Bool) -> Bool {
        let deadline = monotonicNanoseconds() + UInt64(seconds * 1e9)
        while monotonicNanoseconds() < deadline {
            if (try? condition()) == true { return true }
            usleep(500)
        }
        return false
    }

    // MARK: Programs of the host

    func connect() throws -> Program { Program(try UnixSocket.connect(directory: directory, name: "v.sock")) }

    func listen(port: UInt32) throws -> FileDescriptor {
        try UnixSocket.listen(directory: directory, name: "v.sock_\(port)")
    }

    func accept(_ listener: borrowing FileDescriptor) throws -> Program {
        for _ in 0..<2000 {
            if let socket = try UnixSocket.accept(listener) { return Program(socket) }
            usleep(1000)
        }
        throw Errno(ETIMEDOUT)
    }

    /// A connection of a program of the host.
    final class Program {
        private var socket: FileDescriptor?

        init(_ socket: consuming FileDescriptor) { self.socket = consume socket }

        func write(_ text: String) throws { try write(Array(text.utf8)) }

        func write(_ bytes: [UInt8]) throws {
            guard let number = socket?.raw else { throw Errno(EBADF) }
            #expect(Glibc.send(number, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count)
        }

        /// As many bytes as there are wanted; fewer where the other side ends before.
        func read(_ count: Int) throws -> [UInt8] {
            guard let number = socket?.raw else { throw Errno(EBADF) }
            var bytes: [UInt8] = []
            let deadline = monotonicNanoseconds() + 10_000_000_000
            while bytes.count < count, monotonicNanoseconds() < deadline {
                var piece = [UInt8](repeating: 0, count: count - bytes.count)
                let got = recv(number, &piece, piece.count, 0)
                if got == 0 { break }
                if got > 0 { bytes += piece.prefix(got) } else { usleep(500) }
            }
            return bytes
        }

        /// Whether the other side has ended, and nothing is left to read.
        func isAtEnd() throws -> Bool { try read(1).isEmpty }

        func shutDownWriting() { if let number = socket?.raw { shutdown(number, Int32(SHUT_WR)) } }
        func close() { socket = nil }
    }

    /// A connection that the host began, ready for bytes.
    func established(guestPort: UInt32 = 5000) throws -> (program: Program, hostPort: UInt32) {
        let program = try connect()
        try program.write("CONNECT \(guestPort)\n")
        let request = try expect(.request).packet
        #expect(request.destinationPort == guestPort && request.bufferSize > 0)
        try send(Self.packet(.response, from: guestPort, to: request.sourcePort))
        let answer = "OK \(request.sourcePort)\n"
        #expect(try program.read(answer.utf8.count) == Array(answer.utf8))
        return (program, request.sourcePort)
    }
}
