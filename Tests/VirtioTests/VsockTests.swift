import Glibc
import GuestMemory
import LinuxSystem
import Testing

@testable import Virtio

@Suite struct VsockTests {
    private typealias Shutdown = VsockPacket.Shutdown

    @Test(arguments: [false, true]) func theHostConnects(isPacked: Bool) throws {
        let bench = try VsockBench(isPacked: isPacked)
        #expect(bench.device.readConfiguration(offset: 0, count: 8) == 42)
        #expect(bench.device.readConfiguration(offset: 8, count: 8) == 0)
        try bench.start()
        let (program, port) = try bench.established()
        #expect(port >= 1 << 30)
        // Both ways; what follows the line at once is the guest's.
        try program.write("to the guest")
        let received = try bench.expect(.readWrite)
        #expect(received.payload == Array("to the guest".utf8))
        #expect(received.packet.sourcePort == port && received.packet.destinationPort == 5000)
        try bench.send(VsockBench.packet(.readWrite, from: 5000, to: port), Array("to the host".utf8))
        #expect(try program.read(11) == Array("to the host".utf8))
        // The program ends: the guest answers with an end of its own.
        program.close()
        #expect(try bench.expect(.shutdown).packet.flags == Shutdown.both)
        try bench.send(VsockBench.packet(.reset, from: 5000, to: port))
        // Nobody is there any more.
        try bench.send(VsockBench.packet(.readWrite, from: 5000, to: port), [1])
        #expect(try bench.expect(.reset).packet.sourcePort == port)
        #expect(bench.signals.broken.isEmpty)
    }

    @Test func theGuestConnects() throws {
        let bench = try VsockBench()
        let listener = try bench.listen(port: 1234)
        try bench.start()
        try bench.send(VsockBench.packet(.request, from: 7, to: 1234))
        let response = try bench.expect(.response).packet
        #expect(response.sourcePort == 1234 && response.destinationPort == 7 && response.bufferSize == 256 << 10)
        let program = try bench.accept(listener)
        try bench.send(VsockBench.packet(.readWrite, from: 7, to: 1234), Array("ping".utf8))
        #expect(try program.read(4) == Array("ping".utf8))
        try program.write("pong")
        #expect(try bench.expect(.readWrite).payload == Array("pong".utf8))
        // The guest is done with sending: the program sees the end and can still answer.
        try bench.send(VsockBench.packet(.shutdown, from: 7, to: 1234, flags: Shutdown.send))
        #expect(try program.isAtEnd())
        try program.write("bye")
        #expect(try bench.expect(.readWrite).payload == Array("bye".utf8))
        // With the other direction nothing goes at all any more.
        program.shutDownWriting()
        #expect(try bench.expect(.shutdown).packet.flags == Shutdown.both)
        try bench.send(VsockBench.packet(.shutdown, from: 7, to: 1234, flags: Shutdown.both))
        try bench.expect(.reset)
    }

    /// A program that is done with sending still gets what the guest sends.
    @Test func theHostIsDoneFirst() throws {
        let bench = try VsockBench()
        try bench.start()
        let (program, port) = try bench.established()
        try program.write("all")
        program.shutDownWriting()
        #expect(try bench.expect(.readWrite).payload == Array("all".utf8))
        #expect(try bench.expect(.shutdown).packet.flags == Shutdown.send)
        try bench.send(VsockBench.packet(.readWrite, from: 5000, to: port), Array("answer".utf8))
        try bench.send(VsockBench.packet(.shutdown, from: 5000, to: port, flags: Shutdown.both))
        #expect(try program.read(100) == Array("answer".utf8))
        try bench.expect(.reset)
        #expect(bench.signals.broken.isEmpty)
    }

    /// A notification on its way hides no stop: a driver may reset the device at any time.
    @Test(.timeLimit(.minutes(2))) func itStopsAtOnce() throws {
        let bench = try VsockBench()
        for round: UInt64 in 0..<6000 {
            try bench.start(buffers: 0)
            // At each point of what the device's thread does first.
            let moment = monotonicNanoseconds() + round % 200 * 1000
            while monotonicNanoseconds() < moment {}
            bench.device.notify(queue: 0)
            bench.device.stop()
        }
        #expect(bench.signals.broken.isEmpty)
    }

    @Test func whatIsNotThereIsRefused() throws {
        let bench = try VsockBench()
        try bench.start()
        // Nobody listens; no connection; another type of socket; another host; an operation that there is not.
        try bench.send(VsockBench.packet(.request, from: 7, to: 99))
        let refused = try bench.expect(.reset).packet
        #expect(refused.sourcePort == 99 && refused.destinationPort == 7)
        for operation: VsockPacket.Operation in [.response, .readWrite, .shutdown, .creditUpdate, .creditRequest] {
            try bench.send(VsockBench.packet(operation, from: 7, to: 99))
            try bench.expect(.reset)
        }
        var packet = VsockBench.packet(.request, from: 7, to: 99)
        packet.type = 2
        try bench.send(packet)
        try bench.expect(.reset)
        packet.type = 1
        packet.operation = 77
        try bench.send(packet)
        try bench.expect(.reset)
        packet = VsockBench.packet(.request, from: 7, to: 99)
        packet.destinationCID = 3
        try bench.send(packet)
        let answer = try #require(try bench.receive()).packet
        #expect(answer.operation == VsockPacket.Operation.reset.rawValue && answer.sourceCID == 3)
        // A reset is not answered, and one who is not the guest gets no answer at all.
        try bench.send(VsockBench.packet(.reset, from: 7, to: 99))
        packet.sourceCID = 43
        try bench.send(packet)
        #expect(try bench.receive(seconds: 0.2) == nil)
        #expect(bench.signals.broken.isEmpty)
    }

    @Test(
        arguments: [
            "CONNECT\n", "CONNECT \n", "connect 1\n", "CONNECT -1\n", "CONNECT 1 2\n", "CONNECT 4294967296\n", "\n",
            "GET / HTTP/1.1\r\n", "CONNECT 00000000000000000000000000000000001\n",
        ]) func wrongGreetingsEnd(_ line: String) throws
    {
        let bench = try VsockBench()
        try bench.start()
        let program = try bench.connect()
        try program.write(line)
        #expect(try program.isAtEnd())
        #expect(try bench.receive(seconds: 0.05) == nil)
    }

    @Test func aGreetingInPiecesAndARefusal() throws {
        let bench = try VsockBench()
        try bench.start()
        let program = try bench.connect()
        for piece in ["CONN", "ECT ", "50", "01", "\nmore"] {
            try program.write(piece)
            usleep(2000)
        }
        let request = try bench.expect(.request).packet
        #expect(request.destinationPort == 5001)
        try bench.send(VsockBench.packet(.reset, from: 5001, to: request.sourcePort))
        #expect(try program.isAtEnd())
    }

    /// The device sends no more than the driver has room for, and begins again when that says that it took some.
    @Test func theDriversSpaceIsKept() throws {
        let bench = try VsockBench()
        let listener = try bench.listen(port: 1234)
        try bench.start()
        try bench.send(VsockBench.packet(.request, from: 7, to: 1234, bufferSize: 1000))
        try bench.expect(.response)
        let program = try bench.accept(listener)
        try program.write([UInt8](repeating: 1, count: 2500))
        #expect(try bench.expect(.readWrite).payload.count == 1000)
        #expect(try bench.receive(seconds: 0.1) == nil)
        try bench.send(VsockBench.packet(.creditUpdate, from: 7, to: 1234, bufferSize: 1000, forwarded: 600))
        #expect(try bench.expect(.readWrite).payload.count == 600)
        // A driver that says that it took more than it got has no room.
        try bench.send(VsockBench.packet(.creditUpdate, from: 7, to: 1234, bufferSize: 1000, forwarded: 90_000))
        #expect(try bench.receive(seconds: 0.1) == nil)
        try bench.send(VsockBench.packet(.creditUpdate, from: 7, to: 1234, bufferSize: 1000, forwarded: 1600))
        #expect(try bench.expect(.readWrite).payload.count == 900)
    }

    /// A program that does not read: the device takes what it said, tells when there is room again, and ends the
    /// connection of a driver that sends more.
    @Test func theDevicesSpaceIsBounded() throws {
        let bench = try VsockBench()
        let listener = try bench.listen(port: 1234)
        try bench.start()
        try bench.send(VsockBench.packet(.request, from: 7, to: 1234))
        let space = Int(try bench.expect(.response).packet.bufferSize)
        let program = try bench.accept(listener)
        let piece = [UInt8](repeating: 7, count: 64 << 10)
        // What the socket takes is forwarded and does not count against the space.
        var sent = 0
        var forwarded = 0
        while sent - forwarded + piece.count <= space, sent < 64 << 20 {
            try bench.send(VsockBench.packet(.readWrite, from: 7, to: 1234), piece)
            sent += piece.count
            while let update = try bench.receive(seconds: 0.02) {
                #expect(update.packet.operation == VsockPacket.Operation.creditUpdate.rawValue)
                forwarded = Int(update.packet.forwarded)
            }
        }
        #expect(sent - forwarded > space - piece.count && sent < 4 << 20, "\(sent) bytes, \(forwarded) of them taken")
        try bench.send(VsockBench.packet(.creditRequest, from: 7, to: 1234))
        forwarded = Int(try bench.expect(.creditUpdate).packet.forwarded)
        // All of it comes, and there is room again.
        #expect(try program.read(sent).count == sent)
        var isToldOfAll = false
        for _ in 0..<50 where !isToldOfAll {
            try bench.send(VsockBench.packet(.creditRequest, from: 7, to: 1234))
            while let told = try bench.receive(seconds: 0.05) {
                isToldOfAll = isToldOfAll || Int(told.packet.forwarded) == sent
            }
        }
        #expect(isToldOfAll)
        // More than there is room for.
        for _ in 0..<40 { try? bench.send(VsockBench.packet(.readWrite, from: 7, to: 1234), piece) }
        var ended = false
        while let next = try bench.receive(seconds: 0.2) {
            ended = ended || next.packet.operation == VsockPacket.Operation.reset.rawValue
        }
        #expect(ended && bench.signals.broken.isEmpty)
    }

    /// Without buffers of the driver everything waits, and nothing is lost or kept without a bound.
    @Test func aGuestWithoutBuffersGetsAllLater() throws {
        let bench = try VsockBench()
        let listener = try bench.listen(port: 1234)
        try bench.start(buffers: 0)
        try bench.send(VsockBench.packet(.request, from: 7, to: 1234))
        let program = try bench.accept(listener)
        let text = (0..<50_000).map { UInt8(truncatingIfNeeded: $0 / 7) }
        try program.write(text)
        program.close()
        #expect(try bench.receive(seconds: 0.1) == nil)
        for _ in 0..<8 { try bench.addBuffer() }
        bench.device.notify(queue: 0)
        try bench.expect(.response)
        var got: [UInt8] = []
        while got.count < text.count { got += try bench.expect(.readWrite).payload }
        #expect(got == text)
        #expect(try bench.expect(.shutdown).packet.flags == Shutdown.both)
    }

    @Test func theTableIsBounded() throws {
        let bench = try VsockBench()
        let listener = try bench.listen(port: 1234)
        try bench.start()
        var programs: [VsockBench.Program] = []
        for port in 0..<UInt32(VsockTable.maximumCount) {
            try bench.send(VsockBench.packet(.request, from: port, to: 1234))
            try bench.expect(.response)
            programs.append(try bench.accept(listener))
        }
        try bench.send(VsockBench.packet(.request, from: 1 << 20, to: 1234))
        try bench.expect(.reset)
        // The same port once more is a new beginning of nothing.
        try bench.send(VsockBench.packet(.request, from: 0, to: 1234))
        try bench.expect(.reset)
        try bench.send(VsockBench.packet(.request, from: 1 << 20, to: 1234))
        try bench.expect(.response)
        #expect(bench.signals.broken.isEmpty)
    }

    @Test func brokenPacketsNeedAReset() throws {
        var long = VsockBench.packet(.readWrite, from: 7, to: 1234)
        long.count = 1000
        var longer = long
        longer.count = .max
        for bytes in [[UInt8](repeating: 0, count: 43), long.bytes + [1, 2, 3], longer.bytes] {
            let bench = try VsockBench()
            try bench.start()
            let (program, _) = try bench.established()
            try bench.sendRaw(bytes)
            #expect(bench.signals.broken.count == 1)
            #expect(try program.isAtEnd(), "connections end with the device")
        }
        // A buffer without room for a header.
        let bench = try VsockBench()
        try bench.start(buffers: 0)
        try bench.drivers[0].add(readable: [], writable: [GuestSegment(gpa: 0x200_0000, count: 43)])
        try bench.send(VsockBench.packet(.request, from: 7, to: 99))
        #expect(bench.eventually { bench.signals.broken.count == 1 })
    }

    @Test(arguments: [false, true]) func theStateGoesOnWithoutItsConnections(isPacked: Bool) throws {
        let bench = try VsockBench(isPacked: isPacked)
        #expect(bench.device.save() == VsockDeviceState(cid: 42))
        try bench.start()
        let (program, port) = try bench.established()
        let saved = bench.device.save()
        #expect(saved == bench.device.save() && saved.queues.count == 3)
        // It goes on.
        try program.write("x")
        try bench.expect(.readWrite)
        let moved = bench.device.save()
        bench.device.stop()
        #expect(try program.isAtEnd())

        let other = VsockDevice(cid: 42, host: bench.host)
        try other.load(moved, memory: bench.memory, signals: bench.signals)
        #expect(other.save().queues == moved.queues && other.save().needsTransportReset)
        try bench.drivers[2].add(readable: [], writable: [GuestSegment(gpa: 0x300_0000, count: 4)])
        try bench.memory.store(0x300_0000, UInt32.max)
        other.notify(queue: 2)
        #expect(bench.eventually { try bench.drivers[2].used()?.written == 4 })
        #expect(try bench.memory.load(0x300_0000, as: UInt32.self) == 0, "VIRTIO_VSOCK_EVENT_TRANSPORT_RESET")
        #expect(!other.save().needsTransportReset)
        _ = port
        var bad = saved
        bad.features |= 1 << 50
        #expect(throws: VirtQueueError.self) { try other.load(bad, memory: bench.memory, signals: bench.signals) }
        other.stop()
    }

    @Test func countersGoRound() {
        var credit = VsockCredit()
        var packet = VsockBench.packet(.response, from: 1, to: 2, bufferSize: 4096, forwarded: 0)
        credit.hear(packet)
        var total: UInt32 = 0
        for _ in 0..<(1 << 10) {
            credit.send(4096)
            #expect(credit.available == 0)
            total &+= 4096
            packet.forwarded = total
            credit.hear(packet)
            #expect(credit.available == 4096)
        }
        // Past 2^32.
        credit = VsockCredit()
        for _ in 0..<70_000 {
            let fits = credit.receive(64 << 10)
            #expect(fits)
            credit.forward(64 << 10)
        }
        let fits = [credit.receive(256 << 10), credit.receive(1)]
        #expect(fits == [true, false])
    }
}
