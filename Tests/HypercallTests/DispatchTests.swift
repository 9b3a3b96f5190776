import EmbeddedHypervisor
import HypercallABI
import HypercallCore
import Hypervisor
import LinuxSystem
import Synchronization
import Testing

/// HvCallDispatchVp, starting processors, registers of the hypervisor itself, and answers to MSR accesses.
@Suite struct DispatchTests {
    private func dispatch(_ bench: TouchableBench, _ flags: DispatchVPFlags = []) throws -> DispatchVPOutput {
        try bench.client.dispatchVP(DispatchVPInput(partition: bench.id, index: 0, flags: flags))
    }

    private func engine(_ bench: TouchableBench) throws -> FakeVP {
        try #require(bench.bench.engine.partition(bench.id)?.processor(0))
    }

    @Test func intercepts() throws {
        let bench = try TouchableBench()
        let fake = try engine(bench)
        let intercept = DispatchVPOutput(state: .ready, event: .intercept)
        fake.give(.portWrite(port: 1, size: 1, value: 2))
        #expect(try dispatch(bench) == intercept)
        #expect(try bench.client.registers([.interceptSuspend], of: 0, in: bench.id)[0].low == 1)
        #expect(try dispatch(bench) == intercept, "it is not over")
        #expect(fake.runs == 1)
        // The one who runs it finds the exit.
        let processor = try bench.bench.hypervisor.hotPath(of: bench.id).virtualProcessor(0)
        #expect(processor.run() == .portWrite(port: 1, size: 1, value: 2))
        fake.give(.portWrite(port: 3, size: 1, value: 4))
        #expect(try dispatch(bench, .clearInterceptSuspend) == intercept)
        #expect(fake.runs == 2)
        fake.give(.halt(wakeAt: nil))
        #expect(try dispatch(bench, .clearInterceptSuspend) == DispatchVPOutput(state: .blocked, event: .none))
        #expect(try bench.client.registers([.interceptSuspend], of: 0, in: bench.id)[0].low == 0)
        processor.cancelRun()
        #expect(try dispatch(bench) == DispatchVPOutput(state: .ready, event: .none))
        fake.give(.failed("broken"))
        #expect(status { _ = try dispatch(bench) } == .operationFailed)
    }

    @Test func suspensions() throws {
        let bench = try TouchableBench()
        let suspended = DispatchVPOutput(state: .blocked, event: .suspend)
        for name in [RegisterName.explicitSuspend, .dispatchSuspend] {
            try bench.client.setRegisters([RegisterAssociation(name, 1)], of: 0, in: bench.id)
            #expect(try dispatch(bench) == suspended)
            #expect(try bench.client.registers([name], of: 0, in: bench.id)[0].low == 1)
            try bench.client.setRegisters([RegisterAssociation(name, 0)], of: 0, in: bench.id)
        }
        try bench.client.setPartitionProperty(.suspend, of: bench.id, to: 1)
        #expect(try dispatch(bench) == suspended)
        try bench.client.setPartitionProperty(.suspend, of: bench.id, to: 0)
        #expect(try engine(bench).runs == 0)
        // Set by hand, an intercept waits until it is cleared.
        try bench.client.setRegisters([RegisterAssociation(.interceptSuspend, 1)], of: 0, in: bench.id)
        #expect(try dispatch(bench) == DispatchVPOutput(state: .ready, event: .intercept))
        for name in [RegisterName.explicitSuspend, .dispatchSuspend, .interceptSuspend] {
            let set = status { try bench.client.setRegisters([RegisterAssociation(name, 2)], of: 0, in: bench.id) }
            #expect(set == .invalidRegisterValue)
        }
    }

    @Test func dispatchStatuses() throws {
        let bench = try TouchableBench()
        func status(_ change: (inout DispatchVPInput) -> Void) -> HypercallStatus {
            var input = DispatchVPInput(partition: bench.id, index: 0)
            change(&input)
            return HypercallTests.status { _ = try bench.client.dispatchVP(input) }
        }
        #expect(status { $0.flags = DispatchVPFlags(rawValue: 0x80) } == .invalidParameter)
        #expect(status { $0.timeSlice = 1 } == .featureUnavailable)
        #expect(status { $0.index = 1 } == .invalidVpIndex)
        #expect(status { $0.partition = .invalid } == .invalidPartitionId)
        // While somebody else runs it.
        let processor = try bench.bench.hypervisor.hotPath(of: bench.id).virtualProcessor(0)
        let ended = Flag()
        try SystemThread(name: "test-vp") {
            _ = processor.run()
            ended.value.store(true, ordering: .releasing)
        }.detach()
        let fake = try engine(bench)
        #expect(eventually { fake.isInside })
        #expect(status { _ in } == .invalidVpState)
        processor.cancelRun()
        #expect(eventually { ended.value.load(ordering: .acquiring) })
    }

    private final class Flag: Sendable {
        let value = Atomic<Bool>(false)
    }

    @Test func startedProcessors() throws {
        let bench = try TouchableBench()
        try bench.client.createVP(CreateVPInput(partition: bench.id, index: 1))
        var context = InitialVPContext()
        context.rip = 0x1000
        context.cr3 = 0x2000
        context.set(.cs, RegisterValue(low: 5, high: 6))
        func start(_ index: VPIndex, vtl: UInt8 = 0) -> HypercallStatus {
            let vtl = InputVTL(target: vtl, usesTarget: false)
            return status {
                try bench.client.startVP(StartVPInput(partition: bench.id, index: index, vtl: vtl, context: context))
            }
        }
        #expect(start(1, vtl: 1) == .featureUnavailable)
        #expect(start(1) == .success)
        #expect(start(1) == .invalidVpState)
        #expect(start(2) == .invalidVpIndex)
        let values = try bench.client.registers([.rip, .cr3, .cs, .internalActivityState], of: 1, in: bench.id)
        #expect(
            values == [RegisterValue(0x1000), RegisterValue(0x2000), RegisterValue(low: 5, high: 6), RegisterValue(0)])
        try engine(bench).give(.halt(wakeAt: nil))
        _ = try dispatch(bench)
        #expect(start(0) == .invalidVpState, "it has run")
        let input = StartVPInput(partition: bench.id, index: 0)
        #expect(status { try bench.client.enableVPVTL(input) } == .invalidParameter)
        var higher = input
        higher.vtl = InputVTL(target: 2, usesTarget: false)
        #expect(status { try bench.client.enableVPVTL(higher) } == .featureUnavailable)
    }

    @Test func apicIDs() throws {
        let bench = try TouchableBench()
        try bench.client.createVP(CreateVPInput(partition: bench.id, index: 3))
        let input = VPIndexFromAPICIDInput(partition: bench.id)
        #expect(try bench.client.vpIndices(ofAPICIDs: [3, 0, 3], for: input) == [3, 0, 3])
        do throws(HypercallFailure) {
            _ = try bench.client.vpIndices(ofAPICIDs: [3, 1, 0], for: input)
            Issue.record("there is no processor 1")
        } catch {
            #expect(error == HypercallFailure(code: .getVpIndexFromApicId, status: .invalidParameter, repsCompleted: 1))
        }
    }

    @Test func hypervisorRegisters() throws {
        let bench = try TouchableBench()
        let client = bench.client
        try client.createVP(CreateVPInput(partition: bench.id, index: 1))
        func get(_ name: RegisterName, _ index: VPIndex = 0) throws -> UInt64 {
            try client.registers([name], of: index, in: bench.id)[0].low
        }
        func set(_ name: RegisterName, _ value: UInt64, high: UInt64 = 0) -> HypercallStatus {
            status {
                let value = RegisterValue(low: value, high: high)
                try client.setRegisters([RegisterAssociation(name, value)], of: 0, in: bench.id)
            }
        }
        // The partition's are the same from every processor.
        for (name, value) in [
            (.guestOsId, .max), (.hypercall, 0x1003), (.referenceTsc, 0x7001), (.guestCrashP2, 9), (.guestCrashCtl, 1),
        ] as [(RegisterName, UInt64)] {
            #expect(try get(name) == 0)
            #expect(set(name, value) == .success)
            #expect(try get(name, 1) == value)
            #expect(set(name, value, high: 1) == .success, "a 64-bit register: the other half means nothing")
        }
        for (name, value, wrong) in [
            (.vpAssistPage, 0x1001, 2), (.simp, 0x2001, 0x800), (.siefp, 0x3001, 4), (.scontrol, 1, 2),
            (.sint0, 0x1_00FF, 0x100), (.sint15, 0x1F_0030, 0x20_0000), (.stimer0Config, 0xF_1FFF, 0x2000),
        ] as [(RegisterName, UInt64, UInt64)] {
            #expect(set(name, value) == .success)
            #expect(set(name, wrong) == .invalidRegisterValue, "\(name)")
            #expect(try get(name) == value)
            #expect(try get(name, 1) != value)
        }
        #expect(try get(.sint3) == 0x1_0000, "masked at first")
        #expect(set(.hypercall, 4) == .invalidRegisterValue)
        #expect(set(.internalActivityState, 2) == .success)
        #expect(try get(.internalActivityState) == 2)
        #expect(set(.internalActivityState, 8) == .invalidRegisterValue)
        #expect(try get(.sversion) == 1)
        #expect(try get(.vpIndex, 1) == 1)
        for name in [RegisterName.vpRuntime, .timeRefCount, .sversion, .vpIndex] {
            #expect(set(name, 0) == .accessDenied)
        }
        let first = try get(.timeRefCount)
        #expect(eventually { ((try? get(.timeRefCount)) ?? 0) > first })
        #expect(try get(.vpRuntime) == 0)
        let processor = try bench.bench.hypervisor.hotPath(of: bench.id).virtualProcessor(0)
        let fake = try engine(bench)
        #expect(
            eventually {
                fake.give(.portWrite(port: 0, size: 1, value: 0))
                _ = processor.run()
                return ((try? get(.vpRuntime)) ?? 0) > 0
            })
    }

    @Test func answeredMSRs() throws {
        let bench = try TouchableBench()
        func register(
            _ index: UInt32, _ access: InterceptAccessMask, _ action: UnimplementedMSRAction
        ) -> HypercallStatus {
            let parameters = MSRResultParameters(index: index, access: access, action: action)
            return status {
                try bench.client.registerInterceptResult(
                    RegisterInterceptResultInput(partition: bench.id, index: 0, parameters: .msr(parameters)))
            }
        }
        #expect(register(0x10, [.read, .write], .ignoreWriteReadZero) == .success)
        #expect(register(0x10, [.write], .fault) == .success)
        #expect(register(0x10, [], .fault) == .invalidParameter)
        #expect(register(0x10, [.execute], .fault) == .invalidParameter)
        let fake = try engine(bench)
        fake.give(.msrRead(index: 0x10))
        fake.give(.msrWrite(index: 0x10, value: 1))
        fake.give(.msrRead(index: 0x11))
        let processor = try bench.bench.hypervisor.hotPath(of: bench.id).virtualProcessor(0)
        #expect(processor.run() == .msrRead(index: 0x11))
        #expect(fake.answers == [.read(0), .failure])
        let result = CPUIDRegisters(eax: 1, ebx: 2, ecx: 3, edx: 4)
        processor.completeCPUID(result)
        #expect(fake.answers.last == .cpuid(result))
    }

    @Test func logicalProcessors() throws {
        let bench = try Bench()
        let first = try bench.client.logicalProcessorRunTime(0)
        #expect(first.global > 0)
        #expect(first.local > 0)
        #expect(first.local <= first.global)
        #expect(status { _ = try bench.client.logicalProcessorRunTime(1_000_000) } == .invalidLpIndex)
    }
}
