import BlockStorage
import DeviceSources
import Hypervisor
import JSON
import ManagementService
import NetworkBackends
import PartitionManager
import Synchronization
import Testing

/// Network interfaces that come and go, and what else goes on while a guest takes its time to give a device back.
@Suite struct NetworkChangeTests {
    private static let mac = MACAddress([2, 0, 0, 0, 0, 1])
    private static let net = NetworkSource(id: "net1", mac: mac, tap: .init(name: "t1"))
    private static let data = DiskSource(id: "data", path: "/images/data.img")

    private func guest(_ bench: Bench, _ service: ManagementService, _ id: String = "a") throws -> FakeGuest {
        try #require(bench.world.guest(partition: try service.vm(id).partitionID))
    }

    private func devices(_ service: ManagementService) throws -> [DeviceName] {
        try service.vm("a").specification.devices.map(\.name)
    }

    private func end(_ operation: OperationResource, _ service: ManagementService) async throws -> OperationResource {
        try await service.waitForOperation(operation.id, timeout: 10)
    }

    private func attach(_ device: DeviceSource, _ service: ManagementService, to id: String = "a") async throws {
        let ended = try await end(try await service.attach(device, to: id), service)
        #expect(ended.status == .succeeded, "\(String(describing: ended.error))")
    }

    @Test func anInterfaceComesAndGoes() async throws {
        let bench = Bench()
        let service = try await bench.serve()
        try await service.make("a")
        for _ in 0..<3 {
            let attach = try await service.attach(.networkInterface(Self.net), to: "a")
            #expect(attach.verb == .attachNetworkInterface && attach.device == .networkInterface("net1"))
            #expect(try await end(attach, service).status == .succeeded)
            #expect(try guest(bench, service).devices == [.networkInterface(Self.net)])
            let detach = try await service.detach(.networkInterface("net1"), of: "a", force: false, timeout: nil)
            #expect(detach.verb == .detachNetworkInterface)
            #expect(try await end(detach, service).status == .succeeded)
            #expect(try devices(service).isEmpty)
        }
        let told = service.events(after: 0, limit: 1000).filter { $0.type == "vm.network-interface-ejected" }
        #expect(told.count == 3 && told.allSatisfy { $0.details["networkInterface"]?.string == "net1" })
        await service.shutdown()
    }

    /// One without an address gets the one that it would have had from the beginning.
    @Test func anAddressIsDerivedAndHasOneOwner() async throws {
        let bench = Bench(world: FakeWorld(kind: .kvm))
        let service = try await bench.serve()
        try await service.make("a")
        try await service.make("b")
        try await attach(.networkInterface(NetworkSource(id: "net0")), service)
        let derived = try service.vm("a").specification.networkInterfaces.first?.mac
        #expect(derived != nil && derived?.isMulticast == false)
        try await attach(.networkInterface(Self.net), service)
        func refused(
            _ interface: NetworkSource, to id: String, _ kind: ServiceError.Kind, _ field: String
        ) async {
            let refused = await refusal { _ = try await service.attach(.networkInterface(interface), to: id) }
            #expect(refused?.kind == kind && refused?.field == field, "\(String(describing: refused))")
        }
        await refused(Self.net, to: "a", .alreadyExists, "/id")
        for id in ["a", "b"] {
            await refused(NetworkSource(id: "x", mac: Self.mac), to: id, .alreadyExists, "/mac")
            await refused(NetworkSource(id: "x", tap: .init(name: "t1")), to: id, .wrongState, "/tap/name")
        }
        await refused(NetworkSource(id: "No"), to: "a", .invalidArgument, "/id")
        // Gone from one VM, it is free for the other.
        _ = try await end(
            try await service.detach(.networkInterface("net1"), of: "a", force: false, timeout: nil), service)
        try await attach(.networkInterface(Self.net), service, to: "b")
        for index in 0..<7 { try await attach(.networkInterface(NetworkSource(id: "n\(index)")), service) }
        let many = await refusal { _ = try await service.attach(.networkInterface(NetworkSource(id: "y")), to: "a") }
        #expect(many?.kind == .wrongState && many?.detail.contains("8 network interfaces") == true)
        await service.shutdown()
    }

    @Test func limitsChange() async throws {
        let bench = Bench()
        let service = try await bench.serve()
        try await service.make("a")
        try await attach(.networkInterface(Self.net), service)
        let limit = DeviceLimit(bytesPerSecond: 1 << 20, operationsPerSecond: 100)
        #expect(try await service.limit(.networkInterface("net1"), of: "a", limit).limit == limit)
        #expect(try guest(bench, service).devices.first?.limit == limit)
        let stored = try service.vm("a").specification.networkInterfaces.first?.rateLimit
        #expect(stored == .init(bytesPerSecond: 1 << 20, packetsPerSecond: 100))
        let low = await refusal {
            _ = try await service.limit(
                .networkInterface("net1"), of: "a", .init(bytesPerSecond: nil, operationsPerSecond: 0))
        }
        #expect(low?.kind == .invalidArgument && low?.field == "/rateLimit/packetsPerSecond")
        await service.shutdown()
    }

    /// A limit that is changed while its device is attached reaches the guest.
    @Test func limitsChangeDuringAnAttach() async throws {
        let bench = Bench()
        bench.world.behaviour.withLock { $0.hanging = ["attach"] }
        let service = try await bench.serve()
        try await service.make("a")
        let attach = try await service.attach(.networkInterface(Self.net), to: "a")
        #expect(await eventually { (try? guest(bench, service).commands.contains("attach")) == true })
        let limit = DeviceLimit(bytesPerSecond: nil, operationsPerSecond: 5)
        _ = try await service.limit(.networkInterface("net1"), of: "a", limit)
        bench.world.behaviour.withLock { $0.hanging = [] }
        #expect(try await end(attach, service).status == .succeeded)
        #expect(await eventually { (try? guest(bench, service).devices.first?.limit) == limit })
        await service.shutdown()
    }

    // MARK: While a detach waits

    @Test func aDetachThatWaitsHoldsNobodyUp() async throws {
        let bench = Bench()
        bench.world.behaviour.withLock { $0.ejectsDevices = false }
        let service = try await bench.serve()
        try await service.make("a")
        try await attach(.networkInterface(Self.net), service)
        try await attach(.disk(Self.data), service)
        let first = try await service.detach(.networkInterface("net1"), of: "a", force: false, timeout: 60)
        #expect(try service.vm("a").operationID == first.id)
        // Twice at once: the second is told of the first.
        let twice = await refusal {
            _ = try await service.detach(.networkInterface("net1"), of: "a", force: false, timeout: nil)
        }
        #expect(twice?.kind == .operationConflict && twice?.detail.contains(first.id) == true)
        let again = await refusal { _ = try await service.attach(.networkInterface(Self.net), to: "a") }
        #expect(again?.kind == .alreadyExists && again?.detail.contains(first.id) == true)
        // Another device, and other operations.
        let second = try await service.detach(.disk("data"), of: "a", force: false, timeout: 60)
        #expect(second.status == .running)
        try await attach(.networkInterface(NetworkSource(id: "net2")), service)
        #expect(try await service.run(.pause, "a").status == .succeeded)
        #expect(try await service.run(.resume, "a").status == .succeeded)
        #expect(try await service.run(.reset, "a").status == .succeeded)
        let forced = try await service.detach(.disk("data"), of: "a", force: true, timeout: nil)
        #expect(try await end(forced, service).status == .succeeded)
        #expect(try await end(second, service).error?.kind == .wrongState)
        #expect(try await service.operation(first.id).status == .running)
        try guest(bench, service).eject(.networkInterface("net1"))
        #expect(try await end(first, service).status == .succeeded)
        #expect(try devices(service) == [.networkInterface("net2")])
        #expect(try service.vm("a").operationID == nil)
        await service.shutdown()
    }

    @Test func powerOffEndsThoseThatWait() async throws {
        let bench = Bench()
        bench.world.behaviour.withLock { $0.ejectsDevices = false }
        let service = try await bench.serve()
        try await service.make("a")
        let names: [DeviceName] = [.disk("data"), .networkInterface("net1")]
        try await attach(.disk(Self.data), service)
        try await attach(.networkInterface(Self.net), service)
        var waiting: [OperationResource] = []
        for name in names { waiting.append(try await service.detach(name, of: "a", force: false, timeout: 60)) }
        #expect(try await service.run(.stop, "a").status == .succeeded)
        for operation in waiting { #expect(try await end(operation, service).error?.kind == .wrongState) }
        #expect(try devices(service) == names)
        // With a guest that powers itself off they go.
        try await service.run(.start, "a")
        waiting = []
        for name in names { waiting.append(try await service.detach(name, of: "a", force: false, timeout: 60)) }
        try guest(bench, service).end(.poweredOff)
        for operation in waiting { #expect(try await end(operation, service).status == .succeeded) }
        #expect(try devices(service).isEmpty)
        await service.shutdown()
    }

    @Test func theNextServerGoesOnWithAllThatWait() async throws {
        let bench = Bench()
        bench.world.behaviour.withLock { $0.ejectsDevices = false }
        let first = try await bench.serve()
        try await first.make("a")
        try await attach(.disk(Self.data), first)
        try await attach(.networkInterface(Self.net), first)
        let disk = try await first.detach(.disk("data"), of: "a", force: false, timeout: 60)
        let interface = try await first.detach(.networkInterface("net1"), of: "a", force: false, timeout: 60)
        let living = try guest(bench, first)
        await first.abandon()
        // Of these it learns by the worker's list and by asking again.
        living.eject(.networkInterface("net1"))
        bench.world.behaviour.withLock { $0.ejectsDevices = true }
        let second = try await bench.serve()
        #expect(try await end(disk, second).status == .succeeded)
        let ended = try await end(interface, second)
        #expect(ended.status == .succeeded && ended.device == .networkInterface("net1"))
        #expect(try devices(second).isEmpty)
        await second.shutdown()
    }

    @Test func theGuestThatNeverAnswersKeepsIt() async throws {
        let bench = Bench()
        bench.world.behaviour.withLock { $0.ejectsDevices = false }
        let service = try await bench.serve()
        try await service.make("a")
        try await attach(.networkInterface(Self.net), service)
        let detach = try await service.detach(.networkInterface("net1"), of: "a", force: false, timeout: 0.2)
        let ended = try await end(detach, service)
        #expect(ended.error?.kind == .deadlineExceeded)
        #expect(ended.error?.detail.contains("network interface 'net1'") == true)
        #expect(try devices(service) == [.networkInterface("net1")] && service.vm("a").state == .running)
        #expect(try guest(bench, service).commands.suffix(2) == ["detach", "keep"])
        await service.shutdown()
    }
}
