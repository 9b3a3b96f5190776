import BlockStorage
import DeviceSources
import ManagementService
import PartitionManager
import Synchronization
import Testing

/// Disks that are attached and detached, with guests that eject them, do not, or do it by themselves.
@Suite struct DiskChangeTests {
    private static let data = DiskSource(id: "data", path: "/images/data.img")

    private func guest(_ bench: Bench, _ service: ManagementService) throws -> FakeGuest {
        try #require(bench.world.guest(partition: try service.vm("a").partitionID))
    }

    private func disks(_ service: ManagementService) throws -> [String] {
        try service.vm("a").specification.disks.map(\.id)
    }

    /// Waits for the operation's end.
    private func end(_ operation: OperationResource, _ service: ManagementService) async throws -> OperationResource {
        try await service.waitForOperation(operation.id, timeout: 10)
    }

    @Test func aGuestThatEjects() async throws {
        let bench = Bench()
        let service = try await bench.serve()
        try await service.make("a")
        for _ in 0..<3 {
            let attach = try await service.attach(.disk(Self.data), to: "a")
            #expect(attach.verb == .attachDisk && attach.device == .disk("data"))
            #expect(try await end(attach, service).status == .succeeded)
            #expect(try disks(service) == ["data"])
            #expect(try guest(bench, service).devices == [.disk(Self.data)])
            let detach = try await service.detach(.disk("data"), of: "a", force: false, timeout: nil)
            #expect(try await end(detach, service).status == .succeeded)
            #expect(try disks(service).isEmpty)
        }
        #expect(service.events(after: 0, limit: 1000).filter { $0.type == "vm.disk-ejected" }.count == 3)
        await service.shutdown()
    }

    @Test func aGuestThatDoesNotAnswerKeepsItsDisk() async throws {
        let bench = Bench()
        bench.world.behaviour.withLock { $0.ejectsDevices = false }
        let service = try await bench.serve()
        try await service.make("a")
        _ = try await end(try await service.attach(.disk(Self.data), to: "a"), service)
        let detach = try await service.detach(.disk("data"), of: "a", force: false, timeout: 0.2)
        #expect(detach.status == .running)
        // Twice at once, and an id that is still going.
        let twice = await refusal { _ = try await service.detach(.disk("data"), of: "a", force: false, timeout: nil) }
        #expect(twice?.kind == .operationConflict && twice?.detail.contains("disk 'data'") == true)
        let again = await refusal { _ = try await service.attach(.disk(Self.data), to: "a") }
        #expect(again?.kind == .operationConflict || again?.kind == .alreadyExists)
        let ended = try await end(detach, service)
        #expect(ended.status == .failed && ended.error?.kind == .deadlineExceeded)
        #expect(ended.error?.detail.contains("stays attached") == true)
        #expect(try disks(service) == ["data"] && service.vm("a").state == .running)
        #expect(try guest(bench, service).commands.suffix(2) == ["detach", "keep"])
        // It ejects after all, when nobody asks any more.
        try guest(bench, service).eject(.disk("data"))
        #expect(await eventually { (try? disks(service).isEmpty) == true })
        await service.shutdown()
    }

    @Test func forceEndsADetachThatWaits() async throws {
        let bench = Bench()
        bench.world.behaviour.withLock { $0.ejectsDevices = false }
        let service = try await bench.serve()
        try await service.make("a")
        _ = try await end(try await service.attach(.disk(Self.data), to: "a"), service)
        let detach = try await service.detach(.disk("data"), of: "a", force: false, timeout: 60)
        let forced = try await service.detach(.disk("data"), of: "a", force: true, timeout: nil)
        #expect(try await end(detach, service).error?.kind == .wrongState)
        #expect(try await end(forced, service).status == .succeeded)
        #expect(try disks(service).isEmpty)
        let gone = await refusal { _ = try await service.detach(.disk("data"), of: "a", force: true, timeout: nil) }
        #expect(gone?.kind == .notFound)
        await service.shutdown()
    }

    @Test func aVMThatIsOffOnlyChangesItsDefinition() async throws {
        let bench = Bench()
        let service = try await bench.serve()
        try await service.make("a", in: .stopped)
        #expect(try await service.attach(.disk(Self.data), to: "a").status == .succeeded)
        let twice = await refusal { _ = try await service.attach(.disk(Self.data), to: "a") }
        #expect(twice?.kind == .alreadyExists && twice?.field == "/id")
        var other = Self.data
        other.id = "other"
        let shared = await refusal { _ = try await service.attach(.disk(other), to: "a") }
        #expect(shared?.kind == .wrongState && shared?.field == "/path")
        #expect(try await service.detach(.disk("data"), of: "a", force: false, timeout: nil).status == .succeeded)
        #expect(try disks(service).isEmpty)
        await service.shutdown()
    }

    @Test func whatTheWorkerRefusesIsTheVMsNoMore() async throws {
        let bench = Bench()
        bench.world.behaviour.withLock { $0.failing = ["attach"] }
        let service = try await bench.serve()
        try await service.make("a")
        let ended = try await end(try await service.attach(.disk(Self.data), to: "a"), service)
        #expect(ended.status == .failed && ended.error?.kind == .guestFailed)
        #expect(try disks(service).isEmpty)
        // A worker that took it too late must not keep it.
        #expect(try guest(bench, service).commands.contains("unplug"))
        await service.shutdown()
    }

    @Test func aPausedGuestCanNotEject() async throws {
        let bench = Bench()
        let service = try await bench.serve()
        try await service.make("a", in: .paused)
        _ = try await end(try await service.attach(.disk(Self.data), to: "a"), service)
        let refused = await refusal { _ = try await service.detach(.disk("data"), of: "a", force: false, timeout: nil) }
        #expect(refused?.kind == .wrongState && refused?.detail.contains("resume") == true)
        let forced = try await service.detach(.disk("data"), of: "a", force: true, timeout: nil)
        #expect(try await end(forced, service).status == .succeeded)
        await service.shutdown()
    }

    @Test func theGuestsEndTakesTheDiskAlong() async throws {
        let bench = Bench()
        bench.world.behaviour.withLock { $0.ejectsDevices = false }
        let service = try await bench.serve()
        try await service.make("a")
        _ = try await end(try await service.attach(.disk(Self.data), to: "a"), service)
        let detach = try await service.detach(.disk("data"), of: "a", force: false, timeout: 60)
        try guest(bench, service).end(.poweredOff)
        #expect(try await end(detach, service).status == .succeeded)
        #expect(try disks(service).isEmpty && service.vm("a").state == .stopped)
        // Stop is stronger, and leaves the disk where it was.
        try await service.run(.start, "a")
        _ = try await end(try await service.attach(.disk(Self.data), to: "a"), service)
        let waiting = try await service.detach(.disk("data"), of: "a", force: false, timeout: 60)
        #expect(try await service.run(.stop, "a").status == .succeeded)
        #expect(try await end(waiting, service).error?.kind == .wrongState)
        #expect(try disks(service) == ["data"])
        await service.shutdown()
    }

    @Test func rateLimitsChange() async throws {
        let bench = Bench()
        let service = try await bench.serve()
        try await service.make("a")
        _ = try await end(try await service.attach(.disk(Self.data), to: "a"), service)
        let limit = DeviceLimit(bytesPerSecond: nil, operationsPerSecond: 10)
        #expect(try await service.limit(.disk("data"), of: "a", limit).limit == limit)
        #expect(try guest(bench, service).devices.first?.limit == limit)
        let low = await refusal {
            _ = try await service.limit(.disk("data"), of: "a", .init(bytesPerSecond: 1, operationsPerSecond: nil))
        }
        #expect(low?.kind == .invalidArgument && low?.field == "/rateLimit/bytesPerSecond")
        let none = await refusal { _ = try await service.limit(.disk("none"), of: "a", nil) }
        #expect(none?.kind == .notFound)
        await service.shutdown()
    }

    // MARK: Crashes of the server

    @Test func theNextServerGoesOnWithADetach() async throws {
        let bench = Bench()
        bench.world.behaviour.withLock { $0.ejectsDevices = false }
        let first = try await bench.serve()
        try await first.make("a")
        _ = try await end(try await first.attach(.disk(Self.data), to: "a"), first)
        let detach = try await first.detach(.disk("data"), of: "a", force: false, timeout: 60)
        let living = try guest(bench, first)
        await first.abandon()
        bench.world.behaviour.withLock { $0.ejectsDevices = true }
        let second = try await bench.serve()
        #expect(try await end(detach, second).status == .succeeded)
        #expect(living.commands.filter { $0 == "detach" }.count == 2)
        #expect(try disks(second).isEmpty)
        await second.shutdown()
    }

    @Test func whatTheGuestEjectedMeanwhileIsGone() async throws {
        let bench = Bench()
        bench.world.behaviour.withLock { $0.ejectsDevices = false }
        let first = try await bench.serve()
        try await first.make("a")
        _ = try await end(try await first.attach(.disk(Self.data), to: "a"), first)
        _ = try await end(try await first.attach(.disk(DiskSource(id: "more", path: "/m")), to: "a"), first)
        let detach = try await first.detach(.disk("data"), of: "a", force: false, timeout: 60)
        let living = try guest(bench, first)
        await first.abandon()
        living.eject(.disk("data"))
        living.eject(.disk("more"))
        let second = try await bench.serve()
        #expect(try await end(detach, second).status == .succeeded)
        #expect(await eventually { (try? disks(second).isEmpty) == true })
        await second.shutdown()
    }

    @Test func theNextServerGoesOnWithAnAttach() async throws {
        let bench = Bench()
        bench.world.behaviour.withLock { $0.hanging = ["attach"] }
        let first = try await bench.serve()
        try await first.make("a")
        let attach = try await first.attach(.disk(Self.data), to: "a")
        #expect(attach.status == .running)
        let living = try guest(bench, first)
        #expect(await eventually { living.commands.contains("attach") })
        await first.abandon()
        let second = try await bench.serve()
        bench.world.behaviour.withLock { $0.hanging = [] }
        #expect(try await end(attach, second).status == .succeeded)
        #expect(try disks(second) == ["data"])
        await second.shutdown()
    }

    /// A disk that the worker has and the VM has not is taken away from it.
    @Test func aDiskThatIsNoLongerTheVMs() async throws {
        let bench = Bench()
        let first = try await bench.serve()
        try await first.make("a")
        let living = try guest(bench, first)
        await first.abandon()
        try await living.attach(.disk(Self.data))
        let second = try await bench.serve()
        #expect(await eventually { living.devices.isEmpty })
        #expect(try disks(second).isEmpty)
        await second.shutdown()
    }
}
