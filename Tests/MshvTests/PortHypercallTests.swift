import CMshv
import Glibc
import HypercallABI
import HypercallCore
import Hypervisor
import LinuxSystem
import Synchronization
import Testing

@testable import MshvHypervisor

/// Lines that the port reports.
final class PortReports: Sendable {
    let lines = Mutex<[String]>([])
    func add(_ line: String) { lines.withLock { $0.append(line) } }
    func contain(_ text: String) -> Bool { lines.withLock { $0.contains { $0.contains(text) } } }
}

/// A hypervisor on a fake driver, and typed calls to it.
struct PortHarness {
    let driver: FakeDriver
    let reports = PortReports()
    let hypervisor: MshvHypervisor
    let client: HypercallClient

    init(_ generation: FakeDriver.Generation = .later, firstPartitionID: UInt64 = 7) {
        driver = FakeDriver(generation)
        hypervisor = MshvHypervisor(
            device: driver.device, firstPartitionID: PartitionID(rawValue: firstPartitionID),
            report: { [reports] in reports.add($0) })
        client = HypercallClient(hypervisor.port)
    }

    func activePartition() throws -> PartitionID {
        let id = try client.createPartition(CreatePartitionInput(flags: [.lapicEnabled, .x2apicCapable]))
        try client.initializePartition(id)
        return id
    }
}

@Suite struct PortHypercallTests {
    @Test func idsAreTheLowestFreeOnes() throws {
        let port = PortHarness()
        let ids = try (0..<3).map { _ in try port.client.createPartition(CreatePartitionInput(flags: [])) }
        #expect(ids.map(\.rawValue) == [7, 8, 9])
        try port.client.deletePartition(ids[1])
        #expect(try port.client.createPartition(CreatePartitionInput(flags: [])) == ids[1])
        #expect(throws: HypercallFailure(code: .deletePartition, status: .invalidPartitionId)) {
            try port.client.deletePartition(PartitionID(rawValue: 3))
        }
    }

    @Test func flagsBecomeTheDriversBits() throws {
        let port = PortHarness()
        _ = try port.client.createPartition(
            CreatePartitionInput(flags: [.lapicEnabled, .x2apicCapable, .smtEnabledGuest, .exoPartition]))
        let arguments = try #require(port.driver.state.withLock { $0.create.first })
        #expect(arguments.pt_flags == 0b100111)
        #expect(arguments.pt_num_cpu_fbanks == 0)
    }

    @Test func featuresAreTakenAwayByTheLaterDriverOnly() throws {
        let input = CreatePartitionInput(
            flags: [], disabledFeatures0: 0x11, disabledFeatures1: 0x22, disabledXsaveFeatures: 0x33)
        let later = PortHarness(.later)
        _ = try later.client.createPartition(input)
        let arguments = try #require(later.driver.state.withLock { $0.create.first })
        #expect(arguments.pt_flags & 1 << 3 != 0)
        #expect(arguments.pt_num_cpu_fbanks == 2)
        #expect(arguments.pt_cpu_fbanks == (0x11, 0x22))
        #expect(arguments.pt_disabled_xsave == 0x33)
        let first = PortHarness(.first)
        #expect(throws: HypercallFailure(code: .createPartition, status: .featureUnavailable)) {
            _ = try first.client.createPartition(input)
        }
        #expect(first.reports.contain("errno 22"))
    }

    @Test func whatTheManagerDoesNotChooseIsSetBeforeInitialize() throws {
        let port = PortHarness()
        let id = try port.client.createPartition(CreatePartitionInput(flags: []))
        try port.client.setPartitionProperty(.unimplementedMsrAction, of: id, to: 0)
        try port.client.initializePartition(id)
        let properties = port.driver.state.withLock { $0.properties }
        #expect(properties[PartitionProperty.unimplementedMsrAction.rawValue] == 0)
        #expect(properties[PartitionProperty.syntheticProcFeatures.rawValue] == SyntheticFeatures.standard)
        #expect(throws: HypercallFailure(code: .initializePartition, status: .invalidPartitionState)) {
            try port.client.initializePartition(id)
        }
    }

    /// Both generations, with memory running out at several places.
    @Test(arguments: [FakeDriver.Generation.first, .later], [[], [0], [3, 0, 2], [0, 0, 0, 99]])
    func registersSurviveShortages(_ generation: FakeDriver.Generation, _ shortages: [Int]) throws {
        let port = PortHarness(generation)
        let id = try port.activePartition()
        try port.client.createVP(CreateVPInput(partition: id, index: 0))
        let names: [RegisterName] = [.rax, .rbx, .rcx, .rdx, .rsi, .rdi]
        port.driver.state.withLock { $0.shortages = shortages }
        try port.client.setRegisters(
            names.enumerated().map { RegisterAssociation($1, RegisterValue(low: UInt64($0) + 1, high: 9)) }, of: 0,
            in: id)
        port.driver.state.withLock { $0.shortages = shortages }
        let values = try port.client.registers(names, of: 0, in: id)
        #expect(values == (1...6).map { RegisterValue(low: $0, high: 9) })
    }

    /// The later driver copies no output of a call that failed; what was complete is there all the same.
    @Test(arguments: [FakeDriver.Generation.first, .later])
    func outputOfCompletedRepetitionsIsThere(_ generation: FakeDriver.Generation) throws {
        let port = PortHarness(generation)
        let id = try port.activePartition()
        try port.client.createVP(CreateVPInput(partition: id, index: 0))
        port.driver.state.withLock { $0.unknownRegister = RegisterName.rdx.rawValue }
        var input = [UInt8](repeating: 0, count: 16 + 4 * 3)
        var output = [UInt8](repeating: 0xEE, count: 48)
        let result = try input.withUnsafeMutableBytes { input in
            try VPRegistersInput(partition: id, index: 0).encode(into: ByteWriter(input))
            for (place, name) in [RegisterName.rbx, .rcx, .rdx].enumerated() {
                input.storeBytes(of: name.rawValue, toByteOffset: 16 + 4 * place, as: UInt32.self)
            }
            return output.withUnsafeMutableBytes { output in
                port.hypervisor.port.execute(
                    ControlWord(.getVpRegisters, repCount: 3), input: UnsafeRawBufferPointer(input), output: output)
            }
        }
        #expect(result.status == .invalidParameter)
        #expect(result.repsCompleted == 2)
        let words = output.withUnsafeBytes { bytes in
            (0..<4).map { bytes.load(fromByteOffset: 8 * $0, as: UInt64.self) }
        }
        #expect(words == [UInt64(RegisterName.rbx.rawValue), 0, UInt64(RegisterName.rcx.rawValue), 0])
    }

    @Test func errnosBecomeStatuses() throws {
        let port = PortHarness()
        let id = try port.client.createPartition(CreatePartitionInput(flags: []))
        for (code, status) in [
            (ENOMEM, HypercallStatus.insufficientRootMemory), (EIO, .operationFailed), (EPERM, .accessDenied),
        ] {
            port.driver.state.withLock { $0.failures[HV_MSHV_PARTITION_INITIALIZE] = code }
            #expect(throws: HypercallFailure(code: .initializePartition, status: status)) {
                try port.client.initializePartition(id)
            }
            #expect(port.reports.contain("errno \(code)"))
        }
    }

    @Test func whatTheDriverRefusesIsNoSuchCall() throws {
        let port = PortHarness()
        let id = try port.activePartition()
        port.driver.state.withLock { $0.failures[HV_MSHV_PARTITION_ROOT_HVCALL] = EINVAL }
        #expect(throws: HypercallFailure(code: .getPartitionProperty, status: .invalidHypercallCode)) {
            _ = try port.client.partitionProperty(.cpuWeight, of: id)
        }
    }

    @Test func theRootsPropertiesNeedTheLaterDriver() throws {
        #expect(try PortHarness(.later).client.partitionProperty(.cpuWeight, of: .own) == 0)
        #expect(throws: HypercallFailure(code: .getPartitionProperty, status: .featureUnavailable)) {
            _ = try PortHarness(.first).client.partitionProperty(.cpuWeight, of: .own)
        }
    }

    @Test func aWholePartitionComesAndGoes() throws {
        let port = PortHarness()
        let memory = try MemoryMapping(anonymous: 8 << 20, alignment: 2 << 20)
        for _ in 0..<3 {
            let partition = try Partition(on: port.hypervisor, flags: [.lapicEnabled, .x2apicCapable, .exoPartition])
            #expect(partition.id.rawValue == 7)
            try partition.map(gpa: 0, memory: memory.base, count: memory.count, writable: true)
            try partition.createVP(0)
            try partition.createVP(1)
            #expect(port.driver.state.withLock { $0.openDescriptors } == 4)
            #expect(port.driver.state.withLock { $0.regions.count } == 1)
            try partition.setRegisters([RegisterAssociation(.rip, 5)], vp: 1)
            partition.destroy()
            #expect(port.driver.state.withLock { $0.regions.isEmpty })
        }
        // Only the device is open.
        #expect(port.driver.state.withLock { $0.openDescriptors } == 1)
    }

    @Test func theProbeRunsItsGuest() throws {
        let driver = FakeDriver()
        let header = InterceptMessageHeader(
            vp: 0, instructionLength: 2, access: .write, state: VPExecutionState(rawValue: 0), cs: .zero, rip: 0x100E,
            rflags: 2)
        driver.run(.message(.ioPort(IOPortIntercept(header: header, port: 0xF4, accessSize: 1, rax: 0x5A))))
        let description = try MshvProbe.probe(device: driver.device, isParent: true)
        #expect(description.kind == .mshv && !description.isEmulated)
        #expect(driver.state.withLock { $0.openDescriptors } == 0)
        driver.state.withLock { $0.failures[HV_MSHV_PARTITION_CREATE_VP] = ENOMEM }
        let error = #expect(throws: HypervisorError.self) {
            _ = try MshvProbe.probe(device: driver.device, isParent: true)
        }
        #expect(error?.description.contains("errno 12") == true)
    }
}
