import Hypervisor
import JSON
import LinuxSystem
import ManagementService
import PartitionManager
import Synchronization
import Testing

/// The server is killed (`abandon`: nothing that was not durable is written any more) and a new one takes over.
@Suite struct RestartTests {
    @Test func guestsGoOn() async throws {
        let bench = Bench()
        let first = try await bench.serve()
        try await first.make("runs")
        try await first.make("sleeps", in: .paused)
        try await first.make("rests", in: .stopped)
        try await first.make("waits", in: .defined)
        let before = try first.vm("runs")
        await first.abandon()

        // One guest ends while there is no server.
        let second = try bench.open()
        #expect(!second.isReady)
        #expect(try second.vm("runs").state == .running)
        let early = await refusal { _ = try await second.begin(.stop, vm: "runs", timeout: nil) }
        #expect(early?.kind == .unavailable)
        await second.start()
        #expect(second.isReady)
        let after = try second.vm("runs")
        #expect(after.partitionID == before.partitionID && after.startedAt == before.startedAt)
        #expect(after.stateReason == before.stateReason && after.processID == 4711)
        #expect(try second.vm("sleeps").state == .paused)
        #expect(try second.vm("rests").state == .stopped)
        #expect(try second.vm("waits").state == .defined)
        #expect(bench.world.launchCount == 3)
        // The new server hears the guest and commands it.
        #expect(try await second.run(.resume, "sleeps").status == .succeeded)
        bench.world.guest(partition: before.partitionID)?.end(.poweredOff)
        try await second.settle("runs", .stopped)
        // Partition ids are never used twice.
        try await second.run(.start, "waits")
        #expect(try second.vm("waits").partitionID == 5)
        await second.shutdown()
    }

    @Test func aGuestThatEndedMeanwhile() async throws {
        let bench = Bench()
        let first = try await bench.serve()
        try await first.make("a")
        try await first.make("b")
        let guests = try ["a", "b"].map { try #require(bench.world.guest(partition: try first.vm($0).partitionID)) }
        await first.abandon()
        guests[0].end(.poweredOff)
        guests[1].end(.failed(GuestFailure(code: "worker-killed", message: "Killed.", signal: 9)))
        let second = try await bench.serve()
        #expect(try second.vm("a").stateReason.code == "guest-poweroff")
        #expect(try second.vm("b").state == .failed)
        #expect(try second.vm("b").stateReason.signal == 9)
        await second.shutdown()
    }

    @Test func aStartThatWasNotLaunched() async throws {
        let bench = Bench()
        let first = try await bench.serve()
        try await first.make("a", in: .defined)
        bench.world.behaviour.withLock { $0.holdsLaunches = true }
        let operation = try await first.begin(.start, vm: "a", timeout: nil)
        #expect(await eventually { bench.world.launchCount == 1 })
        await first.abandon()
        bench.world.behaviour.withLock {
            $0.holdsLaunches = false
            $0.launchFailure = GuestFailure(code: "start-failed", message: "The old server's launch never was.")
        }
        try await Task.sleep(nanoseconds: 30_000_000)
        bench.world.behaviour.withLock { $0.launchFailure = nil }
        let second = try await bench.serve()
        #expect(try await second.waitForOperation(operation.id, timeout: 10).status == .succeeded)
        #expect(try second.vm("a").state == .running)
        #expect(bench.world.living.count == 1)
        await second.shutdown()
    }

    @Test func aStartWhoseGuestRunsAlready() async throws {
        let bench = Bench()
        let first = try await bench.serve()
        try await first.make("a", in: .defined)
        bench.world.behaviour.withLock { $0.holdsLaunches = true }
        let operation = try await first.begin(.start, vm: "a", timeout: nil)
        #expect(await eventually { bench.world.launchCount == 1 })
        await first.abandon()
        // The launch comes to its end although its server no longer can note that.
        bench.world.behaviour.withLock { $0.holdsLaunches = false }
        #expect(await eventually { bench.world.living.count == 1 })
        let second = try bench.open()
        #expect(try second.vm("a").state == .starting)
        await second.start()
        #expect(try await second.waitForOperation(operation.id, timeout: 10).status == .succeeded)
        #expect(bench.world.launchCount == 1 && bench.world.living.count == 1)
        #expect(try second.vm("a").state == .running)
        await second.shutdown()
    }

    @Test(arguments: [OperationResource.Verb.stop, .pause, .reset, .delete])
    func anOperationThatWasUnderWay(verb: OperationResource.Verb) async throws {
        let bench = Bench()
        let first = try await bench.serve()
        try await first.make("a")
        bench.world.behaviour.withLock { $0.hanging = ["stop", "pause", "reset"] }
        let begun =
            verb == .delete
            ? try await first.deleteVM("a", force: true, ifRevision: nil)
            : try await first.begin(verb, vm: "a", timeout: nil)
        let operation = try #require(begun)
        #expect(await eventually { bench.world.living.first?.commands.isEmpty == false })
        await first.abandon()
        let second = try await bench.serve()
        #expect(try second.operation(operation.id).status == .running)
        #expect(try second.vm("a").operationID == operation.id)
        bench.world.behaviour.withLock { $0.hanging = [] }
        #expect(try await second.waitForOperation(operation.id, timeout: 10).status == .succeeded)
        switch verb {
        case .stop: #expect(try second.vm("a").state == .stopped)
        case .pause: #expect(try second.vm("a").state == .paused)
        case .delete: #expect(await refusal { _ = try second.vm("a") }?.kind == .notFound)
        default: #expect(try second.vm("a").state == .running)
        }
        await second.shutdown()
    }

    @Test func aShutdownGoesOnWithTheRestOfItsTime() async throws {
        let bench = Bench()
        bench.world.behaviour.withLock { $0.answersPowerButton = false }
        let first = try await bench.serve()
        try await first.make("a")
        try await first.make("b")
        let short = try await first.begin(.shutdown, vm: "a", timeout: 0.2)
        let long = try await first.begin(.shutdown, vm: "b", timeout: 60)
        await first.abandon()
        let second = try await bench.serve()
        #expect(try await second.waitForOperation(short.id, timeout: 10).error?.kind == .deadlineExceeded)
        #expect(try second.operation(long.id).status == .running)
        bench.world.guest(partition: try second.vm("b").partitionID)?.end(.poweredOff)
        #expect(try await second.waitForOperation(long.id, timeout: 10).status == .succeeded)
        await second.shutdown()
    }

    @Test func eventsAndOperationsGoOn() async throws {
        let bench = Bench()
        let first = try await bench.serve()
        try await first.make("a")
        let last = first.lastEventSequence
        let all = first.events(after: 0, limit: 1000)
        #expect(all.map(\.sequence) == Array(1...last))
        let operations = first.listOperations(vm: nil, after: nil, limit: 10).operations
        await first.abandon()
        let second = try await bench.serve()
        #expect(second.events(after: 0, limit: 1000) == all && second.lastEventSequence == last)
        #expect(second.listOperations(vm: "a", after: nil, limit: 10).operations == operations)
        let seen = Mutex(0)
        let observation = second.observeEvents { seen.withLock { $0 += 1 } }
        try await second.run(.stop, "a")
        let news = second.events(after: last, limit: 1000)
        #expect(news.map(\.sequence) == Array((last + 1)...second.lastEventSequence))
        let notes = seen.withLock { $0 }
        #expect(news.map(\.type).contains("vm.state-changed") && notes > 0)
        let change = try #require(news.first { $0.details["state"] == "stopped" })
        #expect(change.details["previousState"] == "stopping" && change.details["reason"] == "requested")
        observation.cancel()
        // Events are kept when the VM is gone; its sequence is not used again.
        _ = try await second.deleteVM("a", force: false, ifRevision: nil)
        #expect(second.events(after: 0, limit: 1000).last?.type == "vm.deleted")
        await second.shutdown()
    }

    @Test func aDeletionWhoseFilesWereLeft() async throws {
        let bench = Bench()
        let first = try await bench.serve()
        try await first.make("a", in: .defined)
        let directory = first.manager.directory(of: "a")
        try await first.manager.store.write { transaction throws(StoreError) in try transaction.deleteVM("a") }
        await first.abandon()
        #expect((try? DirectoryNames.list(directory)) != nil)
        let second = try await bench.serve()
        #expect((try? DirectoryNames.list(directory)) == nil)
        await second.shutdown()
    }
}
