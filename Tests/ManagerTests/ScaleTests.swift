import LinuxSystem
import ManagementService
import PartitionManager
import Testing

@Suite struct ScaleTests {
    @Test func aThousandVMs() async throws {
        let count = 1000
        let bench = Bench()
        let service = try await bench.serve()
        let began = monotonicNanoseconds()
        try await withThrowingTaskGroup(of: String.self) { group in
            for number in 0..<count {
                group.addTask {
                    let id = "sim-\(number)"
                    _ = try await service.createVM(specification(id), validateOnly: false)
                    return try await service.begin(.start, vm: id, timeout: nil).id
                }
            }
            for try await operation in group {
                #expect(try await service.waitForOperation(operation, timeout: 60).status == .succeeded)
            }
        }
        let seconds = Double(monotonicNanoseconds() - began) / 1e9
        var listed: [String] = []
        var page = service.listVMs(after: nil, limit: 64, labels: [:], state: .running)
        listed += page.vms.map(\.id)
        while page.more {
            page = service.listVMs(after: listed.last, limit: 64, labels: [:], state: .running)
            listed += page.vms.map(\.id)
        }
        #expect(listed.count == count && listed == listed.sorted())
        let ids = Set(service.metrics().vms.compactMap(\.vm.partitionID))
        #expect(ids.count == count && ids.min() == 2 && ids.max() == UInt64(count + 1))
        #expect(bench.world.mostConcurrentLaunches <= 8)
        #expect(seconds < 30, "\(seconds) s")
        await service.abandon()
        let next = try await bench.serve()
        #expect(next.listVMs(after: nil, limit: 2000, labels: [:], state: .running).vms.count == count)
        #expect(bench.world.launchCount == count)
        await next.shutdown()
    }
}
