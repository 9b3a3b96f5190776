import EmbeddedHypervisor
import HypercallABI
import HypercallCore
import Hypervisor
import LinuxSystem
import Testing

/// Properties of partitions and of the machine, and the calls of the root about itself.
@Suite struct PropertyTests {
    /// An Intel processor of the tests' own.
    private static func cpuid(_ leaf: UInt32, _ subleaf: UInt32) -> CPUIDRegisters {
        switch (leaf, subleaf) {
        case (0, _): CPUIDRegisters(eax: 0x16, ebx: 0x756E_6547, ecx: 0x6C65_746E, edx: 0x4965_6E69)
        // SSE3, XSAVE, AVX; lines of 64 bytes.
        case (1, _): CPUIDRegisters(ebx: 8 << 8, ecx: 1 | 1 << 26 | 1 << 28)
        case (7, 0): CPUIDRegisters(ebx: 1 << 5 | 1 << 16, ecx: 1 << 7)
        case (0xD, 0): CPUIDRegisters(eax: 0x7, ebx: 576, ecx: 832)
        case (0xD, 1): CPUIDRegisters(eax: 0xA, ecx: 0x800)
        case (0xD, 2): CPUIDRegisters(eax: 256, ebx: 576)
        case (0xD, 11): CPUIDRegisters(eax: 16, ecx: 3)
        case (0x15, _): CPUIDRegisters(eax: 2, ebx: 200, ecx: 24_000_000)
        case (0x8000_0000, _): CPUIDRegisters(eax: 0x8000_0008)
        case (0x8000_0001, _): CPUIDRegisters(edx: 1 << 26)
        case (0x8000_0008, _): CPUIDRegisters(eax: 0x302E)
        default: .zero
        }
    }

    private static let host = HostProcessor(clockFrequency: 7, cpuid: cpuid)

    private struct Subject {
        let hypervisor: EmbeddedHypervisor
        let client: HypercallClient
        let bench: Bench
        init() throws {
            bench = try Bench()
            hypervisor = EmbeddedHypervisor(
                engine: bench.engine, firstPartitionID: PartitionID(rawValue: 7), vpCount: 4, host: PropertyTests.host)
            hypervisor.registerRootMemory(base: bench.memory.base, count: bench.memory.count)
            client = HypercallClient(hypervisor.port)
        }
        func initialize(_ id: PartitionID) throws {
            try client.depositMemory(bench.pages(0..<512), to: id)
            try client.initializePartition(id)
        }
        func set(_ property: PartitionProperty, _ value: UInt64, _ id: PartitionID) -> HypercallStatus {
            status { try client.setPartitionProperty(property, of: id, to: value) }
        }
    }

    @Test func hostProcessor() {
        let host = Self.host
        #expect(host.vendor == 1)
        #expect(host.features0 == 1 | 1 << 15)
        #expect(host.features1 == 1 << 8)
        #expect(host.xsaveFeatures == 1 << 0 | 1 << 2 | 1 << 3 | 1 << 6 | 1 << 11 | 1 << 12)
        #expect(host.xsaveStates == 0x807)
        // 576, 256 and, at a multiple of 64, 16.
        #expect(host.maximumXsaveSize == 848)
        #expect(host.cacheLineFlushShift == 6)
        #expect(host.physicalAddressBits == 46)
        #expect(host.clockFrequency == 2_400_000_000)

        // What the processor does not list is not asked: other leaves would answer.
        let old = HostProcessor(clockFrequency: 7) { leaf, _ in
            leaf == 0
                ? CPUIDRegisters(eax: 1, ebx: 0x6874_7541)
                : leaf == 0x8000_0000 ? .zero : CPUIDRegisters(eax: .max, ebx: .max, ecx: 0, edx: .max)
        }
        #expect(old.vendor == 0)
        #expect(old.features0 == 0)
        #expect(old.xsaveStates == 0)
        #expect(old.maximumXsaveSize == 512)
        #expect(old.physicalAddressBits == 36)
        #expect(old.clockFrequency == 7)
        // The clock of a hypervisor below, in kHz.
        let guest = HostProcessor(clockFrequency: 7) { leaf, _ in
            switch leaf {
            case 0: CPUIDRegisters(eax: 1)
            case 1: CPUIDRegisters(ecx: 1 << 31)
            case 0x4000_0000: CPUIDRegisters(eax: 0x4000_0010)
            case 0x4000_0010: CPUIDRegisters(eax: 2_596_000)
            default: .zero
            }
        }
        #expect(guest.clockFrequency == 2_596_000_000)
    }

    @Test func processorProperties() throws {
        let subject = try Subject()
        let client = subject.client
        let id = try client.createPartition(
            CreatePartitionInput(
                flags: [], disabledFeatures0: 1, disabledFeatures1: ~(1 << 8), disabledXsaveFeatures: 1 << 6))
        let expected: [(PartitionProperty, UInt64, own: UInt64)] = [
            (.processorVendor, 1, 1), (.processorFeatures0, 1 << 15, 1 | 1 << 15),
            (.processorFeaturesDeprecated, 1 << 15, 1 | 1 << 15), (.processorFeatures1, 1 << 8, 1 << 8),
            (.processorXsaveFeatures, 0x180D, 0x184D), (.xsaveStates, 0x807, 0x807),
            (.maxXsaveDataSize, 848, 848), (.processorClFlushSize, 6, 6), (.physicalAddressWidth, 46, 46),
            (.implementedPhysicalAddressBits, 46, 46), (.processorClockFrequency, 2_400_000_000, 2_400_000_000),
            (.compatibilityVersion, 0x609, 0x609), (.isolationState, 1, 1), (.processorVirtualizationFeatures, 0, 0),
        ]
        for (property, value, own) in expected {
            #expect(try client.partitionProperty(property, of: id) == value, "\(property)")
            #expect(try client.partitionProperty(property, of: .own) == own, "\(property) of the root")
            #expect(subject.set(property, value, id) == .accessDenied, "\(property)")
            #expect(subject.set(property, value, .own) == .invalidPartitionId, "\(property)")
        }
        // Without XSAVE there is no state to save.
        let without = try client.createPartition(CreatePartitionInput(flags: [], disabledXsaveFeatures: 1))
        #expect(try client.partitionProperty(.xsaveStates, of: without) == 0)
    }

    @Test func everyProperty() throws {
        let subject = try Subject()
        let id = try subject.client.createPartition(CreatePartitionInput(flags: []))
        for (name, value) in try Fixture.numbers("properties.csv") where name.hasPrefix("HV_PARTITION_PROPERTY_") {
            let property = PartitionProperty(rawValue: UInt32(value))
            let plain = status { _ = try subject.client.partitionProperty(property, of: id) }
            let extended = status { _ = try subject.client.bankedProperty(property, of: id) }
            let isExtended = value >> 16 == 9
            let isOfOtherProcessors = (0x5_0028...0x5_002E).contains(value)
            #expect(plain == (isExtended || isOfOtherProcessors ? .unknownProperty : .success), "\(name)")
            #expect(extended == (isExtended ? .success : .unknownProperty), "\(name)")
            let root = status { _ = try subject.client.partitionProperty(property, of: .own) }
            #expect(root == plain, "\(name)")
        }
    }

    @Test func values() throws {
        let subject = try Subject()
        let client = subject.client
        let id = try client.createPartition(CreatePartitionInput(flags: []))
        let assignable = try client.bankedProperty(.assignableSyntheticProcFeatures, of: id)
        #expect(try client.bankedProperty(.assignableSyntheticProcFeatures, of: .own) == assignable)
        #expect(assignable.banks == [0b11_1011_1111])
        // Fixed from initialize on; a value is looked at last.
        #expect(subject.set(.syntheticProcFeatures, assignable[0], id) == .success)
        #expect(subject.set(.syntheticProcFeatures, 1 << 6, id) == .propertyValueOutOfRange)
        #expect(subject.set(.privilegeFlags, 1 << 32, id) == .success)
        #expect(subject.set(.privilegeFlags, 1 << 63, id) == .propertyValueOutOfRange)
        try subject.initialize(id)
        #expect(subject.set(.syntheticProcFeatures, 1 << 6, id) == .invalidPartitionState)
        #expect(subject.set(.privilegeFlags, 0, id) == .invalidPartitionState)
        #expect(try client.partitionProperty(.syntheticProcFeatures, of: id) == assignable[0])
        #expect(try client.partitionProperty(.privilegeFlags, of: id) == 1 << 32)
        // At any time.
        #expect(subject.set(.cpuGroupId, 0, id) == .success)
        #expect(subject.set(.cpuGroupId, 1, id) == .invalidCpuGroupId)
        #expect(subject.set(.gpaPageAccessTracking, 2, id) == .propertyValueOutOfRange)
        #expect(subject.set(.unimplementedMsrAction, 1, id) == .success)
        #expect(subject.set(.unimplementedMsrAction, 2, id) == .propertyValueOutOfRange)
        #expect(subject.set(.allocationId, 1, id) == .propertyValueOutOfRange)
        #expect(subject.set(.integratedSchedulerEnabled, 1, id) == .accessDenied)
        #expect(subject.set(.vmmCapabilities, 1, id) == .unknownProperty)
    }

    @Test func referenceTime() throws {
        let subject = try Subject()
        let client = subject.client
        let id = try client.createPartition(CreatePartitionInput(flags: []))
        let first = try client.partitionProperty(.referenceTime, of: id)
        #expect(subject.set(.referenceTime, 5, id) == .invalidPartitionState, "it runs")
        #expect(subject.set(.timeFreeze, 1, id) == .success)
        let frozen = try client.partitionProperty(.referenceTime, of: id)
        #expect(frozen >= first)
        breathe()
        #expect(try client.partitionProperty(.referenceTime, of: id) == frozen)
        #expect(subject.set(.referenceTime, 1 << 40, id) == .success)
        #expect(try client.partitionProperty(.referenceTime, of: id) == 1 << 40)
        #expect(subject.set(.timeFreeze, 0, id) == .success)
        #expect(eventually { (try? client.partitionProperty(.referenceTime, of: id)) ?? 0 > 1 << 40 })
        // And no value of the caller's is too much.
        #expect(subject.set(.timeFreeze, 1, id) == .success)
        #expect(subject.set(.referenceTime, .max, id) == .success)
        #expect(subject.set(.timeFreeze, 0, id) == .success)
        _ = try client.partitionProperty(.referenceTime, of: id)
    }

    @Test func bankedProperties() throws {
        let subject = try Subject()
        let client = subject.client
        let id = try client.createPartition(CreatePartitionInput(flags: []))
        #expect(try client.bankedProperty(.vmmCapabilities, of: .own).banks == [1 << 1 | 1 << 4])
        #expect(try client.bankedProperty(.vmmCapabilities, of: id).banks == [0])
        let gone = PartitionID(rawValue: 99)
        #expect(status { _ = try client.bankedProperty(.vmmCapabilities, of: gone) } == .invalidPartitionId)
        let argument = bytes(
            of: GetPartitionPropertyExInput(partition: .own, property: .vmmCapabilities, argument: 1))
        let room = GetPartitionPropertyExInput.outputSize
        let execute = subject.bench.execute
        #expect(execute(ControlWord(.getPartitionPropertyEx), argument, room).0 == ResultWord(.invalidParameter))
        let short = execute(ControlWord(.getPartitionPropertyEx), argument, room - 1).0
        #expect(short == ResultWord(.invalidHypercallInput))
    }

    @Test func systemProperties() throws {
        let client = try Subject().client
        #expect(try client.systemProperty(.schedulerType) == 4)
        #expect(status { _ = try client.systemProperty(.schedulerType, argument: 1) } == .invalidParameter)
        #expect(try client.systemProperty(.dynamicProcessorFeature, argument: 0xD) == 0)
        #expect(status { _ = try client.systemProperty(.dynamicProcessorFeature) } == .invalidParameter)
        #expect(status { _ = try client.systemProperty(.sleepState) } == .accessDenied)
        #expect(status { _ = try client.systemProperty(.crashDumpArea) } == .featureUnavailable)
        let unknown = SystemProperty(rawValue: 0x1234)
        #expect(status { _ = try client.systemProperty(unknown) } == .unknownProperty)

        func set(_ property: SystemProperty, _ state: UInt32) -> HypercallStatus {
            status {
                try client.setSystemProperty(
                    SetSystemPropertyInput(property: property, sleep: SleepStateInfo(state: state, pm1a: 5)))
            }
        }
        #expect(set(.schedulerType, 1) == .accessDenied)
        #expect(set(unknown, 1) == .unknownProperty)
        #expect(set(.sleepState, 0) == .propertyValueOutOfRange)
        #expect(set(.sleepState, 7) == .propertyValueOutOfRange)
        #expect(set(.sleepState, 5) == .success)
        #expect(set(.sleepState, SleepStateInfo.lock) == .success)
        #expect(set(.sleepState, 5) == .accessDenied)
        #expect(set(.sleepState, 0) == .propertyValueOutOfRange)
    }

    @Test func childrenAndEvents() throws {
        let subject = try Subject()
        let client = subject.client
        #expect(try client.ownPartitionID() == .own)
        #expect(try client.nextChild(of: .own) == nil)
        let ids = try (0..<3).map { _ in try client.createPartition(CreatePartitionInput(flags: [])) }
        #expect(try client.nextChild(of: .own) == ids[0])
        #expect(try client.nextChild(of: .own, after: ids[0]) == ids[1])
        try client.deletePartition(ids[1])
        #expect(try client.nextChild(of: .own, after: ids[0]) == ids[2])
        #expect(try client.nextChild(of: .own, after: ids[1]) == ids[2], "gone, but its place is known")
        #expect(try client.nextChild(of: .own, after: ids[2]) == nil)
        #expect(try client.nextChild(of: ids[0]) == nil, "it has none")
        #expect(status { _ = try client.nextChild(of: ids[1]) } == .invalidPartitionId)

        func notify(_ event: PartitionEvent, _ argument: UInt32 = 0) -> HypercallStatus {
            status { try client.notifyPartitionEvent(NotifyPartitionEventInput(event: event, argument: argument)) }
        }
        #expect(notify(.allLogicalProcessorsStarted) == .success)
        #expect(notify(.allLogicalProcessorsStarted, 1) == .invalidParameter)
        #expect(notify(PartitionEvent(rawValue: 3)) == .invalidParameter)
        #expect(notify(.rootCrashDump, 5) == .invalidParameter)
        #expect(notify(.rootCrashDump, 3) == .success)
        #expect(try client.partitionProperty(.suspend, of: ids[2]) == 0)
        #expect(notify(.rootCrashDump, CrashDumpAction.suspendAllVPs.rawValue) == .success)
        for id in [ids[0], ids[2]] { #expect(try client.partitionProperty(.suspend, of: id) == 1) }
    }
}
