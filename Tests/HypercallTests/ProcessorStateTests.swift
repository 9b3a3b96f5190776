import EmbeddedHypervisor
import HypercallABI
import HypercallCore
import Hypervisor
import LinuxSystem
import Synchronization
import Testing

/// HvCallGetVpState and its relatives, CPUID values and intercepts.
@Suite struct ProcessorStateTests {
    private func input(_ bench: TouchableBench, _ type: VPStateType) -> VPStateInput {
        VPStateInput(partition: bench.id, index: 0, type: type)
    }

    @Test func statesInPages() throws {
        let bench = try TouchableBench()
        let client = bench.client
        let pages = bench.scratch(3)
        for page in pages { bench.fill(page: page, 0xEE) }
        try client.readVPState(input(bench, .localAPIC), into: pages)
        #expect(
            bench.bytes(ofPage: pages[0]) == [UInt8](repeating: 0xA5, count: 1024) + [UInt8](repeating: 0, count: 3072))
        #expect(bench.bytes(ofPage: pages[1]) == [UInt8](repeating: 0xEE, count: 4096), "more than needed")
        // The XSAVE area has 5000 bytes: not one page.
        #expect(status { try client.readVPState(input(bench, .xsave), into: [pages[0]]) } == .insufficientBuffer)
        try client.readVPState(input(bench, .xsave), into: [pages[2], pages[0]])
        #expect(bench.bytes(ofPage: pages[2]) == [UInt8](repeating: 0x5A, count: 4096))
        #expect(
            bench.bytes(ofPage: pages[0]) == [UInt8](repeating: 0x5A, count: 904) + [UInt8](repeating: 0, count: 3192))
        // And back, exactly as long.
        bench.fill(page: pages[2], 0x11)
        try client.writeVPState(input(bench, .xsave), from: [pages[2], pages[0]])
        let engine = try #require(bench.bench.engine.partition(bench.id)?.processor(0))
        #expect(
            try engine.state(.xsave) == [UInt8](repeating: 0x11, count: 4096) + [UInt8](repeating: 0x5A, count: 904))
        try client.writeVPState(input(bench, .localAPIC), from: [pages[2]])
        #expect(try engine.state(.localAPIC) == [UInt8](repeating: 0x11, count: 4096))
        #expect(status { try client.writeVPState(input(bench, .xsave), from: [pages[0]]) } == .insufficientBuffer)
        // The SynIC's pages are kept apart.
        try client.writeVPState(input(bench, .siefPage), from: [pages[2]])
        try client.readVPState(input(bench, .simPage), into: [pages[1]])
        #expect(bench.bytes(ofPage: pages[1]) == [UInt8](repeating: 0, count: 4096))
        try client.readVPState(input(bench, .siefPage), into: [pages[1]])
        #expect(bench.bytes(ofPage: pages[1]) == [UInt8](repeating: 0x11, count: 4096))
    }

    @Test func stateStatuses() throws {
        let bench = try TouchableBench()
        let page = bench.scratch(1)
        func both(_ input: VPStateInput, _ header: [UInt64]) -> HypercallStatus {
            let reading = status { try bench.client.readVPState(input, into: header) }
            let writing = status { try bench.client.writeVPState(input, from: header) }
            #expect(reading == writing)
            return reading
        }
        for type in [VPStateType.localAPIC, .simPage, .siefPage] {
            #expect(both(input(bench, type), page) == .success)
            #expect(both(input(bench, type), []) == .insufficientBuffer)
            #expect(both(input(bench, type), [0]) == .invalidParameter, "not root memory")
            #expect(both(input(bench, type), [.max]) == .invalidParameter)
            #expect(both(input(bench, type), [bench.bench.firstPage]) == .invalidParameter, "can't be touched")
            #expect(both(input(bench, type), [bench.bench.firstPage + 8192]) == .operationDenied, "deposited")
        }
        #expect(both(input(bench, VPStateType(rawValue: 0x8000_0004)), page) == .invalidParameter)
        #expect(both(input(bench, VPStateType(rawValue: 0)), page) == .invalidParameter)
        var change = input(bench, .xsave)
        change.xsaveFlags = 1
        #expect(both(change, page) == .invalidParameter)
        change = input(bench, .simPage)
        change.index = 1
        #expect(both(change, page) == .invalidVpIndex)
        change.vtl = InputVTL(target: 2, usesTarget: true)
        #expect(both(change, page) == .invalidParameter)
        change.vtl = .current
        change.partition = .own
        #expect(both(change, page) == .invalidPartitionId)
        // More words than a page has room for.
        #expect(both(input(bench, .simPage), [UInt64](repeating: page[0], count: 507)) == .success)
        #expect(both(input(bench, .simPage), [UInt64](repeating: page[0], count: 508)) == .invalidHypercallInput)
        // The control word says more than there is.
        let bytes = HypercallTests.bytes(of: input(bench, .simPage))
        let control = ControlWord(.setVpState, variableHeaderSize: 1)
        #expect(bench.bench.execute(control, bytes).0.status == .invalidHypercallInput)
    }

    @Test func syntheticTimers() throws {
        let bench = try TouchableBench()
        let client = bench.client
        #expect(try client.syntheticTimers(of: 0, in: bench.id) == SyntheticTimersState())
        var timers = SyntheticTimersState()
        for index in 0..<4 {
            timers[index] = SyntheticTimerState(
                isMessagePending: index == 2, configuration: UInt64(index) << 16 | 3, count: 100 + UInt64(index),
                adjustment: 7, undeliveredExpirationTime: .max)
        }
        try client.setSyntheticTimers(timers, of: 0, in: bench.id)
        #expect(try client.syntheticTimers(of: 0, in: bench.id) == timers)
        // The same timers are registers.
        let values = try client.registers([.stimer3Config, .stimer1Count], of: 0, in: bench.id)
        #expect(values.map(\.low) == [0x3_0003, 101])
        try client.setRegisters([RegisterAssociation(.stimer1Count, 5)], of: 0, in: bench.id)
        #expect(try client.syntheticTimers(of: 0, in: bench.id)[1].count == 5)
        let state = input(bench, .syntheticTimers)
        func set(_ words: Int) -> HypercallStatus {
            status { try client.writeVPState(state, from: [UInt64](repeating: 0, count: words)) }
        }
        #expect(set(24) == .insufficientBuffer)
        #expect(set(25) == .success)
        #expect(set(26) == .invalidParameter)
        var words = [UInt64](repeating: 0, count: 25)
        words[24] = 1
        #expect(status { try client.writeVPState(state, from: words) } == .invalidParameter, "reserved")
        #expect(status { try client.readVPState(state, into: bench.scratch(1)) } == .invalidParameter)
    }

    @Test func statePages() throws {
        let bench = try TouchableBench()
        let client = bench.client
        func page(_ type: UInt16, index: VPIndex = 0) -> UnmapVPStatePageInput {
            UnmapVPStatePageInput(partition: bench.id, index: index, type: VPStatePageType(rawValue: type))
        }
        func used() throws -> UInt64 { try bench.bench.hypervisor.memoryStatistics(of: bench.id).used }
        let before = try used()
        let own = try client.mapVPStatePage(MapVPStatePageInput(page(0)))
        #expect(try used() == before + 1)
        // It is there, zero, and found again.
        var bytes = [UInt8](repeating: 1, count: 4096)
        try bytes.withUnsafeMutableBytes { try OwnMemory.read(own * 4096, into: $0) }
        #expect(bytes == [UInt8](repeating: 0, count: 4096))
        #expect(try bench.bench.hypervisor.statePage(.registers, of: 0, in: bench.id) == own)
        #expect(try bench.bench.hypervisor.statePage(.interceptMessage, of: 0, in: bench.id) == nil)
        #expect(status { _ = try client.mapVPStatePage(MapVPStatePageInput(page(0))) } == .objectInUse)
        let given = bench.scratch(1)[0]
        #expect(try client.mapVPStatePage(MapVPStatePageInput(page(1), location: given)) == given)
        #expect(try used() == before + 1)
        try client.unmapVPStatePage(page(1))
        #expect(status { try client.unmapVPStatePage(page(1)) } == .notFound)
        func map(_ location: UInt64) -> HypercallStatus {
            status { _ = try client.mapVPStatePage(MapVPStatePageInput(page(1), location: location)) }
        }
        #expect(map(0) == .invalidParameter)
        #expect(map(bench.bench.firstPage + 8192) == .operationDenied)
        for (type, expected) in [(2, .featureUnavailable), (3, .invalidParameter)] as [(UInt16, HypercallStatus)] {
            #expect(status { _ = try client.mapVPStatePage(MapVPStatePageInput(page(type))) } == expected)
            #expect(status { try client.unmapVPStatePage(page(type)) } == expected)
        }
        #expect(status { try client.unmapVPStatePage(page(0, index: 3)) } == .invalidVpIndex)
        try client.unmapVPStatePage(page(0))
        #expect(try used() == before)
        _ = try client.mapVPStatePage(MapVPStatePageInput(page(0)))
        try client.deleteVP(0, of: bench.id)
        #expect(try used() == before - 80)
    }

    @Test func cpuidValues() throws {
        let bench = try TouchableBench()
        let client = bench.client
        func values(_ leaves: [CPUIDLeaf], applies: Bool = true) throws -> [CPUIDRegisters] {
            try client.cpuidValues(
                leaves,
                for: CPUIDValuesInput(
                    partition: bench.id, index: 0, usesProcessorFeatures: true, appliesRegisteredResults: applies))
        }
        func register(_ result: CPUIDResultParameters) -> HypercallStatus {
            status {
                try client.registerInterceptResult(
                    RegisterInterceptResultInput(partition: bench.id, index: 0, parameters: .cpuid(result)))
            }
        }
        let plain = CPUIDRegisters(eax: 5, ebx: 2, ecx: 0xFFFF_FFFF, edx: 7)
        #expect(try values([CPUIDLeaf(leaf: 5, subleaf: 2)]) == [plain])
        let values1 = CPUIDRegisters(eax: 0xF0, ebx: 0xF0, ecx: 0, edx: 0)
        let masks = CPUIDRegisters(eax: 0xFF, ebx: 0, ecx: 0xFFFF, edx: 0)
        #expect(register(CPUIDResultParameters(leaf: 5, values: values1, masks: masks)) == .success)
        let changed = CPUIDRegisters(eax: 0xF0, ebx: 2, ecx: 0xFFFF_0000, edx: 7)
        let leaves = [CPUIDLeaf(leaf: 5, subleaf: 2), CPUIDLeaf(leaf: 6, subleaf: 2)]
        #expect(try values(leaves).first == changed)
        #expect(try values(leaves).last?.eax == 6)
        #expect(try values(leaves, applies: false).first == plain)
        // A subleaf of its own comes on top, and replaces only itself.
        let specific = CPUIDResultParameters(
            leaf: 5, subleaf: 2, isSubleafSpecific: true, values: CPUIDRegisters(edx: 1),
            masks: CPUIDRegisters(edx: 0xFF))
        #expect(register(specific) == .success)
        #expect(register(specific) == .success)
        #expect(try values([CPUIDLeaf(leaf: 5, subleaf: 2)])[0].edx == 1)
        #expect(try values([CPUIDLeaf(leaf: 5, subleaf: 3)])[0].edx == 7)
        // Where the hypervisor has nothing, only an overriding result counts.
        var zero = CPUIDResultParameters(
            leaf: 0x200, values: CPUIDRegisters(eax: 3), masks: CPUIDRegisters(eax: .max))
        #expect(register(zero) == .success)
        #expect(try values([CPUIDLeaf(leaf: 0x200)]) == [CPUIDRegisters()])
        zero.alwaysOverrides = true
        #expect(register(zero) == .success)
        #expect(try values([CPUIDLeaf(leaf: 0x200)]) == [CPUIDRegisters(eax: 3)])
        let engine = try #require(bench.bench.engine.partition(bench.id)?.processor(0))
        #expect(engine.cpuidResults.count == 3, "the engine is told, each leaf once")
        #expect(try values((0..<400).map { CPUIDLeaf(leaf: $0 % 0x100) }).count == 400, "more than fit one call")
        for leaf in 0x1000..<(0x1000 + 509) as Range<UInt32> {
            zero.leaf = leaf
            #expect(register(zero) == .success)
        }
        zero.leaf = 0x9999
        #expect(register(zero) == .noResources)
    }

    @Test func intercepts() throws {
        let bench = try TouchableBench()
        func install(_ type: InterceptType, _ access: InterceptAccessMask, _ parameter: UInt64) -> HypercallStatus {
            status {
                try bench.client.installIntercept(
                    InstallInterceptInput(partition: bench.id, access: access, type: type, parameter: parameter))
            }
        }
        #expect(install(.cpuid, .execute, 0x100) == .success)
        #expect(install(.ioPort, [.read, .write], 0xFFFF) == .success)
        #expect(install(.msrIndex, [], 0xFFFF_FFFF) == .success)
        let engine = try #require(bench.bench.engine.partition(bench.id))
        #expect(
            engine.state.withLock { $0.intercepts } == [
                FakeIntercept(type: 2, access: 4, parameter: 0x100),
                FakeIntercept(type: 0, access: 3, parameter: 0xFFFF),
                FakeIntercept(type: 12, access: 0, parameter: 0xFFFF_FFFF),
            ])
        #expect(install(.mmio, .read, 0) == .featureUnavailable, "the engine's word")
        #expect(install(.cpuid, .read, 0) == .invalidParameter)
        #expect(install(.ioPort, .execute, 0) == .invalidParameter)
        #expect(install(.hypercall, InterceptAccessMask(rawValue: 8), 0) == .invalidParameter)
        #expect(install(.mmio, InterceptAccessMask(rawValue: 8), 0) == .invalidParameter)
        #expect(install(.ioPort, .read, 0x1_0000) == .invalidParameter)
        #expect(install(.cpuid, .execute, 1 << 32) == .invalidParameter)
        #expect(install(.exception, .execute, 32) == .invalidParameter)
        #expect(install(.exception, .execute, 31) == .success)
        #expect(install(.ioPortRange, .read, 0x20 << 16 | 0x21) == .invalidParameter)
        #expect(install(.ioPortRange, .read, 0x21 << 16 | 0x20) == .success)
        #expect(install(InterceptType(rawValue: 4), .read, 0) == .invalidParameter)
        #expect(install(InterceptType(rawValue: .max), .read, 0) == .invalidParameter)
        let created = try bench.client.createPartition(CreatePartitionInput(flags: []))
        let early = InstallInterceptInput(partition: created, access: .execute, type: .cpuid, parameter: 0)
        #expect(status { try bench.client.installIntercept(early) } == .invalidPartitionState)
    }

    /// Bytes at random for a partition and a processor that exist: nothing may trap, and memory that the guest does not
    /// have stays as it is. A dispatch is left out, since it waits for the processor.
    @Test func bytesOfNoMeaning() throws {
        var random = SeededGenerator(seed: 0xD15C)
        let bench = try TouchableBench()
        try bench.client.setPartitionProperty(.gpaPageAccessTracking, of: bench.id, to: 1)
        let untouched = bench.scratch(8)
        for page in untouched { bench.fill(page: page, 0xC3) }
        let definitions = CallCatalogue.all.filter {
            [.memory, .processors, .processorState].contains($0.group)
                && ![.dispatchVp, .deleteVp, .depositMemory, .mapGpaPages, .unmapGpaPages].contains($0.code)
        }
        var statuses: Set<HypercallStatus> = []
        for step in 0..<20_000 {
            let definition = try #require(definitions.randomElement(using: &random))
            let form = definition.form
            // Sparse bits get further than random ones.
            var input = (0..<512).map { _ in UInt8(truncatingIfNeeded: random.next() & random.next() & random.next()) }
            if step % 2 == 0 { for index in 16..<512 where index % 5 != 0 { input[index] = 0 } }
            let offset = definition.code.rawValue == 0xD7 || definition.code.rawValue == 0xD8 ? 8 : 0
            for index in 0..<8 { input[offset + index] = index == 0 ? UInt8(bench.id.rawValue) : 0 }
            if offset == 0 { for index in 8..<12 { input[index] = 0 } }
            let isRep = form.repetition != nil
            let control = ControlWord(
                definition.code,
                variableHeaderSize: form.hasVariableHeader ? Int.random(in: 0...26, using: &random) : 0,
                repCount: isRep ? Int.random(in: 1...6, using: &random) : 0)
            statuses.insert(bench.bench.execute(control, input, output: 256).0.status)
        }
        #expect(statuses.count > 6)
        for page in untouched { #expect(bench.bytes(ofPage: page) == [UInt8](repeating: 0xC3, count: 4096)) }
    }
}
