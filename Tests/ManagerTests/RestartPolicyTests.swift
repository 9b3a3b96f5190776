import JSON
import ManagementService
import PartitionManager
import Testing

@Suite struct RestartPolicyTests {
    private func policy(_ mode: RestartPolicy.Mode, initial: Double = 1, maximum: Double = 300) -> RestartPolicy {
        var policy = RestartPolicy()
        policy.mode = mode
        policy.initialDelay = initial
        policy.maximumDelay = maximum
        return policy
    }

    @Test func delaysDoubleUpToTheirMaximum() {
        let policy = policy(.onFailure, initial: 1, maximum: 6)
        var state = RestartState()
        var delays: [UInt64] = []
        for _ in 0..<5 {
            state = policy.state(after: true, ran: 1_000_000_000, before: state, now: 100)
            delays.append(((state.next ?? 0) - 100) / 1_000_000_000)
        }
        #expect(delays == [1, 2, 4, 6, 6])
        #expect(state.count == 5)
        // A guest that ran for long has earned a new beginning.
        state = policy.state(after: true, ran: 6_000_000_000, before: state, now: 100)
        #expect(state == RestartState(count: 1, next: 1_000_000_100))
        // However often: no overflow.
        let often = policy.state(after: true, ran: 1, before: RestartState(count: .max / 2), now: 0)
        #expect(often.next == 6_000_000_000)
    }

    @Test func whatIsRestarted() {
        let first = RestartState()
        #expect(policy(.never).state(after: true, ran: 1, before: first, now: 0).next == nil)
        #expect(policy(.onFailure).state(after: false, ran: 1, before: first, now: 0).next == nil)
        #expect(policy(.onFailure).state(after: true, ran: 1, before: first, now: 0).next != nil)
        #expect(policy(.always).state(after: false, ran: 1, before: first, now: 0).next != nil)
        // A client's start that failed is not repeated; a restart that failed is.
        #expect(policy(.always).state(after: true, ran: nil, before: first, now: 0).next == nil)
        #expect(policy(.always).state(after: true, ran: nil, before: RestartState(count: 1), now: 0).next != nil)
    }

    /// A running VM of that policy, with delays of `initial` seconds.
    private func running(
        _ service: ManagementService, _ mode: RestartPolicy.Mode, initial: Double = 0.1
    ) async throws {
        var wanted = specification("a")
        wanted.restart = policy(mode, initial: initial)
        _ = try await service.createVM(wanted, validateOnly: false)
        try await service.run(.start, "a")
    }

    private func crash(_ bench: Bench, _ service: ManagementService) throws {
        let guest = try #require(bench.world.guest(partition: try service.vm("a").partitionID))
        guest.end(.failed(GuestFailure(code: "triple-fault", message: "It crashed.")))
    }

    @Test func aCrashedGuestComesBack() async throws {
        let bench = Bench()
        let service = try await bench.serve()
        try await running(service, .onFailure)
        try crash(bench, service)
        #expect(await eventually { (try? service.vm("a").stateReason.code) == "restarted" })
        let vm = try service.vm("a")
        #expect(vm.state == .running && vm.restarts == RestartState(count: 1) && vm.partitionID == 3)
        let events = service.events(after: 0, limit: 100).filter { $0.type == "vm.restart-scheduled" }
        #expect(events.count == 1 && events.first?.details["restartAt"]?.string?.hasSuffix("Z") == true)
        // A client's start begins the count anew.
        try await service.run(.stop, "a")
        #expect(try service.vm("a").restarts == RestartState())
        try await service.run(.start, "a")
        try bench.world.guest(partition: #require(try service.vm("a").partitionID))?.end(.poweredOff)
        try await service.settle("a", .stopped)
        #expect(try service.vm("a").restarts == RestartState())
        await service.shutdown()
    }

    @Test func aRestartIsCalledOff() async throws {
        let bench = Bench()
        let service = try await bench.serve()
        try await running(service, .always, initial: 60)
        try bench.world.guest(partition: #require(try service.vm("a").partitionID))?.end(.poweredOff)
        try await service.settle("a", .stopped)
        #expect(try service.vm("a").restarts.next != nil)
        // A stop of what is off: nothing to do but to call the restart off.
        #expect(try await service.run(.stop, "a").status == .succeeded)
        #expect(try service.vm("a").restarts == RestartState())

        try await service.run(.start, "a")
        try crash(bench, service)
        try await service.settle("a", .failed)
        #expect(try service.vm("a").restarts.next != nil)
        var patch = VMPatch()
        patch.restart = RestartPatch(RestartPolicy())
        _ = try await service.updateVM("a", patch, ifRevision: nil)
        #expect(try service.vm("a").restarts == RestartState())
        await service.shutdown()
    }

    @Test func aRestartOutlivesTheServer() async throws {
        let bench = Bench()
        let first = try await bench.serve()
        try await running(first, .onFailure, initial: 0.3)
        try crash(bench, first)
        try await first.settle("a", .failed)
        let planned = try first.vm("a").restarts
        #expect(planned.next != nil)
        await first.abandon()
        let second = try await bench.serve()
        #expect(await eventually { (try? second.vm("a").state) == .running })
        #expect(try second.vm("a").restarts == RestartState(count: 1))
        await second.shutdown()
    }
}
