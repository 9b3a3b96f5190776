import GuestMemory
import HostInventory
import Hypervisor
import LinuxSystem
import PartitionManager
import Testing
import WorkerProtocol

@testable import ManagementService

/// What a host of two NUMA nodes takes, and everything that it says of what it does not.
@Suite struct AdmissionTests {
    private static let gibibyte = UInt64(1) << 30

    private var host: Admission {
        func pools(_ small: UInt64, _ large: UInt64) -> [HostTopology.HugePages] {
            [.init(pageSize: 2 << 20, total: 1024, free: small), .init(pageSize: 1 << 30, total: large, free: large)]
        }
        func node(_ id: Int, _ processors: [Int], _ memory: UInt64, _ pools: [HostTopology.HugePages])
            -> HostTopology.Node
        {
            .init(
                id: id, processors: IndexList(processors), memoryTotal: memory, memoryFree: memory / 2,
                hugePages: pools,
                distances: [10, 20])
        }
        return Admission(
            policy: AdmissionPolicy(),
            topology: HostTopology(
                processors: IndexList([0, 1, 2, 3]),
                nodes: [
                    node(0, [0, 1], 8 * Self.gibibyte, pools(512, 0)), node(1, [2, 3], 8 * Self.gibibyte, pools(0, 2)),
                    node(2, [], 0, []),
                ], hugePages: pools(512, 2)),
            memoryTotal: 16 * Self.gibibyte, memoryAvailable: 8 * Self.gibibyte)
    }

    private func vm(_ change: (inout VMSpecification) -> Void) -> VMSpecification {
        var result = specification("a")
        change(&result)
        return result
    }

    private func commitment(_ memory: UInt64, vps: Int = 1) -> Admission.Commitment {
        Admission.Commitment(
            vm {
                $0.memorySize = memory
                $0.vpCount = vps
            }, vm: "other")
    }

    @Test func whatFits() {
        let wanted = vm {
            $0.memorySize = 4 * Self.gibibyte
            $0.placement.processors = IndexList([0, 3])
            $0.placement.vps = [0: IndexList([3])]
            $0.placement.memory.nodes = IndexList([0, 1])
            $0.placement.memory.isPrefaulted = true
        }
        #expect(host.permanent(wanted).isEmpty)
        #expect(host.present(wanted, others: [commitment(12 * Self.gibibyte)]).isEmpty)
    }

    @Test func everythingAtOnce() {
        let wanted = vm {
            $0.memorySize = 17 * Self.gibibyte
            $0.placement.processors = IndexList([2, 3, 4, 9])
            $0.placement.vps = [0: IndexList([7])]
            $0.placement.memory.nodes = IndexList([1, 2, 5])
        }
        let blockers = host.permanent(wanted)
        #expect(
            blockers.map(\.field) == [
                "/placement/processors", "/placement/vps/0", "/placement/nodes", "/memory/size",
            ])
        #expect(blockers[0].detail.contains("4,9") && blockers[0].expected == "among 0-3")
        #expect(blockers[2].detail.contains("2,5") && blockers[2].expected == "among 0-1")
    }

    @Test func promises() {
        let wanted = vm { $0.memorySize = 4 * Self.gibibyte }
        let others = [commitment(8 * Self.gibibyte, vps: 32), commitment(5 * Self.gibibyte, vps: 32)]
        let blockers = host.present(wanted, others: others)
        #expect(blockers.map(\.field) == ["/memory/size", "/vps/count"])
        #expect(blockers.first?.expected == "at most \(3 * Self.gibibyte) bytes")
        // A host that promises more.
        var generous = host
        generous.policy.memoryOvercommit = 1.5
        generous.policy.processorOvercommit = 17
        #expect(generous.present(wanted, others: others).isEmpty)
        // One that runs already may shrink, and be less than what is left, on a host that has promised too much.
        let before = Admission.Commitment(vm { $0.memorySize = 6 * Self.gibibyte }, vm: "a")
        #expect(host.present(wanted, others: others, before: before).isEmpty)
        let larger = vm { $0.memorySize = 7 * Self.gibibyte }
        #expect(host.present(larger, others: others, before: before).map(\.field) == ["/memory/size"])
    }

    @Test func hugePages() {
        func wanted(
            _ pages: MemoryBacking.Pages, _ size: UInt64, _ nodes: [Int]?, _ policy: HostPlacement.NodePolicy = .bind
        )
            -> VMSpecification
        {
            vm {
                $0.memorySize = size
                $0.placement.memory.pages = pages
                $0.placement.memory.nodes = nodes.map { IndexList($0) }
                $0.placement.memory.nodePolicy = policy
            }
        }
        let fits = wanted(.huge2M, Self.gibibyte, nil)
        #expect(host.permanent(fits).isEmpty && host.present(fits, others: [commitment(16 * Self.gibibyte)]).isEmpty)
        #expect(host.present(wanted(.huge2M, Self.gibibyte, [0]), others: []).isEmpty)
        #expect(host.present(wanted(.huge2M, Self.gibibyte, [1]), others: []).map(\.field) == ["/memory/pages"])
        #expect(host.present(wanted(.huge2M, Self.gibibyte, [1], .preferred), others: []).isEmpty)
        let large = host.present(wanted(.huge2M, 2 * Self.gibibyte, nil), others: [])
        #expect(large.first?.detail.contains("1024 huge pages of 2 MiB; 512 are free") == true)
        #expect(host.permanent(wanted(.huge1G, Self.gibibyte, [0])).map(\.field) == ["/memory/pages"])
        #expect(host.permanent(wanted(.huge1G, Self.gibibyte, [1])).isEmpty)
    }

    @Test func prefaultedMemory() {
        let wanted = vm {
            $0.memorySize = 5 * Self.gibibyte
            $0.placement.memory.isPrefaulted = true
        }
        #expect(host.present(wanted, others: []).isEmpty)
        var bound = wanted
        bound.placement.memory.nodes = IndexList([1])
        #expect(host.present(bound, others: []).map(\.field) == ["/memory/prefault"])
        var larger = wanted
        larger.memorySize = 9 * Self.gibibyte
        #expect(host.present(larger, others: []).map(\.field) == ["/memory/prefault"])
    }

    /// Two VMs that together are more than the host: one starts, whoever comes first, and the other one when it is off.
    @Test func startsAreAdmittedOneByOne() async throws {
        let root = TemporaryDirectory()
        try put(root, "/proc/meminfo", "MemTotal: 65536 kB\nMemAvailable: 65536 kB\n")
        try put(root, "/sys/devices/system/cpu/online", "0-1\n")
        var bench = Bench()
        bench.world = FakeWorld(kind: .kvm)
        bench.hostRoot = root.path
        let service = try await bench.serve()
        for id in ["a", "b"] {
            var wanted = specification(id)
            wanted.memorySize = 40 << 20
            wanted.vpMaximum = 4
            _ = try await service.createVM(wanted, validateOnly: false)
        }
        let started: [String] = await withTaskGroup(of: String?.self) { group in
            for id in ["a", "b"] {
                group.addTask { (try? await service.begin(.start, vm: id, timeout: nil)) == nil ? nil : id }
            }
            return await group.reduce(into: []) { ids, id in if let id { ids.append(id) } }
        }
        try #require(started.count == 1)
        let other = started == ["a"] ? "b" : "a"
        let refused = await refusal { _ = try await service.begin(.start, vm: other, timeout: nil) }
        #expect(refused?.kind == .insufficientResources && refused?.blockers.map(\.field) == ["/memory/size"])
        #expect(await eventually { (try? service.vm(started[0]).state) == .running })
        // More processors than the host promises are refused while it runs, too.
        try await service.run(.stop, started[0])
        try await service.run(.start, other)
        var wanted = specification("c")
        wanted.memorySize = 16 << 20
        wanted.vpCount = 31
        wanted.vpMaximum = 33
        _ = try await service.createVM(wanted, validateOnly: false)
        try await service.run(.start, "c")
        var patch = VMPatch()
        patch.vpCount = 32
        let growing = patch
        #expect(
            await refusal { _ = try await service.updateVM("c", growing, ifRevision: nil) }?.blockers.map(\.field)
                == ["/vps/count"])
        #expect(try service.vm("c").specification.vpCount == 31)
        await service.shutdown()
    }

    private func put(_ root: TemporaryDirectory, _ path: String, _ text: String) throws {
        let whole = root.path + path
        let directory = String(whole[..<(whole.lastIndex(of: "/") ?? whole.endIndex)])
        try DirectoryTree.create(directory)
        try WholeFile.replace(
            directory: directory, name: String(whole.dropFirst(directory.count + 1)), with: Array(text.utf8),
            durable: false)
    }
}
