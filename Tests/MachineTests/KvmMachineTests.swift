import BootLoader
import EmbeddedHypervisor
import Glibc
import HypercallABI
import Hypervisor
import KvmEngine
import LinuxSystem
import Testing
import VirtualMachine

private let hasKVM = access("/dev/kvm", R_OK | W_OK) == 0

/// The project's own guest on a whole machine: what a user sees of it, without the server.
@Suite(.serialized, .enabled(if: hasKVM, "there is no /dev/kvm that we may open"))
struct KvmMachineTests {
    private func makeMachine(vpCount: Int = 1) throws -> (Machine, RecordingObserver, EmbeddedHypervisor) {
        let backend = EmbeddedHypervisor(
            engine: try KvmEngine(), firstPartitionID: PartitionID(rawValue: 7), vpCount: vpCount)
        let observer = RecordingObserver()
        let machine = try Machine(
            MachineConfiguration(
                vpCount: vpCount, memorySize: 16 << 20, boot: BootSource(kernel: BootSource.demoKernel)),
            on: backend, observer: observer)
        return (machine, observer, backend)
    }

    private func send(_ command: String, to machine: Machine) {
        #expect(machine.receive(Array("\(command)\n".utf8)) == command.utf8.count + 1)
    }

    @Test("the guest boots, answers on its console and powers off")
    func bootsAnswersAndPowersOff() throws {
        let (machine, observer, backend) = try makeMachine()
        try machine.start()
        #expect(observer.waitForConsole("ready> "), "console: \(observer.console)")
        #expect(observer.console.contains("hvroot demo guest"))
        #expect(machine.memoryMapped == 16 << 20)
        #expect(machine.memoryDeposited > 0)
        send("echo forty-two", to: machine)
        #expect(observer.waitForConsole("echo forty-two\r\nforty-two\r\n"), "console: \(observer.console)")
        send("poweroff", to: machine)
        #expect(observer.waitForEnd() == .poweredOff)
        #expect(backend.hypercallCounts.contains { $0.code == .createPartition && $0.status == .success })
        #expect(backend.hypercallCounts.contains { $0.code == .deletePartition && $0.status == .success })
    }

    @Test("a paused guest executes nothing, and a resumed one goes on")
    func pauses() throws {
        let (machine, observer, _) = try makeMachine()
        try machine.start()
        #expect(observer.waitForConsole("ready> "))
        machine.pause()
        #expect(machine.isPaused)
        let before = observer.consoleCount
        send("echo later", to: machine)
        usleep(300_000)
        #expect(observer.consoleCount == before)
        machine.resume()
        #expect(observer.waitForConsole("later\r\nlater\r\n", after: before), "console: \(observer.console)")
        machine.stop()
        #expect(observer.waitForEnd() == .stopped)
    }

    @Test("a spinning guest can be paused and stopped")
    func stopsASpinningGuest() throws {
        let (machine, observer, _) = try makeMachine()
        try machine.start()
        #expect(observer.waitForConsole("ready> "))
        send("spin", to: machine)
        usleep(100_000)
        machine.pause()
        machine.resume()
        machine.stop()
        #expect(observer.waitForEnd() == .stopped)
    }

    @Test("a reset starts the guest again on the same partition id")
    func resets() throws {
        let (machine, observer, _) = try makeMachine()
        try machine.start()
        #expect(observer.waitForConsole("ready> "))
        let before = observer.consoleCount
        send("reset", to: machine)
        #expect(observer.waitForResets(1))
        #expect(observer.waitForConsole("ready> ", after: before + 10), "console: \(observer.console)")
        machine.reset()
        #expect(observer.waitForResets(2))
        machine.stop()
        #expect(observer.waitForEnd() == .stopped)
    }

    @Test("the power button reaches the guest")
    func powerButton() throws {
        let (machine, observer, _) = try makeMachine()
        try machine.start()
        #expect(observer.waitForConsole("ready> "))
        machine.pressPowerButton()
        #expect(observer.waitForEnd() == .poweredOff, "console: \(observer.console)")
    }

    @Test("a triple fault and the debug exit are told apart from a power off")
    func ends() throws {
        for (command, expected) in [
            ("exit 5", MachineEnd.debugExit(code: 5)),
            ("crash", MachineEnd.crashed(.tripleFault, "processor 0 took a triple fault")),
        ] {
            let (machine, observer, _) = try makeMachine()
            try machine.start()
            #expect(observer.waitForConsole("ready> "))
            send(command, to: machine)
            #expect(observer.waitForEnd() == expected, "console: \(observer.console)")
        }
    }

    @Test("other processors start by INIT and SIPI")
    func startsProcessors() throws {
        let (machine, observer, _) = try makeMachine(vpCount: 3)
        try machine.start()
        #expect(observer.waitForConsole("ready> "))
        send("smp", to: machine)
        #expect(observer.waitForConsole("cpus 3"), "console: \(observer.console)")
        machine.stop()
        #expect(observer.waitForEnd() == .stopped)
        #expect(observer.record.withLock { $0.threads.count } == 3)
    }

    @Test("an image that is not there is told by name, and nothing is left behind")
    func refusesAMissingImage() throws {
        let backend = EmbeddedHypervisor(engine: try KvmEngine(), firstPartitionID: PartitionID(rawValue: 2))
        #expect(throws: MachineError.self) {
            try Machine(
                MachineConfiguration(
                    vpCount: 1, memorySize: 16 << 20, boot: BootSource(kernel: "/nonexistent/vmlinux")),
                on: backend, observer: RecordingObserver())
        }
        #expect(backend.rootStatistics.allMapped == 0)
    }
}
