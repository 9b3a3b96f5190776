import Hypervisor
import ManagementService
import PartitionManager
import Synchronization
import Testing

@Suite struct LifecycleTests {
    /// What each verb answers in each state that a VM can rest in.
    @Test(arguments: [
        (VMState.defined, ["start": "proceed", "stop": "holds", "shutdown": "holds"]),
        (
            .running,
            [
                "start": "holds", "stop": "proceed", "shutdown": "proceed", "pause": "proceed", "resume": "holds",
                "reset": "proceed", "attachDisk": "proceed", "detachDisk": "proceed",
                "attachNetworkInterface": "proceed", "detachNetworkInterface": "proceed",
            ]
        ),
        (
            .paused,
            [
                "stop": "proceed", "pause": "holds", "resume": "proceed", "attachDisk": "proceed",
                "detachDisk": "proceed", "attachNetworkInterface": "proceed", "detachNetworkInterface": "proceed",
            ]
        ),
        (.stopped, ["start": "proceed", "stop": "holds", "shutdown": "holds"]),
        (.failed, ["start": "proceed", "stop": "holds", "shutdown": "holds"]),
    ])
    func table(state: VMState, expected: [String: String]) throws {
        for verb in OperationResource.Verb.allCases where verb != .delete && !verb.isAboutStorage {
            switch LifecycleRules.decide(verb, in: state) {
            case .proceed: #expect(expected[verb.rawValue] == "proceed", "\(verb) in \(state)")
            case .holds: #expect(expected[verb.rawValue] == "holds", "\(verb) in \(state)")
            case .refused(let why):
                #expect(expected[verb.rawValue] == nil, "\(verb) in \(state)")
                #expect(why.contains("is \(state.rawValue)") && why.contains("possible in these states"))
            }
        }
    }

    @Test func aLife() async throws {
        let bench = Bench()
        let service = try await bench.serve()
        let created = try await service.createVM(specification("web-1"), validateOnly: false)
        #expect(created.state == .defined && created.stateReason.code == "created" && created.partitionID == nil)

        #expect(try await service.run(.start, "web-1").status == .succeeded)
        let running = try service.vm("web-1")
        #expect(running.state == .running && running.partitionID == 2 && running.processID == 4711)
        #expect(running.startedAt != nil && running.operationID == nil && running.revision > created.revision)

        #expect(try await service.run(.pause, "web-1").status == .succeeded)
        #expect(try service.vm("web-1").state == .paused)
        #expect(try await service.run(.resume, "web-1").status == .succeeded)
        #expect(try await service.run(.reset, "web-1").status == .succeeded)
        let guest = try #require(bench.world.guest(partition: 2))
        #expect(guest.commands == ["pause", "resume", "reset"])
        #expect(await eventually { service.events(after: 0, limit: 100).contains { $0.type == "vm.rebooted" } })

        #expect(try await service.run(.shutdown, "web-1").status == .succeeded)
        let off = try service.vm("web-1")
        #expect(off.state == .stopped && off.stateReason.code == "guest-poweroff" && off.partitionID == nil)
        #expect(off.processID == nil && off.startedAt == nil)

        #expect(try await service.run(.start, "web-1").status == .succeeded)
        #expect(try service.vm("web-1").partitionID == 3)
        #expect(try await service.run(.stop, "web-1").status == .succeeded)
        #expect(try service.vm("web-1").stateReason.code == "requested")
        #expect(try await service.deleteVM("web-1", force: false, ifRevision: nil) == nil)
        #expect(await refusal { _ = try service.vm("web-1") }?.kind == .notFound)
        await service.shutdown()
    }

    @Test func aVerbWhoseResultHoldsSucceedsAtOnce() async throws {
        let bench = Bench()
        let service = try await bench.serve()
        try await service.make("a")
        let operation = try await service.begin(.start, vm: "a", timeout: nil)
        #expect(operation.status == .succeeded && operation.endedAt != nil)
        #expect(bench.world.launchCount == 1)
        let refused = await refusal { _ = try await service.begin(.reset, vm: "gone", timeout: nil) }
        #expect(refused?.kind == .notFound)
        await service.shutdown()
    }

    @Test func guestsEndInTheirOwnWays() async throws {
        let bench = Bench()
        let service = try await bench.serve()
        var failure = GuestFailure(code: "worker-killed", message: "Killed by signal 9.", signal: 9)
        failure.lastLogLines = ["one", "two"]
        let ends: [(GuestEnd, VMState, String)] = [
            (.poweredOff, .stopped, "guest-poweroff"), (.debugExit(code: 7), .stopped, "guest-debug-exit"),
            (.failed(failure), .failed, "worker-killed"),
        ]
        try await service.make("a", in: .defined)
        for (end, state, code) in ends {
            try await service.run(.start, "a")
            let guest = try #require(bench.world.guest(partition: try service.vm("a").partitionID))
            guest.end(end)
            try await service.settle("a", state)
            #expect(try service.vm("a").stateReason.code == code)
            // News of a run that is over.
            try await service.run(.start, "a")
            guest.emit(.ended(.poweredOff))
            try await Task.sleep(nanoseconds: 20_000_000)
            #expect(try service.vm("a").state == .running)
            try await service.run(.stop, "a")
        }
        await service.shutdown()
    }

    @Test func failureAndLogLinesAreKept() async throws {
        let bench = Bench()
        let service = try await bench.serve()
        try await service.make("a")
        var failure = GuestFailure(code: "worker-exited", message: "Exit status 3.", exitStatus: 3)
        failure.lastLogLines = ["last words"]
        bench.world.guest(partition: 2)?.end(.failed(failure))
        try await service.settle("a", .failed)
        await service.abandon()
        let next = try await bench.serve()
        let reason = try next.vm("a").stateReason
        #expect(reason.exitStatus == 3 && reason.lastLogLines == ["last words"] && reason.code == "worker-exited")
        await next.shutdown()
    }

    @Test func aGuestThatEndsWhileItIsLaunched() async throws {
        let bench = Bench()
        bench.world.behaviour.withLock { $0.endsWhileLaunching = .debugExit(code: 0) }
        let service = try await bench.serve()
        try await service.make("a", in: .defined)
        #expect(try await service.run(.start, "a").status == .succeeded)
        try await service.settle("a", .stopped)
        #expect(try service.vm("a").stateReason.code == "guest-debug-exit")
        await service.shutdown()
    }

    @Test func aLaunchThatFails() async throws {
        let bench = Bench()
        bench.world.behaviour.withLock {
            $0.launchFailure = GuestFailure(code: "start-failed", message: "No room.")
        }
        let service = try await bench.serve()
        try await service.make("a", in: .defined)
        let operation = try await service.run(.start, "a")
        #expect(operation.status == .failed && operation.error?.kind == .guestFailed)
        #expect(try service.vm("a").state == .failed && service.vm("a").stateReason.code == "start-failed")
        bench.world.behaviour.withLock { $0.launchFailure = nil }
        #expect(try await service.run(.start, "a").status == .succeeded)
        await service.shutdown()
    }

    @Test func aShutdownThatTheGuestIgnores() async throws {
        let bench = Bench()
        bench.world.behaviour.withLock { $0.answersPowerButton = false }
        let service = try await bench.serve()
        try await service.make("a")
        let operation = try await service.run(.shutdown, "a", timeout: 0.05)
        #expect(operation.error?.kind == .deadlineExceeded && operation.error?.detail.contains(":stop") == true)
        #expect(try service.vm("a").state == .running)
        await service.shutdown()
    }

    @Test func aStopThatTheGuestIgnores() async throws {
        let bench = Bench()
        bench.world.behaviour.withLock { $0.answersStop = false }
        let service = try await bench.serve()
        try await service.make("a", in: .paused)
        #expect(try await service.run(.stop, "a").error?.kind == .deadlineExceeded)
        #expect(try service.vm("a").state == .paused)
        await service.shutdown()
    }

    @Test func aCommandThatFails() async throws {
        let bench = Bench()
        bench.world.behaviour.withLock { $0.failing = ["pause"] }
        let service = try await bench.serve()
        try await service.make("a")
        let operation = try await service.run(.pause, "a")
        #expect(operation.status == .failed && operation.error?.kind == .guestFailed)
        #expect(try service.vm("a").state == .running)
        await service.shutdown()
    }
}
