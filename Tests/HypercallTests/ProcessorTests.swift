import EmbeddedHypervisor
import HypercallABI
import HypercallCore
import Hypervisor
import LinuxSystem
import Synchronization
import Testing

/// Virtual processors, their registers and their suspension.
@Suite struct ProcessorTests {
    @Test func indices() throws {
        let bench = try Bench(vpCount: 4)
        let id = try bench.activePartition()
        func create(_ index: VPIndex, _ change: (inout CreateVPInput) -> Void = { _ in }) -> HypercallStatus {
            var input = CreateVPInput(partition: id, index: index)
            change(&input)
            return status { try bench.client.createVP(input) }
        }
        #expect(create(0) == .success)
        #expect(create(0) == .invalidVpIndex)
        #expect(create(4) == .invalidVpIndex)
        #expect(create(.max) == .invalidVpIndex)
        #expect(create(1) { $0.subnodeType = 4 } == .invalidParameter)
        #expect(create(1) { $0.flags = 1 } == .invalidParameter)
        #expect(create(3) == .success)
        #expect(try bench.hypervisor.memoryStatistics(of: id).used == 160 + 2 * 80)
        #expect(status { try bench.client.deleteVP(1, of: id) } == .invalidVpIndex)
        #expect(status { try bench.client.deleteVP(3, of: id) } == .success)
        #expect(status { try bench.client.deleteVP(3, of: id) } == .invalidVpIndex)
        #expect(create(3) == .invalidVpIndex, "an index is used once")
        #expect(try bench.hypervisor.memoryStatistics(of: id).used == 160 + 80)
        #expect(throws: HypercallStatus.invalidVpIndex) {
            try bench.hypervisor.hotPath(of: id).virtualProcessor(3)
        }
    }

    @Test func memoryForProcessors() throws {
        let bench = try Bench()
        let id = try bench.activePartition(deposit: 160 + 79)
        #expect(status { try bench.client.createVP(CreateVPInput(partition: id, index: 0)) } == .insufficientMemory)
        try bench.client.depositMemory(bench.pages(0..<1), to: id)
        #expect(status { try bench.client.createVP(CreateVPInput(partition: id, index: 0)) } == .success)
    }

    @Test func registers() throws {
        let bench = try Bench()
        let id = try bench.activePartition()
        let client = bench.client
        try client.createVP(CreateVPInput(partition: id, index: 2))
        try client.setRegisters(
            [
                RegisterAssociation(.rax, 1), RegisterAssociation(.explicitSuspend, 1),
                RegisterAssociation(.rip, 0x1000),
            ],
            of: 2, in: id)
        let values = try client.registers([.rip, .vpIndex, .explicitSuspend, .rax, .rbx], of: 2, in: id)
        #expect(values.map(\.low) == [0x1000, 2, 1, 1, 0])

        func set(_ registers: [RegisterAssociation]) -> HypercallFailure? {
            do throws(HypercallFailure) {
                try client.setRegisters(registers, of: 2, in: id)
                return nil
            } catch { return error }
        }
        let unknown = RegisterName(rawValue: 0x7777_7777)
        let failure = set([RegisterAssociation(.rax, 5), RegisterAssociation(unknown, 1), RegisterAssociation(.rbx, 6)])
        #expect(failure == HypercallFailure(code: .setVpRegisters, status: .invalidParameter, repsCompleted: 1))
        #expect(try client.registers([.rax, .rbx], of: 2, in: id).map(\.low) == [5, 0])
        #expect(set([RegisterAssociation(.explicitSuspend, 2)])?.status == .invalidRegisterValue)
        #expect(set([RegisterAssociation(.vpIndex, 2)])?.status == .accessDenied)
        do throws(HypercallFailure) {
            _ = try client.registers([.rax, .vpIndex, unknown], of: 2, in: id)
            Issue.record("an unknown register was read")
        } catch {
            #expect(error == HypercallFailure(code: .getVpRegisters, status: .invalidParameter, repsCompleted: 2))
        }
        var level = bytes(of: VPRegistersInput(partition: id, index: 2)) + [0, 0, 2, 0]
        level[12] = 0x11
        #expect(
            bench.execute(ControlWord(.getVpRegisters, repCount: 1), level, output: 16).0.status == .invalidParameter)
        // More than fit one call.
        let many = [RegisterAssociation](repeating: RegisterAssociation(.rcx, 3), count: 300)
        #expect(set(many) == nil)
        #expect(try client.registers(many.map(\.name), of: 2, in: id).count == 300)
    }

    /// Runs processor 0 of a partition on a thread and collects its exits.
    private final class Runner: Sendable {
        let exits = Mutex<[VPExit]>([])
        init(_ processor: any VirtualProcessor) throws {
            try SystemThread(name: "test-vp") { [self] in
                while true {
                    let exit = processor.run()
                    exits.withLock { $0.append(exit) }
                    if case .failed = exit { return }
                }
            }.detach()
        }
        var seen: [VPExit] { exits.withLock { $0 } }
    }

    @Test func suspension() throws {
        let bench = try Bench()
        let id = try bench.activePartition()
        let client = bench.client
        try client.createVP(CreateVPInput(partition: id, index: 0))
        let engine = try #require(bench.engine.partition(id)?.processor(0))
        let processor = try bench.hypervisor.hotPath(of: id).virtualProcessor(0)
        let runner = try Runner(processor)
        #expect(eventually { engine.isInside })

        // When the call returns, the processor is outside; an exit that waits is not taken.
        try client.setRegisters([RegisterAssociation(.explicitSuspend, 1)], of: 0, in: id)
        #expect(!engine.isInside)
        engine.give(.halt(wakeAt: nil))
        #expect(runner.seen == [], "the interruption was the suspension's")
        try client.setRegisters([RegisterAssociation(.explicitSuspend, 0)], of: 0, in: id)
        #expect(eventually { runner.seen.contains(.halt(wakeAt: nil)) })

        // The property does the same for the whole partition, and both must be off.
        try client.setPartitionProperty(.suspend, of: id, to: 1)
        #expect(!engine.isInside)
        try client.setRegisters([RegisterAssociation(.explicitSuspend, 1)], of: 0, in: id)
        try client.setPartitionProperty(.suspend, of: id, to: 0)
        #expect(!engine.isInside)

        // Cancelling ends the wait of a suspended processor.
        let before = runner.seen.count
        processor.cancelRun()
        #expect(eventually { runner.seen.count > before })
        #expect(runner.seen.last == .interrupted)

        try client.setRegisters([RegisterAssociation(.explicitSuspend, 0)], of: 0, in: id)
        #expect(eventually { engine.isInside })
        // Deleting waits for it and ends it for good.
        try client.deleteVP(0, of: id)
        #expect(!engine.isInside)
        #expect(eventually { runner.seen.last == .failed("processor 0 of partition \(id) is deleted") })
    }

    @Test func finalizeStopsRunningProcessors() throws {
        let bench = try Bench()
        let id = try bench.activePartition()
        try bench.client.createVP(CreateVPInput(partition: id, index: 0))
        let engine = try #require(bench.engine.partition(id))
        let path = try bench.hypervisor.hotPath(of: id)
        let runner = try Runner(try path.virtualProcessor(0))
        #expect(eventually { engine.processor(0)?.isInside == true })
        try path.signalMSI(address: 0xFEE0_0000, data: 0x41)
        try bench.client.finalizePartition(id)
        #expect(eventually { runner.seen.last == .failed("processor 0 of partition \(id) is deleted") })
        #expect(throws: HypervisorError.self) { try path.signalMSI(address: 0xFEE0_0000, data: 0x42) }
        engine.state.withLock { state in
            #expect(state.messages == [0x41])
            #expect(state.complaints == [])
        }
    }
}
