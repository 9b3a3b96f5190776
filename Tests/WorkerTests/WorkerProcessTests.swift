import Glibc
import Hypervisor
import LinuxSystem
import PartitionManager
import Testing
import WorkerProtocol

@Suite("A guest in a worker process", .enabled(if: hasKvm, "needs /dev/kvm"), .serialized)
struct WorkerProcessTests {
    private func type(_ text: String, to guest: any GuestDriver) async throws {
        #expect(try await guest.writeConsole(Array(text.utf8)) == text.utf8.count)
    }

    @Test func runsAnswersAndPowersOff() async throws {
        let vm = try WorkerFixture()
        let launcher = try WorkerFixture.launcher()
        let guest = try await vm.start(launcher)
        try await vm.waitForConsole("hvroot demo guest")
        try await vm.waitForConsole("ready> ")
        try await type("echo abc\n", to: guest)
        try await vm.waitForConsole("abc")
        try await vm.wait("the event of it") { vm.events.contains("console") }

        let counters = guest.statistics()
        #expect(counters.exits.count == 1)
        #expect(counters.exits.first?.reduce(0, +) ?? 0 > 0)
        #expect(counters.vpRunTime.first ?? 0 > 0)
        #expect(counters.memoryMapped > 0)
        #expect(counters.consoleBytes > 0)
        #expect(!counters.hypercalls.isEmpty)

        try await type("poweroff\n", to: guest)
        #expect(try await vm.waitForEnd() == .poweredOff)
        #expect(vm.events.last == "ended")
        #expect(guest.statistics().vpRunTime.first ?? 0 > 0)
        await #expect(throws: GuestError.self) { try await guest.pause() }
        try await guest.stop()
    }

    @Test func doesNotRunWhilePaused() async throws {
        let vm = try WorkerFixture()
        let launcher = try WorkerFixture.launcher()
        let guest = try await vm.start(launcher)
        try await vm.waitForConsole("ready> ")
        try await guest.pause()
        try await guest.pause()
        _ = try await guest.writeConsole(Array("echo later\n".utf8))
        try await Task.sleep(nanoseconds: 500_000_000)
        #expect(!vm.console.contains("later"))
        try await guest.resume()
        try await vm.waitForConsole("later")
        try await guest.stop()
        #expect(try await vm.waitForEnd() == .stopped)
    }

    @Test func startsAgainWhenReset() async throws {
        let vm = try WorkerFixture()
        let launcher = try WorkerFixture.launcher()
        let guest = try await vm.start(launcher)
        try await vm.waitForConsole("ready> ")
        try await guest.reset()
        try await vm.waitForConsole("hvroot demo guest", count: 2)
        try await vm.wait("the event") { vm.events.contains("rebooted") }
        #expect(guest.statistics().reboots == 1)
        try await guest.stop()
        #expect(try await vm.waitForEnd() == .stopped)
    }

    @Test func tellsACrashAndAnExit() async throws {
        let launcher = try WorkerFixture.launcher()
        let crashing = try WorkerFixture()
        let first = try await crashing.start(launcher)
        try await crashing.waitForConsole("ready> ")
        try await type("crash\n", to: first)
        guard case .failed(let failure) = try await crashing.waitForEnd() else {
            Issue.record("\(crashing.ends)")
            return
        }
        #expect(failure.code == "triple-fault")

        let exiting = try WorkerFixture()
        let second = try await exiting.start(launcher)
        try await exiting.waitForConsole("ready> ")
        try await type("exit 42\n", to: second)
        #expect(try await exiting.waitForEnd() == .debugExit(code: 42))
    }

    @Test func tellsTheSignalOfAKilledWorker() async throws {
        let vm = try WorkerFixture()
        let launcher = try WorkerFixture.launcher()
        let guest = try await vm.start(launcher)
        try await vm.waitForConsole("ready> ")
        let process = try #require(guest.processID)
        #expect(kill(process, SIGKILL) == 0)
        guard case .failed(let failure) = try await vm.waitForEnd() else {
            Issue.record("\(vm.ends)")
            return
        }
        #expect(failure.code == "worker-killed")
        #expect(failure.signal == SIGKILL)
        #expect(failure.lastLogLines.contains { $0.contains("the worker starts") })
        #expect(vm.console.contains("ready> "), "the console outlives the worker")

        // The VM can be started again at once, and its console goes on.
        let again = try await vm.start(launcher)
        try await vm.waitForConsole("hvroot demo guest", count: 2)
        try await again.stop()
        try await vm.wait("the second end") { vm.ends.count == 2 }
        #expect(vm.ends.last == .stopped)
    }

    @Test func writesAFatalSignalToItsLog() async throws {
        let vm = try WorkerFixture()
        let launcher = try WorkerFixture.launcher()
        let guest = try await vm.start(launcher)
        #expect(kill(try #require(guest.processID), SIGSEGV) == 0)
        guard case .failed(let failure) = try await vm.waitForEnd() else {
            Issue.record("\(vm.ends)")
            return
        }
        #expect(failure.signal == SIGSEGV)
        #expect(failure.lastLogLines.last == "fatal signal 11")
    }

    @Test func saysWhyAStartFailed() async throws {
        let vm = try WorkerFixture(kernel: "/nonexistent/kernel")
        let launcher = try WorkerFixture.launcher()
        let failure = await #expect(throws: GuestFailure.self) { _ = try await vm.start(launcher) }
        #expect(failure?.code == "start-failed")
        #expect(failure?.message.contains("kernel") == true)
        #expect(vm.events.isEmpty)

        let hypervisor = HypervisorDescription(kind: .kvm, detail: "for a test", isEmulated: false)
        let absent = try WorkerLauncher(workerPath: "/nonexistent/worker", hypervisor: hypervisor)
        let other = await #expect(throws: GuestFailure.self) { _ = try await vm.start(absent) }
        #expect(other?.message.contains("/nonexistent/worker") == true)
        let wrong = try WorkerLauncher(workerPath: "/bin/false", hypervisor: hypervisor)
        let third = await #expect(throws: GuestFailure.self) { _ = try await vm.start(wrong) }
        #expect(third?.code == "worker-exited")
        #expect(third?.exitStatus == 1)
    }

    @Test func isFoundAgainByAnotherServer() async throws {
        let vm = try WorkerFixture(deepRunDirectory: true)
        let first = try WorkerFixture.launcher()
        let before = try await vm.start(first)
        try await vm.waitForConsole("ready> ")
        try await before.pause()
        first.close()

        let second = try WorkerFixture.launcher()
        let failure = await #expect(throws: GuestFailure.self) { _ = try await vm.start(second) }
        #expect(failure?.message.contains("still holds") == true)
        guard case .running(let guest, let isPaused) = await vm.adopt(second) else {
            Issue.record("not adopted")
            return
        }
        #expect(isPaused)
        #expect(guest.processID == before.processID)
        await #expect(throws: GuestError.self) { try await before.resume() }
        try await guest.resume()
        try await type("echo again\n", to: guest)
        try await vm.waitForConsole("again")
        #expect(guest.statistics().consoleBytes > 0)
        try await type("poweroff\n", to: guest)
        #expect(try await vm.waitForEnd() == .poweredOff)

        // The next server finds the end where the guest was.
        let third = try WorkerFixture.launcher()
        guard case .ended(.poweredOff) = await vm.adopt(third) else {
            Issue.record("the end is lost")
            return
        }
        var other = vm.launch
        other.runID = "run-2"
        guard case .ended(.failed(let lost)) = await vm.adopt(third, launch: other) else {
            Issue.record("an other run's end was taken for this one's")
            return
        }
        #expect(lost.code == "worker-lost")
    }

    @Test("The end of a worker that is no child of this server is told as far as the kernel tells it")
    func seesTheEndOfAnOrphan() async throws {
        let vm = try WorkerFixture()
        // Its parent ends at once, as a server that is killed does.
        let script = "\(vm.directory.path)/parent"
        try WholeFile.replace(
            directory: vm.directory.path, name: "parent",
            with: Array("#!/bin/sh\n\(WorkerFixture.workerPath) \"$@\" &\n".utf8), mode: 0o700, durable: false)
        let first = try WorkerFixture.launcher(script)
        _ = try await vm.start(first)
        first.close()
        let second = try WorkerFixture.launcher()
        guard case .running(let guest, _) = await vm.adopt(second) else {
            Issue.record("not adopted")
            return
        }
        try await vm.waitForConsole("ready> ")
        let endsBefore = vm.ends.count
        #expect(kill(try #require(guest.processID), SIGKILL) == 0)
        try await vm.wait("the end") { vm.ends.count > endsBefore }
        guard case .failed(let failure) = vm.ends.last else {
            Issue.record("\(vm.ends)")
            return
        }
        // An ordinary user's old kernel may not tell.
        #expect(failure.signal == SIGKILL || failure.code == "worker-lost")
        if geteuid() == 0 { #expect(failure.code == "worker-killed") }
    }

    @Test func isNotTakenForAnotherRun() async throws {
        let vm = try WorkerFixture()
        let launcher = try WorkerFixture.launcher()
        let guest = try await vm.start(launcher)
        var other = vm.launch
        other.runID = "run-2"
        guard case .ended(.failed(let failure)) = await vm.adopt(try WorkerFixture.launcher(), launch: other) else {
            Issue.record("adopted")
            return
        }
        #expect(failure.code == "worker-lost")
        try await guest.stop()
        #expect(try await vm.waitForEnd() == .stopped)
    }

    @Test("A worker that hangs delays nobody, and can be stopped")
    func timesOutWhenItHangs() async throws {
        let vm = try WorkerFixture()
        let launcher = try WorkerFixture.launcher {
            $0.request = 200
            $0.hello = 300
            $0.stop = 300
        }
        let guest = try await vm.start(launcher)
        try await vm.waitForConsole("ready> ")
        let process = try #require(guest.processID)
        #expect(kill(process, SIGSTOP) == 0)
        await #expect(throws: GuestError.self) { try await guest.pause() }
        _ = guest.statistics()

        // A new server adopts it all the same: it holds the VM.
        let second = try WorkerFixture.launcher {
            $0.hello = 300
            $0.stop = 300
        }
        launcher.close()
        guard case .running(let adopted, _) = await vm.adopt(second) else {
            Issue.record("not adopted")
            return
        }
        await #expect(throws: GuestError.self) { try await adopted.pause() }
        #expect(kill(process, SIGCONT) == 0)
        // The two have to find to each other first.
        var answers = false
        for _ in 0..<500 where !answers {
            answers = (try? await adopted.resume()) != nil
            if !answers { try await Task.sleep(nanoseconds: 20_000_000) }
        }
        #expect(answers)

        #expect(kill(process, SIGSTOP) == 0)
        try await adopted.stop()
        #expect(try await vm.waitForEnd() == .stopped)
    }
}
