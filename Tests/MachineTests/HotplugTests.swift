import BlockStorage
import BootLoader
import DeviceSources
import EmbeddedHypervisor
import Glibc
import HypercallABI
import Hypervisor
import KvmEngine
import LinuxSystem
import Testing
import VirtualMachine

/// Disks of a machine that runs a guest which knows nothing of ACPI: it never ejects anything.
@Suite(.serialized, .enabled(if: access("/dev/kvm", R_OK | W_OK) == 0, "there is no /dev/kvm that we may open"))
struct HotplugTests {
    /// An image that goes away with its test.
    private final class Image {
        let path: String
        init(_ size: Int = 1 << 20) throws {
            var template = Array("/tmp/hvroot-disk-XXXXXX".utf8CString)
            let file = template.withUnsafeMutableBufferPointer { buffer in
                buffer.baseAddress.map { mkstemp($0) } ?? -1
            }
            try #require(file >= 0 && ftruncate(file, off_t(size)) == 0)
            close(file)
            path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        }
        deinit { unlink(path) }

        /// Whether somebody else could write it now.
        var isFree: Bool {
            (try? BlockImages.open(DiskSource(id: "x", path: path), directory: "/tmp", queues: 1)) != nil
        }
    }

    private func makeMachine(_ disks: [DiskSource] = []) throws -> (Machine, RecordingObserver) {
        let backend = EmbeddedHypervisor(
            engine: try KvmEngine(), firstPartitionID: PartitionID(rawValue: 7), vpCount: 1)
        var configuration = MachineConfiguration(
            vpCount: 1, memorySize: 16 << 20, boot: BootSource(kernel: BootSource.demoKernel))
        configuration.disks = disks
        let observer = RecordingObserver()
        let machine = try Machine(configuration, on: backend, observer: observer)
        try machine.start()
        try #require(observer.waitForConsole("ready> "), "console: \(observer.console)")
        return (machine, observer)
    }

    @Test func attachAndForcedDetach() throws {
        let image = try Image()
        let disk = DiskSource(id: "data", path: image.path)
        let (machine, observer) = try makeMachine()
        for round in 1...20 {
            try machine.attach(.disk(disk))
            // The same again is what holds already; another one of its name is not.
            try machine.attach(.disk(disk))
            #expect(throws: MachineError.self) { try machine.attach(.disk(DiskSource(id: "data", path: "/none"))) }
            #expect(machine.attachedDevices == [.disk(disk)])
            #expect(!image.isFree)
            #expect(machine.detach(.disk("data"), force: true))
            #expect(observer.waitForEjections(round) == Array(repeating: "data", count: round))
            #expect(image.isFree && machine.attachedDevices.isEmpty)
        }
        #expect(!machine.detach(.disk("data"), force: true))
        machine.stop()
        #expect(observer.waitForEnd() == .stopped)
    }

    @Test func whatCanNotBeAttachedChangesNothing() throws {
        let image = try Image()
        let (machine, observer) = try makeMachine([DiskSource(id: "root", path: image.path)])
        for (source, fragment) in [
            (DiskSource(id: "x", path: "/tmp/hvroot-none.img"), "can't be opened"),
            (DiskSource(id: "x", path: image.path), "in use"),
        ] {
            do {
                try machine.attach(.disk(source))
                Issue.record("\(source) was attached")
            } catch {
                #expect("\(error)".contains(fragment), "\(error)")
            }
        }
        let images = try (1...15).map { _ in try Image() }
        for (index, image) in images.enumerated() {
            try machine.attach(.disk(DiskSource(id: "d\(index)", path: image.path)))
        }
        let one = try Image()
        #expect(throws: MachineError.self) { try machine.attach(.disk(DiskSource(id: "x", path: one.path))) }
        #expect(one.isFree && machine.attachedDevices.count == 16)
        machine.stop()
        #expect(observer.waitForEnd() == .stopped)
    }

    @Test func aDetachThatTheGuestIgnores() throws {
        let image = try Image()
        let disk = DiskSource(id: "data", path: image.path)
        let (machine, observer) = try makeMachine([disk])
        #expect(machine.detach(.disk("data"), force: false))
        // Twice is once.
        #expect(machine.detach(.disk("data"), force: false))
        usleep(100_000)
        #expect(machine.attachedDevices == [.disk(disk)] && !image.isFree && observer.ejected.isEmpty)
        #expect(throws: MachineError.self, "it is still going") { try machine.attach(.disk(disk)) }
        #expect(machine.keep(.disk("data")))
        try machine.attach(.disk(disk))
        // Kept: it is there after a reset.
        machine.reset()
        #expect(observer.waitForResets(1) && observer.waitForConsole("ready> ", after: observer.consoleCount))
        #expect(machine.attachedDevices == [.disk(disk)] && observer.ejected.isEmpty)
        // Under detach: it goes with the reset.
        #expect(machine.detach(.disk("data"), force: false))
        machine.reset()
        #expect(observer.waitForEjections(1) == ["data"])
        #expect(image.isFree && machine.attachedDevices.isEmpty)
        #expect(!machine.keep(.disk("data")))
        try machine.attach(.disk(disk))
        machine.stop()
        #expect(observer.waitForEnd() == .stopped)
    }

    @Test func limitsChange() throws {
        let image = try Image()
        let (machine, observer) = try makeMachine([DiskSource(id: "data", path: image.path)])
        let limit = DeviceLimit(bytesPerSecond: nil, operationsPerSecond: 7)
        #expect(machine.limit(.disk("data"), limit) && !machine.limit(.disk("none"), limit))
        #expect(machine.attachedDevices.first?.limit == limit)
        machine.stop()
        #expect(observer.waitForEnd() == .stopped)
    }

    /// Resets, attaching and detaching by several at once: nothing hangs, and no image stays open.
    @Test(.timeLimit(.minutes(3))) func allAtOnce() throws {
        let images = try (0..<3).map { _ in try Image() }
        let (machine, observer) = try makeMachine()
        let threads = try images.enumerated().map { index, image in
            let path = image.path
            return try SystemThread(name: "client \(index)") {
                for round in 0..<40 {
                    try? machine.attach(.disk(DiskSource(id: "d\(index)", path: path)))
                    _ = machine.detach(.disk("d\(index)"), force: round % 3 != 0)
                    if round % 10 == index { machine.reset() }
                }
            }
        }
        for thread in threads { thread.join() }
        for index in 0..<3 { _ = machine.detach(.disk("d\(index)"), force: true) }
        let deadline = monotonicNanoseconds() + 30_000_000_000
        while !machine.attachedDevices.isEmpty, monotonicNanoseconds() < deadline { usleep(10_000) }
        #expect(machine.attachedDevices.isEmpty)
        for image in images { #expect(image.isFree) }
        machine.stop()
        #expect(observer.waitForEnd() == .stopped)
    }
}
