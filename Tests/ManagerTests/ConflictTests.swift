import ManagementService
import PartitionManager
import Synchronization
import Testing

@Suite struct ConflictTests {
    @Test func aSecondOperationIsRefusedWithTheFirstOnesId() async throws {
        let bench = Bench()
        bench.world.behaviour.withLock { $0.hanging = ["pause"] }
        let service = try await bench.serve()
        try await service.make("a")
        let first = try await service.begin(.pause, vm: "a", timeout: nil)
        #expect(first.status == .running)
        #expect(try service.vm("a").operationID == first.id)
        for verb in [OperationResource.Verb.pause, .reset, .shutdown, .start] {
            let refused = await refusal { _ = try await service.begin(verb, vm: "a", timeout: nil) }
            #expect(refused?.kind == .operationConflict && refused?.detail.contains(first.id) == true)
        }
        bench.world.behaviour.withLock { $0.hanging = [] }
        #expect(try await service.waitForOperation(first.id, timeout: 10).status == .succeeded)
        await service.shutdown()
    }

    @Test func stopTakesOverFromAShutdown() async throws {
        let bench = Bench()
        bench.world.behaviour.withLock { $0.answersPowerButton = false }
        let service = try await bench.serve()
        try await service.make("a")
        let shutdown = try await service.begin(.shutdown, vm: "a", timeout: 60)
        let stop = try await service.run(.stop, "a")
        #expect(stop.status == .succeeded)
        let ended = try service.operation(shutdown.id)
        #expect(ended.status == .failed && ended.error?.detail.contains(stop.id) == true)
        #expect(try service.vm("a").state == .stopped)
        await service.shutdown()
    }

    @Test func stopTakesOverFromAStart() async throws {
        let bench = Bench()
        bench.world.behaviour.withLock { $0.holdsLaunches = true }
        let service = try await bench.serve()
        try await service.make("a", in: .defined)
        let start = try await service.begin(.start, vm: "a", timeout: nil)
        #expect(try service.vm("a").state == .starting)
        #expect(await eventually { bench.world.launchCount == 1 })
        let stop = try await service.begin(.stop, vm: "a", timeout: nil)
        bench.world.behaviour.withLock { $0.holdsLaunches = false }
        #expect(try await service.waitForOperation(stop.id, timeout: 10).status == .succeeded)
        #expect(try service.operation(start.id).status == .failed)
        #expect(try service.vm("a").state == .stopped && bench.world.living.isEmpty)
        await service.shutdown()
    }

    @Test func deleting() async throws {
        let bench = Bench()
        let service = try await bench.serve()
        try await service.make("a")
        let refused = await refusal { _ = try await service.deleteVM("a", force: false, ifRevision: nil) }
        #expect(refused?.kind == .wrongState && refused?.detail.contains("force=true") == true)
        let stale = await refusal { _ = try await service.deleteVM("a", force: true, ifRevision: 1) }
        #expect(stale?.kind == .preconditionFailed)
        let operation = try #require(try await service.deleteVM("a", force: true, ifRevision: nil))
        #expect(try await service.waitForOperation(operation.id, timeout: 10).status == .succeeded)
        #expect(await refusal { _ = try service.vm("a") }?.kind == .notFound)
        #expect(bench.world.living.isEmpty)
        // The id is free once the old one's files are gone, and the new VM has none of its past.
        var created: VMResource?
        for _ in 0..<200 where created == nil {
            created = try? await service.createVM(specification("a"), validateOnly: false)
            if created == nil { try await Task.sleep(nanoseconds: 5_000_000) }
        }
        #expect(created?.state == .defined)
        await service.shutdown()
    }

    @Test func waitingEndsWithTheTimeout() async throws {
        let bench = Bench()
        bench.world.behaviour.withLock { $0.hanging = ["pause"] }
        let service = try await bench.serve()
        try await service.make("a")
        let operation = try await service.begin(.pause, vm: "a", timeout: nil)
        #expect(try await service.waitForOperation(operation.id, timeout: 0.02).status == .running)
        #expect(try await service.waitForOperation(operation.id, timeout: 0).status == .running)
        let waiting = Task { try await service.waitForOperation(operation.id, timeout: 60) }
        waiting.cancel()
        #expect(try await waiting.value.status == .running)
        bench.world.behaviour.withLock { $0.hanging = [] }
        #expect(try await service.waitForOperation(operation.id, timeout: 10).status == .succeeded)
        await service.shutdown()
    }
}
