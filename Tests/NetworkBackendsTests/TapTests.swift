import CLinux
import Glibc
import LinuxSystem
import Synchronization
import Testing

@testable import NetworkBackends

/// Taps in a network of the test's own, which nobody else sees.
@Suite("Taps", .enabled(if: OwnNetwork.isPossible, "needs CAP_SYS_ADMIN, /dev/net/tun and the kernel's bridge"))
struct TapTests {
    @Test("a tap is made, is what was asked for, and goes away")
    func make() throws {
        try OwnNetwork.run {
            do {
                let tap = try TapDevice(.init(name: "t0"), mtu: 9000, queues: 4)
                #expect(tap.name == "t0" && tap.mtu == 9000 && tap.queues.count == 4)
                #expect(try HostInterface("t0").mtu == 9000)
                #expect(tap.offloads.isSuperset(of: [.checksum, .tcp4, .tcp6]))
                for count in [1, 3, 4, 2, 1, 4] { try tap.setActive(queues: count) }
                try tap.setReceiveOffloads([.checksum, .tcp4])
                try tap.setReceiveOffloads([])
                let unnamed = try TapDevice(.init(), usesOffloads: false)
                #expect(unnamed.name.hasPrefix("hvtap") && unnamed.mtu == 1500 && unnamed.offloads == [])
                #expect(HostInterface.index(of: unnamed.name) != nil)
            }
            #expect(HostInterface.index(of: "t0") == nil)
            #expect(HostInterface.index(of: "hvtap0") == nil)
        }
    }

    @Test("what can't be a tap is refused, with the reason")
    func refusals() throws {
        try OwnNetwork.run {
            func refused(_ tap: NetworkSource.Tap, queues: Int = 1, mtu: Int? = nil, _ fragment: String) {
                do throws(NetworkError) {
                    _ = try TapDevice(tap, mtu: mtu, queues: queues)
                    Issue.record("\(tap) was not refused")
                } catch {
                    #expect(error.description.contains(fragment), "\(error)")
                }
            }
            refused(.init(name: "lo"), "lo is no tap")
            refused(.init(name: "lo"), queues: 2, "no tap with several queues")
            refused(.init(bridge: "none"), "no bridge none")
            refused(.init(bridge: "lo"), mtu: 1500, "can't be made a port of lo")
            refused(.init(name: "t9"), mtu: 1 << 20, "can't have an MTU of 1048576")
            // A tap with one queue has one user.
            let tap = try TapDevice(.init(name: "t0"))
            refused(.init(name: "t0"), "t0 is in use")
            #expect(tap.name == "t0")
        }
    }

    private struct Settings: Equatable {
        var mtu: Int
        var bridge: String?
        var isUp: Bool

        init(_ mtu: Int, bridge: String? = nil, isUp: Bool = true) {
            (self.mtu, self.bridge, self.isUp) = (mtu, bridge, isUp)
        }

        init(of name: String) throws {
            let interface = try HostInterface(name)
            self.init(try interface.mtu, bridge: interface.bridge, isUp: try interface.isUp)
        }
    }

    @Test("a tap that was there gets back what it had, whether it could be used or not")
    func restores() throws {
        try OwnNetwork.run {
            // Another user of a tap with several queues keeps it.
            let keeper = try TapDevice(.init(name: "t0"), mtu: 1300, queues: 2)
            try OwnNetwork.makeBridge("b0", mtu: 1400)
            try HostInterface("t0").setUp(false)
            let before = Settings(1300, isUp: false)
            #expect(try Settings(of: "t0") == before)
            // The step after that of the MTU fails: a tap is no bridge.
            let error = #expect(throws: NetworkError.self) {
                _ = try TapDevice(.init(name: "t0", bridge: "t0"), mtu: 9000, queues: 2)
            }
            #expect(error?.description.contains("can't be made a port") == true)
            #expect(try Settings(of: "t0") == before)
            do {
                let tap = try TapDevice(.init(name: "t0"), mtu: 1350, queues: 2)
                #expect(try tap.mtu == 1350 && Settings(of: "t0") == Settings(1350))
            }
            #expect(try Settings(of: "t0") == before)
            #expect(keeper.name == "t0")
        }
    }

    @Test("a tap goes back to the bridge that it was a port of")
    func restoresBridges() throws {
        try OwnNetwork.run {
            try OwnNetwork.makeBridge("b0", mtu: 1400)
            try OwnNetwork.makeBridge("b1", mtu: 1400)
            let keeper = try TapDevice(.init(name: "t0"), mtu: 1400, queues: 2)
            for bridge in [nil, "b1"] {
                try HostInterface("t0").join(bridge: bridge)
                do {
                    let tap = try TapDevice(.init(name: "t0", bridge: "b0"), queues: 2)
                    #expect(try Settings(of: tap.name) == Settings(1400, bridge: "b0"))
                }
                #expect(try Settings(of: "t0") == Settings(1400, bridge: bridge))
            }
            #expect(keeper.name == "t0")
        }
    }

    @Test("a tap with several queues has one guest, whoever chose its name")
    func locks() throws {
        var template = Array("/tmp/hvroot-taps-XXXXXX".utf8CString)
        let directory = template.withUnsafeMutableBufferPointer { buffer in
            buffer.baseAddress.flatMap { mkdtemp($0) }.map { String(cString: $0) } ?? "/nonexistent"
        }
        defer {
            for name in ["t0", "hvtap0"] { unlink("\(directory)/.tap-\(name)") }
            rmdir(directory)
        }
        try OwnNetwork.run {
            func open(_ name: String?) throws(NetworkError) -> TapDevice {
                try TapDevice(.init(name: name), lockDirectory: directory, queues: 2)
            }
            for name in ["t0", nil] {
                let first = try open(name)
                let error = #expect(throws: NetworkError.self) { _ = try open(first.name) }
                #expect(error?.description == "the tap \(first.name) is another VM's, which runs")
            }
            // They went with their guests.
            _ = try open("t0")
            _ = try open("hvtap0")
        }
    }

    @Test("packets go from one tap to another by a bridge", arguments: [1, 2])
    func bridge(_ queues: Int) throws {
        try OwnNetwork.run {
            try OwnNetwork.makeBridge("b0", mtu: 1400)
            let (left, right) = (
                try TapDevice(.init(name: "l0", bridge: "b0"), queues: queues),
                try TapDevice(.init(name: "r0", bridge: "b0"), queues: queues)
            )
            #expect(left.mtu == 1400)
            try right.setActive(queues: 1)
            let header = [UInt8](repeating: 0, count: 12)
            let addresses: [UInt8] = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1]
            for round: UInt8 in 0..<20 {
                let packet = addresses + [0x88, 0xB5] + [UInt8](repeating: round, count: 100 + Int(round))
                try Self.send(header + packet, by: left.queues[Int(round) % queues])
                #expect(try Self.receive(right.queues[0]) { $0.starts(with: addresses) } == header + packet)
            }
        }
    }

    private static func send(_ packet: [UInt8], by queue: any NetworkQueue) throws {
        var packet = packet
        let border = 26
        try packet.withUnsafeMutableBytes { bytes in
            let parts = [
                iovec(iov_base: bytes.baseAddress, iov_len: border),
                iovec(iov_base: bytes.baseAddress.map { $0 + border }, iov_len: bytes.count - border),
            ]
            try parts.withUnsafeBufferPointer { try queue.send($0) }
        }
    }

    /// The next packet, with its header, whose bytes behind that `matches` takes: the kernel sends some of its own.
    private static func receive(_ queue: any NetworkQueue, _ matches: (ArraySlice<UInt8>) -> Bool) throws -> [UInt8]? {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 17, alignment: 16)
        defer { buffer.deallocate() }
        let deadline = monotonicNanoseconds() + 20_000_000_000
        while monotonicNanoseconds() < deadline {
            guard let count = try queue.receive(buffer) else {
                var entry = pollfd(fd: queue.descriptor, events: Int16(POLLIN), revents: 0)
                _ = poll(&entry, 1, 1000)
                continue
            }
            let packet = Array(buffer[..<count])
            if matches(packet.dropFirst(12)) { return packet }
        }
        return nil
    }
}

/// Runs what it is given on a thread with a network of its own.
enum OwnNetwork {
    static let isPossible: Bool = {
        guard access("/dev/net/tun", R_OK | W_OK) == 0 else { return false }
        return (try? run { try makeBridge("probe0", mtu: 1500) }) != nil
    }()

    static func run(_ body: @escaping @Sendable () throws -> Void) throws {
        let box = Box()
        try SystemThread(name: "own network") {
            let result = Result {
                if hv_own_network() != 0 { throw Errno.last }
                try body()
            }
            box.outcome.withLock { $0 = result }
        }.join()
        try box.outcome.withLock { $0 }.get()
    }

    private final class Box: Sendable {
        let outcome = Mutex<Result<Void, any Error>>(.success(()))
    }

    /// Makes a bridge that is up.
    static func makeBridge(_ name: String, mtu: Int) throws {
        let socket = FileDescriptor(owning: try retryingInterrupts { hv_interface_socket() })
        var bytes = Array(name.utf8CString)
        // SIOCBRADDBR
        if hv_ioctl_pointer(socket.raw, 0x89A0, &bytes) != 0 { throw Errno.last }
        let bridge = try HostInterface(name)
        try bridge.setMTU(mtu)
        try bridge.setUp(true)
    }
}
