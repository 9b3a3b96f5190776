import BootLoader
import EmbeddedHypervisor
import Glibc
import GuestMemory
import HypercallABI
import Hypervisor
import KvmEngine
import LinuxSystem
import Testing
import VirtualMachine

/// Processors that come to a machine while it runs. Its guest knows nothing of ACPI: it starts none of them and gives
/// none back.
@Suite(.serialized, .enabled(if: access("/dev/kvm", R_OK | W_OK) == 0, "there is no /dev/kvm that we may open"))
struct ProcessorTests {
    private func makeMachine(_ count: Int, _ maximum: Int?) throws -> (Machine, RecordingObserver) {
        let backend = EmbeddedHypervisor(
            engine: try KvmEngine(), firstPartitionID: PartitionID(rawValue: 7), vpCount: maximum ?? count)
        var configuration = MachineConfiguration(
            vpCount: count, memorySize: 16 << 20, boot: BootSource(kernel: BootSource.demoKernel))
        configuration.maximumVPCount = maximum
        let observer = RecordingObserver()
        let machine = try Machine(configuration, on: backend, observer: observer)
        try machine.start()
        try #require(observer.waitForConsole("ready> "), "console: \(observer.console)")
        return (machine, observer)
    }

    @Test func processorsCome() throws {
        let (machine, observer) = try makeMachine(1, 5)
        #expect(machine.processorCount == 1)
        try machine.setProcessors(count: 3)
        #expect(machine.processorCount == 3)
        // A processor that waits for its start is held and let go like the others.
        for _ in 1...20 {
            machine.pause()
            machine.resume()
        }
        machine.pause()
        try machine.setProcessors(count: 5)
        machine.resume()
        #expect(machine.processorCount == 5)
        // A guest that does not answer keeps them.
        try machine.setProcessors(count: 2)
        #expect(machine.processorCount == 5)
        for count in [0, 6, -1] { #expect(throws: MachineError.self) { try machine.setProcessors(count: count) } }
        let before = observer.consoleCount
        machine.reset()
        #expect(observer.waitForResets(1) && observer.waitForConsole("ready> ", after: before))
        #expect(machine.processorCount == 2, "the next life begins with what was asked for last")
        try machine.setProcessors(count: 5)
        machine.stop()
        #expect(observer.waitForEnd() == .stopped)
    }

    /// A machine is stopped or reset in the very moment in which processors come.
    @Test func comingAndEnding() throws {
        for round in 0..<10 {
            let (machine, observer) = try makeMachine(1, 8)
            let thread = try SystemThread(name: "test") {
                for count in [8, 1, 4, 8] { try? machine.setProcessors(count: count) }
            }
            if round % 2 == 0 { machine.reset() }
            machine.stop()
            #expect(observer.waitForEnd() == .stopped)
            thread.join()
        }
    }

    @Test func aMachineWithoutMaximum() throws {
        let (machine, observer) = try makeMachine(1, nil)
        #expect(machine.processorCount == 1)
        #expect(throws: MachineError.self) { try machine.setProcessors(count: 2) }
        machine.stop()
        #expect(observer.waitForEnd() == .stopped)
    }

    /// A processor with a host processor of its own runs there, and memory that is there from the start stays over a reset.
    @Test func placed() throws {
        let allowed = try #require(HostPlacement.threadProcessors)
        let place = IndexList(allowed.indices.suffix(1))
        let backend = EmbeddedHypervisor(
            engine: try KvmEngine(), firstPartitionID: PartitionID(rawValue: 7), vpCount: 2)
        var configuration = MachineConfiguration(
            vpCount: 2, memorySize: 16 << 20, boot: BootSource(kernel: BootSource.demoKernel))
        configuration.vpProcessors = [1: place]
        configuration.memoryBacking.isPrefaulted = true
        configuration.memoryBacking.nodes = IndexList([0])
        let observer = RecordingObserver()
        let before = residentMemory()
        let machine = try Machine(configuration, on: backend, observer: observer)
        #expect(residentMemory() >= before + 15 << 20)
        try machine.start()
        try #require(observer.waitForConsole("ready> "))
        let thread = try #require(observer.record.read { $0.threads[1] })
        let status = String(
            decoding: try WholeFile.read("/proc/self/task/\(thread)/status", limit: 1 << 16), as: UTF8.self)
        #expect(status.contains("Cpus_allowed_list:\t\(place)\n"), "\(status)")
        let count = observer.consoleCount
        machine.reset()
        #expect(observer.waitForResets(1) && observer.waitForConsole("ready> ", after: count))
        machine.stop()
        #expect(observer.waitForEnd() == .stopped)
    }

    private func residentMemory() -> Int {
        guard let bytes = try? WholeFile.read("/proc/self/statm", limit: 1 << 10) else { return 0 }
        let words = String(decoding: bytes, as: UTF8.self).split(separator: " ")
        return words.count > 1 ? (Int(words[1]) ?? 0) * 4096 : 0
    }

    /// What the host can't give is an error with the step that failed, and no crash.
    @Test func memoryThatIsNotThere() throws {
        let backend = EmbeddedHypervisor(
            engine: try KvmEngine(), firstPartitionID: PartitionID(rawValue: 7), vpCount: 1)
        var configuration = MachineConfiguration(
            vpCount: 1, memorySize: 1 << 40, boot: BootSource(kernel: BootSource.demoKernel))
        configuration.memoryBacking.pages = .huge2M
        #expect(throws: MachineError.self) { try Machine(configuration, on: backend, observer: RecordingObserver()) }
        configuration.memorySize = 16 << 20
        configuration.memoryBacking.pages = .auto
        configuration.memoryBacking.nodes = IndexList([1000])
        #expect(throws: MachineError.self) { try Machine(configuration, on: backend, observer: RecordingObserver()) }
    }
}
