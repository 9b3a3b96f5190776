import BlockStorage
import BootLoader
import CLinux
import DeviceSources
import EmbeddedHypervisor
import Glibc
import HypercallABI
import Hypervisor
import KvmEngine
import LinuxSystem
import NetworkBackends
import Synchronization
import Testing
import VirtualMachine

/// Network interfaces of a machine that runs a guest which knows nothing of ACPI, on taps in a network of the test's own.
@Suite(.serialized, .enabled(if: OwnNetwork.isPossible, "needs /dev/kvm, /dev/net/tun and CAP_SYS_ADMIN"))
struct NetworkHotplugTests {
    private static func makeMachine(_ interfaces: [NetworkSource] = []) throws -> (Machine, RecordingObserver) {
        let backend = EmbeddedHypervisor(
            engine: try KvmEngine(), firstPartitionID: PartitionID(rawValue: 7), vpCount: 1)
        var configuration = MachineConfiguration(
            vpCount: 1, memorySize: 16 << 20, boot: BootSource(kernel: BootSource.demoKernel))
        configuration.networkInterfaces = interfaces
        let observer = RecordingObserver()
        let machine = try Machine(configuration, on: backend, observer: observer)
        try machine.start()
        try #require(observer.waitForConsole("ready> "), "console: \(observer.console)")
        return (machine, observer)
    }

    private static func interface(_ id: String, tap: String, queues: Int = 1) -> NetworkSource {
        var interface = NetworkSource(
            id: id, mac: MACAddress([2, 0, 0, 0, 0, UInt8(truncatingIfNeeded: id.utf8.count)]), tap: .init(name: tap))
        interface.queues = queues
        return interface
    }

    // Each test has taps of its own names: the machine before may hold its lock for a moment after its end.
    private static func isThere(_ tap: String) -> Bool { if_nametoindex(tap) != 0 }

    @Test func attachAndForcedDetach() throws {
        try OwnNetwork.run {
            let net = Self.interface("net", tap: "hvma", queues: 2)
            let (machine, observer) = try Self.makeMachine()
            for round in 1...10 {
                try machine.attach(.networkInterface(net))
                // The same again is what holds already; another one of its name is not.
                try machine.attach(.networkInterface(net))
                #expect(throws: MachineError.self) {
                    try machine.attach(.networkInterface(Self.interface("net", tap: "hvm1")))
                }
                #expect(machine.attachedDevices == [.networkInterface(net)] && Self.isThere("hvma"))
                #expect(machine.detach(.networkInterface("net"), force: true))
                #expect(observer.waitForEjections(round).count == round)
                // Told when the tap is gone, not before.
                #expect(!Self.isThere("hvma") && machine.attachedDevices.isEmpty)
            }
            #expect(!machine.detach(.networkInterface("net"), force: true))
            machine.stop()
            #expect(observer.waitForEnd() == .stopped)
        }
    }

    @Test func whatCanNotBeAttachedChangesNothing() throws {
        try OwnNetwork.run {
            let (machine, observer) = try Self.makeMachine([Self.interface("first", tap: "hvm0")])
            for (source, fragment) in [
                (NetworkSource(id: "x", mac: MACAddress([2, 0, 0, 0, 0, 9]), tap: .init(bridge: "none")), "no bridge"),
                (NetworkSource(id: "x", tap: .init(name: "hvm1")), "no MAC address"),
                (Self.interface("x", tap: "hvm0"), "another VM's"),
                (Self.interface("x", tap: "lo"), "lo is no tap"),
            ] {
                do {
                    try machine.attach(.networkInterface(source))
                    Issue.record("\(source) was attached")
                } catch {
                    #expect("\(error)".contains(fragment), "\(error)")
                }
            }
            for index in 1...7 {
                try machine.attach(.networkInterface(Self.interface("n\(index)", tap: "hvm\(index)")))
            }
            #expect(throws: MachineError.self, "a ninth") {
                try machine.attach(.networkInterface(Self.interface("x", tap: "hvm8")))
            }
            #expect(!Self.isThere("hvm8") && machine.attachedDevices.count == 8)
            machine.stop()
            #expect(observer.waitForEnd() == .stopped)
        }
    }

    @Test func aDetachThatTheGuestIgnoresEndsWithAReset() throws {
        try OwnNetwork.run {
            let net = Self.interface("net", tap: "hvmb")
            let (machine, observer) = try Self.makeMachine([net])
            #expect(machine.detach(.networkInterface("net"), force: false))
            usleep(100_000)
            #expect(Self.isThere("hvmb") && observer.ejected.isEmpty)
            #expect(throws: MachineError.self, "it is still going") { try machine.attach(.networkInterface(net)) }
            #expect(machine.keep(.networkInterface("net")))
            try machine.attach(.networkInterface(net))
            machine.reset()
            #expect(observer.waitForResets(1))
            #expect(machine.attachedDevices == [.networkInterface(net)])
            #expect(machine.detach(.networkInterface("net"), force: false))
            machine.reset()
            #expect(observer.waitForEjections(1) == ["net"])
            #expect(!Self.isThere("hvmb") && machine.attachedDevices.isEmpty)
            try machine.attach(.networkInterface(net))
            machine.stop()
            #expect(observer.waitForEnd() == .stopped)
        }
    }

    /// Somebody else's tap is afterwards what it was, whether its interface or its machine went.
    @Test func aTapThatWasThereGetsBackItsMTU() throws {
        try OwnNetwork.run {
            let keeper = try TapDevice(.init(name: "hvmd"), mtu: 1300, queues: 2)
            var net = Self.interface("net", tap: "hvmd", queues: 2)
            net.mtu = 1280
            let (machine, observer) = try Self.makeMachine([net])
            #expect(try Self.mtu("hvmd") == 1280)
            #expect(machine.detach(.networkInterface("net"), force: true))
            #expect(observer.waitForEjections(1) == ["net"])
            #expect(try Self.mtu("hvmd") == 1300)
            try machine.attach(.networkInterface(net))
            #expect(try Self.mtu("hvmd") == 1280)
            machine.stop()
            #expect(observer.waitForEnd() == .stopped)
            #expect(try Self.mtu("hvmd") == 1300)
            #expect(keeper.name == "hvmd" && machine.attachedDevices.count == 1)
        }
    }

    private static func mtu(_ name: String) throws -> Int32 {
        let socket = FileDescriptor(owning: try retryingInterrupts { hv_interface_socket() })
        let number = socket.raw
        return try retryingInterrupts { hv_interface_mtu(number, name) }
    }

    @Test func limitsChange() throws {
        try OwnNetwork.run {
            let net = Self.interface("net", tap: "hvmc")
            let (machine, observer) = try Self.makeMachine([net])
            let limit = DeviceLimit(bytesPerSecond: 1 << 20, operationsPerSecond: 7)
            #expect(machine.limit(.networkInterface("net"), limit))
            #expect(!machine.limit(.networkInterface("none"), limit) && !machine.limit(.disk("net"), limit))
            #expect(machine.attachedDevices.first?.limit == limit)
            machine.stop()
            #expect(observer.waitForEnd() == .stopped)
        }
    }
}

/// Runs what it is given on a thread with a network of its own, where machines' taps are then made.
private enum OwnNetwork {
    static let isPossible: Bool = {
        guard access("/dev/kvm", R_OK | W_OK) == 0, access("/dev/net/tun", R_OK | W_OK) == 0 else { return false }
        return (try? run { _ = try TapDevice(.init(name: "probe0")) }) != nil
    }()

    private final class Box: Sendable {
        let outcome = Mutex<Result<Void, any Error>>(.success(()))
    }

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
}
