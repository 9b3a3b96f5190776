import BootLoader
import Hypervisor
import ManagementService
import PartitionManager
import Synchronization
import Testing

@Suite struct ServiceTests {
    private struct Wrong: Sendable {
        var field: String
        var kind = ServiceError.Kind.invalidArgument
        var change: @Sendable (inout VMSpecification) -> Void
    }

    private static let wrong: [Wrong] = [
        Wrong(field: "/id") { $0.id = "" },
        Wrong(field: "/id") { $0.id = "Web" },
        Wrong(field: "/id") { $0.id = "-a" },
        Wrong(field: "/id") { $0.id = "a-" },
        Wrong(field: "/id") { $0.id = "../etc" },
        Wrong(field: "/id") { $0.id = "a\n" },
        Wrong(field: "/id") { $0.id = String(repeating: "a", count: 64) },
        Wrong(field: "/vps/count") { $0.vpCount = 0 },
        Wrong(field: "/vps/count") { $0.vpCount = 255 },
        Wrong(field: "/vps/count") { $0.vpCount = .min },
        Wrong(field: "/memory/size") { $0.memorySize = 0 },
        Wrong(field: "/memory/size") { $0.memorySize = 14 << 20 },
        Wrong(field: "/memory/size") { $0.memorySize = (32 << 20) + 4096 },
        Wrong(field: "/memory/size") { $0.memorySize = .max },
        Wrong(field: "/boot/kernel") { $0.kernel = "" },
        Wrong(field: "/boot/kernel") { $0.kernel = "vmlinux" },
        Wrong(field: "/boot/kernel") { $0.kernel = "builtin:other" },
        Wrong(field: "/boot/kernel") { $0.kernel = "/a\u{0}b" },
        Wrong(field: "/boot/initrd") { $0.initrd = "initrd" },
        Wrong(field: "/boot/initrd") { $0.initrd = "" },
        Wrong(field: "/boot/commandLine") { $0.commandLine = "a\nb" },
        Wrong(field: "/boot/commandLine") { $0.commandLine = "a\u{0}" },
        Wrong(field: "/boot/commandLine") { $0.commandLine = String(repeating: "x", count: 2048) },
        Wrong(field: "/boot/format") { $0.bootFormat = "zImage" },
        Wrong(field: "/boot/loadAddress") { $0.loadAddress = 0x10_0000 },
        Wrong(field: "/boot/loadAddress") {
            $0.bootFormat = "flat"
            $0.loadAddress = .max
        },
        Wrong(field: "/labels/-a") { $0.labels = ["-a": ""] },
        Wrong(field: "/labels/") { $0.labels = ["": ""] },
        Wrong(field: "/labels/a~0~1") { $0.labels = ["a~/": ""] },
        Wrong(field: "/labels/a") { $0.labels = ["a": String(repeating: "x", count: 256)] },
        Wrong(field: "/labels/a") { $0.labels = ["a": "\u{1b}[2J"] },
        Wrong(field: "/labels") {
            for number in 0..<65 { $0.labels["k\(number)"] = "" }
        },
        Wrong(field: "/simulation/busyNanosecondsPerSecond") {
            $0.simulation = SimulationModel(busyNanosecondsPerSecond: .max)
        },
        Wrong(field: "/simulation/lifetime") { $0.simulation = SimulationModel(lifetime: .max) },
        Wrong(field: "/simulation/bootTime") { $0.simulation = SimulationModel(bootTime: .max) },
        Wrong(field: "/simulation/banner") {
            $0.simulation = SimulationModel(banner: String(repeating: "x", count: 5000))
        },
        Wrong(field: "/boot/kernel", kind: .invalidImage) { $0.kernel = "/bad" },
    ]

    private func bench() -> Bench {
        var bench = Bench()
        bench.badImages = { $0.kernel == "/bad" ? BootError("kernel", "It is cut off.") : nil }
        return bench
    }

    @Test func badSpecifications() async throws {
        let service = try await bench().serve()
        for wrong in ServiceTests.wrong {
            var bad = specification("a")
            wrong.change(&bad)
            let asked = bad
            let error = await refusal { _ = try await service.createVM(asked, validateOnly: false) }
            #expect(error?.kind == wrong.kind && error?.field == wrong.field, "\(asked)")
            #expect(error?.detail.isEmpty == false)
        }
        #expect(service.host().vmCount == 0 && service.lastEventSequence == 0)
        await service.shutdown()
    }

    @Test func creating() async throws {
        let bench = bench()
        let service = try await bench.serve()
        #expect(try await service.createVM(specification("a"), validateOnly: true).state == .defined)
        #expect(service.host().vmCount == 0)
        _ = try await service.createVM(specification("a"), validateOnly: false)
        for validateOnly in [true, false] {
            let again = await refusal { _ = try await service.createVM(specification("a"), validateOnly: validateOnly) }
            #expect(again?.kind == .alreadyExists && again?.field == "/id")
        }
        let named = try await service.createVM(specification(nil), validateOnly: false)
        #expect(named.id.hasPrefix("vm-") && named.id.count == 11 && named.specification.id == named.id)
        let sameTime = await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<20 {
                group.addTask { (try? await service.createVM(specification("b"), validateOnly: false)) != nil }
            }
            var made = 0
            for await success in group where success { made += 1 }
            return made
        }
        #expect(sameTime == 1)
        await service.shutdown()
    }

    @Test func memoryThatTheHostLacks() async throws {
        var kvm = Bench()
        kvm.world = FakeWorld(kind: .kvm)
        let service = try await kvm.serve()
        var huge = specification("a")
        huge.memorySize = 64 << 40
        let wanted = huge
        let refused = await refusal { _ = try await service.createVM(wanted, validateOnly: false) }
        #expect(refused?.kind == .insufficientResources && refused?.detail.contains("\(64 << 40)") == true)
        #expect(refused?.detail.contains("\(service.host().memoryTotal)") == true)
        await service.shutdown()
        let simulated = try await Bench().serve()
        #expect(try await simulated.createVM(wanted, validateOnly: false).specification.memorySize == 64 << 40)
        await simulated.shutdown()
    }

    @Test func patching() async throws {
        let service = try await bench().serve()
        try await service.make("a")
        var labels = VMPatch()
        labels.labels = ["team": "b", "gone": nil]
        let before = try service.vm("a")
        let after = try await service.updateVM("a", labels, ifRevision: before.revision)
        #expect(after.specification.labels == ["team": "b"] && after.revision == before.revision + 1)
        let stale = await refusal { [labels] in _ = try await service.updateVM("a", labels, ifRevision: 1) }
        #expect(stale?.kind == .preconditionFailed)
        // The same again changes nothing.
        #expect(try await service.updateVM("a", labels, ifRevision: nil).revision == after.revision)

        var machine = VMPatch()
        machine.vpCount = 4
        machine.commandLine = "quiet"
        let busy = await refusal { [machine] in _ = try await service.updateVM("a", machine, ifRevision: nil) }
        #expect(busy?.kind == .wrongState && busy?.field == "/vps/count")
        try await service.run(.stop, "a")
        let stopped = try await service.updateVM("a", machine, ifRevision: nil)
        #expect(stopped.specification.vpCount == 4 && stopped.specification.commandLine == "quiet")
        #expect(stopped.specification.labels == ["team": "b"])

        var small = VMPatch()
        small.memorySize = 1
        var cutOff = VMPatch()
        cutOff.kernel = "/bad"
        var unnamed = VMPatch()
        unnamed.labels = ["-": "x"]
        for (patch, kind, field) in [
            (small, ServiceError.Kind.invalidArgument, "/memory/size"), (cutOff, .invalidImage, "/boot/kernel"),
            (unnamed, .invalidArgument, "/labels/-"),
        ] {
            let refused = await refusal { _ = try await service.updateVM("a", patch, ifRevision: nil) }
            #expect(refused?.kind == kind && refused?.field == field)
        }
        await service.shutdown()
    }

    @Test func imagesAreCheckedAgainAtStart() async throws {
        let flag = Flag()
        var bench = Bench()
        bench.badImages = { _ in flag.isSet ? BootError("initrd", "It is gone.") : nil }
        let service = try await bench.serve()
        try await service.make("a", in: .defined)
        flag.set()
        let refused = await refusal { _ = try await service.begin(.start, vm: "a", timeout: nil) }
        #expect(refused?.kind == .invalidImage && refused?.field == "/boot/initrd")
        #expect(try service.vm("a").state == .defined)
        await service.shutdown()
    }

    @Test func timeouts() async throws {
        let service = try await Bench().serve()
        try await service.make("a")
        for timeout in [0, -1, .infinity, .nan, 1e9] {
            let refused = await refusal { _ = try await service.begin(.shutdown, vm: "a", timeout: timeout) }
            #expect(refused?.field == "/timeout" && refused?.kind == .invalidArgument)
        }
        #expect(await refusal { _ = try await service.begin(.start, vm: "a", timeout: 1) }?.field == "/timeout")
        await service.shutdown()
    }

    @Test func consoles() async throws {
        let bench = Bench()
        let service = try await bench.serve()
        try await service.make("a", in: .defined)
        #expect(await refusal { _ = try await service.writeConsole(vm: "a", [1]) }?.kind == .wrongState)
        try await service.run(.start, "a")
        let seen = Mutex(0)
        let observation = try service.observeConsole(vm: "a") { seen.withLock { $0 += 1 } }
        #expect(try await service.writeConsole(vm: "a", [65, 66]) == 2)
        #expect(bench.world.living.first?.typed == [65, 66])
        let afterWrite = seen.withLock { $0 }
        #expect(afterWrite == 1)
        let chunk = try await service.readConsole(vm: "a", offset: 4, limit: 3)
        #expect(chunk == ConsoleChunk(bytes: Array("of ".utf8), offset: 4, nextOffset: 7))
        try await service.run(.stop, "a")
        let afterEnd = seen.withLock { $0 }
        #expect(afterEnd >= 2)
        observation.cancel()
        let metrics = service.metrics()
        #expect(metrics.vms.first?.statistics?.consoleBytes == 2)
        #expect(metrics.operations.contains { $0 == ("start", "succeeded", 1) })
        #expect(metrics.eventsTotal == service.lastEventSequence)
        await service.shutdown()
    }

    @Test func listing() async throws {
        let service = try await Bench().serve()
        for number in 0..<9 {
            var wanted = specification("vm-\(number)")
            wanted.labels = ["parity": number % 2 == 0 ? "even" : "odd"]
            _ = try await service.createVM(wanted, validateOnly: false)
        }
        let first = service.listVMs(after: nil, limit: 4, labels: [:], state: nil)
        #expect(first.vms.map(\.id) == ["vm-0", "vm-1", "vm-2", "vm-3"] && first.more)
        let last = service.listVMs(after: "vm-5", limit: 4, labels: [:], state: nil)
        #expect(last.vms.map(\.id) == ["vm-6", "vm-7", "vm-8"] && !last.more)
        let odd = service.listVMs(after: "vm-2a", limit: 9, labels: ["parity": "odd"], state: .defined)
        #expect(odd.vms.map(\.id) == ["vm-3", "vm-5", "vm-7"])
        #expect(service.listVMs(after: nil, limit: 9, labels: [:], state: .running).vms.isEmpty)
        let operations = try await [service.run(.start, "vm-1"), service.run(.start, "vm-2")]
        let page = service.listOperations(vm: nil, after: operations[0].id, limit: 5)
        #expect(page.operations.map(\.id) == [operations[1].id])
        #expect(service.listOperations(vm: "vm-1", after: nil, limit: 5).operations.map(\.id) == [operations[0].id])
        await service.shutdown()
        let late = await refusal { _ = try await service.begin(.stop, vm: "vm-1", timeout: nil) }
        #expect(late?.kind == .unavailable)
    }
}

private final class Flag: Sendable {
    private let value = Atomic(false)
    var isSet: Bool { value.load(ordering: .relaxed) }
    func set() { value.store(true, ordering: .relaxed) }

    /// Memory that grows: what is refused, what is told to the guest, and what a server tells that found it again.
    @Test func memoryGrowsWhileTheGuestRuns() async throws {
        let bench = Bench()
        let first = try await bench.serve()
        let (mebibyte, block) = (UInt64(1) << 20, UInt64(128) << 20)
        var wanted = specification("a")
        wanted.memorySize = 64 * mebibyte
        wanted.memoryMaximum = 32 * mebibyte
        let small = wanted
        #expect(
            await refusal { _ = try await first.createVM(small, validateOnly: false) }?.field == "/memory/maximum")
        wanted.memoryMaximum = 64 * mebibyte + 2 * block
        _ = try await first.createVM(wanted, validateOnly: false)
        func resize(_ service: ManagementService, _ size: UInt64) async throws {
            var patch = VMPatch()
            patch.memorySize = size
            _ = try await service.updateVM("a", patch, ifRevision: nil)
        }
        try await first.run(.start, "a")
        #expect(try first.vm("a").bootMemory == 64 * mebibyte)
        for size in [62 * mebibyte, 128 * mebibyte, 64 * mebibyte + 3 * block] {
            #expect(await refusal { try await resize(first, size) }?.kind == .invalidArgument)
        }
        try await resize(first, 64 * mebibyte + block)
        let guest = try #require(bench.world.guest(partition: 2))
        #expect(guest.commands == ["memory \(64 * mebibyte + block)"])
        #expect(try first.vm("a").specification.memorySize == 64 * mebibyte + block)
        // Other parts of the machine stay as they are.
        var patch = VMPatch()
        patch.memorySize = 64 * mebibyte
        patch.vpCount = 2
        let both = patch
        #expect(await refusal { _ = try await first.updateVM("a", both, ifRevision: nil) }?.kind == .wrongState)
        await first.abandon()

        let second = try await bench.serve()
        #expect(try second.vm("a").bootMemory == 64 * mebibyte)
        #expect(guest.commands.last == "memory \(64 * mebibyte + block)" && guest.commands.count == 2)
        bench.world.behaviour.withLock { $0.failing = ["memory \(64 * mebibyte)"] }
        #expect(await refusal { try await resize(second, 64 * mebibyte) }?.kind == .guestFailed)
        try await second.run(.stop, "a")
        try await second.run(.start, "a")
        #expect(try second.vm("a").bootMemory == 64 * mebibyte)
        await second.shutdown()
    }

    /// Processors that come and go: what is refused, what is told to the guest, and what the guest tells.
    @Test func processorsComeAndGo() async throws {
        let bench = Bench()
        let first = try await bench.serve()
        var wanted = specification("a")
        wanted.vpCount = 2
        for maximum in [1, 255, 0, -1] {
            wanted.vpMaximum = maximum
            let wrong = wanted
            #expect(await refusal { _ = try await first.createVM(wrong, validateOnly: false) }?.field == "/vps/maximum")
        }
        wanted.vpMaximum = 4
        _ = try await first.createVM(wanted, validateOnly: false)
        func change(_ service: ManagementService, _ count: Int) async throws {
            var patch = VMPatch()
            patch.vpCount = count
            _ = try await service.updateVM("a", patch, ifRevision: nil)
        }
        try await first.run(.start, "a")
        let guest = try #require(bench.world.guest(partition: 2))
        #expect(guest.maximumVPCount == 4)
        for count in [0, 5] { #expect(await refusal { try await change(first, count) }?.kind == .invalidArgument) }
        #expect(guest.commands.isEmpty)
        try await change(first, 4)
        #expect(guest.commands == ["processors 4"])
        #expect(await eventually { (try? first.vm("a").presentVPs) == 4 })
        try await change(first, 1)
        #expect(await eventually { (try? first.vm("a").presentVPs) == 1 })
        #expect(first.events(after: 0, limit: 100).map(\.type).contains("vm.processors-changed"))
        // The maximum itself is the machine's.
        var patch = VMPatch()
        patch.vpMaximum = .some(8)
        let fixed = patch
        #expect(await refusal { _ = try await first.updateVM("a", fixed, ifRevision: nil) }?.field == "/vps/maximum")
        await first.abandon()

        let second = try await bench.serve()
        #expect(guest.commands.last == "processors 1" && guest.commands.count == 3, "told again by the next server")
        bench.world.behaviour.withLock { $0.failing = ["processors 3"] }
        #expect(await refusal { try await change(second, 3) }?.field == "/vps/count")
        try await second.run(.stop, "a")
        #expect(try second.vm("a").presentVPs == nil)
        await second.shutdown()
    }
}
