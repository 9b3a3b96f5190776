import DeviceSettings
import JSON
import ManagementService
import PartitionManager
import Synchronization
import Testing

/// Balloon, watchdog, vsock and console: what is kept and refused, and what a guest that runs is told.
@Suite struct DeviceSettingsTests {
    private func guest(_ bench: Bench, _ service: ManagementService) throws -> FakeGuest {
        try #require(bench.world.guest(partition: try service.vm("a").partitionID))
    }

    private func wanted(_ id: String = "a", cid: UInt64? = nil) -> VMSpecification {
        var wanted = specification(id)
        wanted.deviceSettings.balloon = BalloonSettings()
        wanted.deviceSettings.watchdog = WatchdogSettings(action: .crash)
        wanted.deviceSettings.vsock = cid.map { VsockSettings(cid: $0) }
        wanted.deviceSettings.console = ConsoleSettings(kind: .virtio, size: .init(columns: 80, rows: 25))
        return wanted
    }

    private func balloon(_ target: UInt64??, interval: Int? = nil) -> VMPatch {
        var balloon = BalloonPatch()
        balloon.target = target
        balloon.statisticsInterval = interval
        var patch = VMPatch()
        patch.devices.balloon = .some(balloon)
        return patch
    }

    @Test func theBalloonFollowsItsTarget() async throws {
        let bench = Bench()
        let service = try await bench.serve()
        _ = try await service.createVM(wanted(), validateOnly: false)
        try await service.run(.start, "a")
        _ = try await service.updateVM("a", balloon(.some(24 << 20)), ifRevision: nil)
        #expect(try guest(bench, service).commands.last == "balloon \(8 << 20) every 5")
        _ = try await service.updateVM("a", balloon(nil, interval: 60), ifRevision: nil)
        #expect(try guest(bench, service).commands.last == "balloon \(8 << 20) every 60")
        _ = try await service.updateVM("a", balloon(.some(nil)), ifRevision: nil)
        #expect(try guest(bench, service).commands.last == "balloon 0 every 60")
        #expect(try service.vm("a").specification.deviceSettings.balloon?.target == nil)
        for target: UInt64 in [0, 4096, (16 << 20) - 4096, (24 << 20) + 1, (32 << 20) + 4096, .max] {
            let refused = await refusal { _ = try await service.updateVM("a", balloon(.some(target)), ifRevision: nil) }
            #expect(refused?.kind == .invalidArgument && refused?.field == "/memory/balloon/target", "\(target)")
        }
        #expect(
            await refusal { _ = try await service.updateVM("a", balloon(nil, interval: 3601), ifRevision: nil) }?.field
                == "/memory/balloon/statisticsInterval")
        // A guest that can't be told: the wish stays, and whoever asked learns of it.
        bench.world.behaviour.withLock { $0.failing = ["balloon \(12 << 20) every 60"] }
        let untold = await refusal { _ = try await service.updateVM("a", balloon(.some(20 << 20)), ifRevision: nil) }
        #expect(untold?.kind == .guestFailed && untold?.field == "/memory/balloon")
        #expect(try service.vm("a").specification.deviceSettings.balloon?.target == 20 << 20)
        await service.shutdown()
    }

    /// The next server finds all of it, and tells a guest that it finds again.
    @Test func settingsOutliveTheServer() async throws {
        let bench = Bench()
        var service = try await bench.serve()
        _ = try await service.createVM(wanted(cid: 42), validateOnly: false)
        try await service.run(.start, "a")
        _ = try await service.updateVM("a", balloon(.some(20 << 20)), ifRevision: nil)
        let before = try service.vm("a").specification
        await service.abandon()
        service = try await bench.serve()
        #expect(try service.vm("a").specification == before)
        #expect(try guest(bench, service).commands.last == "balloon \(12 << 20) every 5")
        await service.shutdown()
    }

    @Test func whatChangesOnlyWhileTheVMIsOff() async throws {
        let bench = Bench()
        let service = try await bench.serve()
        _ = try await service.createVM(wanted(cid: 42), validateOnly: false)
        try await service.run(.start, "a")
        var patches: [(String, VMPatch)] = []
        func add(_ field: String, _ change: (inout DevicesPatch) -> Void) {
            var patch = VMPatch()
            change(&patch.devices)
            patches.append((field, patch))
        }
        add("/memory/balloon") { $0.balloon = .some(nil) }
        add("/memory/balloon/deflateOnOOM") { devices in
            var balloon = BalloonPatch()
            balloon.deflatesOnOOM = false
            devices.balloon = .some(balloon)
        }
        add("/memory/balloon/freePageReporting") { devices in
            var balloon = BalloonPatch()
            balloon.reportsFreePages = false
            devices.balloon = .some(balloon)
        }
        add("/watchdog") { $0.watchdog = .some(WatchdogSettings.Action.reset) }
        add("/vsock") { $0.vsock = .some(nil) }
        add("/console") { $0.console = ConsolePatch() }
        for (field, patch) in patches {
            let refused = await refusal { _ = try await service.updateVM("a", patch, ifRevision: nil) }
            #expect(refused?.kind == .wrongState && refused?.field == field, "\(field)")
        }
        try await service.run(.stop, "a")
        for (_, patch) in patches { _ = try await service.updateVM("a", patch, ifRevision: nil) }
        let devices = try service.vm("a").specification.deviceSettings
        #expect(devices.balloon?.deflatesOnOOM == false && devices.balloon?.reportsFreePages == false)
        #expect(devices.watchdog?.action == .reset && devices.vsock == nil)
        #expect(devices.console == ConsoleSettings(kind: .virtio, size: .init(columns: 80, rows: 25)))
        await service.shutdown()
    }

    @Test func contextIdentifiersAreUnique() async throws {
        let bench = Bench()
        let service = try await bench.serve()
        _ = try await service.createVM(wanted(cid: 42), validateOnly: false)
        for validateOnly in [true, false] {
            let taken = await refusal {
                _ = try await service.createVM(wanted("b", cid: 42), validateOnly: validateOnly)
            }
            #expect(taken?.kind == .alreadyExists && taken?.field == "/vsock/cid")
            #expect(taken?.detail.contains("VM 'a'") == true)
        }
        _ = try await service.createVM(wanted("b", cid: 43), validateOnly: false)
        var vsock = VsockPatch()
        vsock.cid = 42
        var patch = VMPatch()
        patch.devices.vsock = .some(vsock)
        #expect(await refusal { _ = try await service.updateVM("b", patch, ifRevision: nil) }?.kind == .alreadyExists)
        _ = try await service.updateVM("a", patch, ifRevision: nil)
        // Two that ask at the same time: one gets it.
        let results = await withTaskGroup(of: Bool.self) { group in
            for id in ["c", "d", "e", "f"] {
                group.addTask {
                    await refusal { _ = try await service.createVM(self.wanted(id, cid: 99), validateOnly: false) }
                        == nil
                }
            }
            return await group.reduce(into: [Bool]()) { $0.append($1) }
        }
        #expect(results.count { $0 } == 1)
        await service.shutdown()
    }

    @Test func wrongSettingsAreRefused() async throws {
        let bench = Bench()
        let service = try await bench.serve()
        for (cid, isRight) in [(UInt64(0), false), (2, false), (3, true), (0xFFFF_FFFE, true), (0xFFFF_FFFF, false)] {
            let refused = await refusal { _ = try await service.createVM(wanted(cid: cid), validateOnly: true) }
            #expect((refused == nil) == isRight, "\(cid)")
        }
        var vhost = wanted(cid: 5)
        vhost.deviceSettings.vsock?.backend = .vhost
        #expect(await refusal { _ = try await service.createVM(vhost, validateOnly: true) } == nil)
        var sized = wanted()
        sized.deviceSettings.console.kind = .serial
        #expect(
            await refusal { _ = try await service.createVM(sized, validateOnly: true) }?.field == "/console/columns")
        var tall = wanted()
        tall.deviceSettings.console.size?.rows = 65536
        #expect(await refusal { _ = try await service.createVM(tall, validateOnly: true) }?.field == "/console/rows")
        var half = VMPatch()
        var console = ConsolePatch()
        console.rows = .some(nil)
        half.devices.console = console
        _ = try await service.createVM(wanted(), validateOnly: false)
        #expect(await refusal { _ = try await service.updateVM("a", half, ifRevision: nil) }?.field == "/console/rows")
        var other = VMPatch()
        other.devices.vsock = .some(VsockPatch())
        #expect(await refusal { _ = try await service.updateVM("a", other, ifRevision: nil) }?.field == "/vsock/cid")
        await service.shutdown()
    }

    @Test func theWatchdogIsToldOf() async throws {
        let bench = Bench()
        let service = try await bench.serve()
        _ = try await service.createVM(wanted(), validateOnly: false)
        try await service.run(.start, "a")
        try guest(bench, service).emit(.watchdogExpired)
        #expect(await eventually { service.events(after: 0, limit: 100).contains { $0.type == "vm.watchdog-expired" } })
        let event = service.events(after: 0, limit: 100).first { $0.type == "vm.watchdog-expired" }
        #expect(event?.vmID == "a" && event?.details["action"]?.string == "crash")
        // Its end: as a power off it is no failure.
        try guest(bench, service).end(.watchdogExpired)
        try await service.settle("a", .stopped)
        #expect(try service.vm("a").stateReason.code == "watchdog-expired")
        await service.shutdown()
    }
}
