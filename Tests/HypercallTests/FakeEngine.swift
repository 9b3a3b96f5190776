import HypercallABI
import Hypervisor
import LinuxSystem
import Synchronization

/// An engine that executes nothing and remembers what it was asked, so that tests see both sides of the hypervisor.
final class FakeEngine: ProcessorEngine {
    let description = HypervisorDescription(kind: .simulated, detail: "a test's engine", isEmulated: false)
    let partitions = Mutex<[PartitionID: FakePartition]>([:])
    let failsToCreate: Bool

    init(failsToCreate: Bool = false) { self.failsToCreate = failsToCreate }

    func createPartition(
        _ configuration: EnginePartitionConfiguration
    ) throws(HypervisorError) -> any EnginePartition {
        if failsToCreate { throw HypervisorError("no processors today") }
        let partition = FakePartition(configuration)
        partitions.withLock { $0[configuration.partitionID] = partition }
        return partition
    }

    func partition(_ id: PartitionID) -> FakePartition? { partitions.withLock { $0[id] } }
}

/// What a fake partition's memory is: host pages, and it refuses what the contract forbids.
struct FakeMemory: ExtentValue {
    var host: UInt64
    var access: UInt8
    func advanced(by pages: UInt64) -> FakeMemory { FakeMemory(host: host + pages, access: access) }
}

final class FakePartition: EnginePartition {
    struct State {
        var memory = ExtentMap<FakeMemory>()
        var mapCalls = 0
        var unmapCalls = 0
        var processors: [VPIndex: FakeVP] = [:]
        var isClosed = false
        var messages: [UInt32] = []
        /// Where each of them went.
        var addresses: [UInt64] = []
        /// Broken promises of the caller.
        var complaints: [String] = []
        var failsToMap = false
        var intercepts: [FakeIntercept] = []
        var isTrackingDirtyPages = false
        var dirtyPages: Set<UInt64> = []
    }
    let configuration: EnginePartitionConfiguration
    let state = Mutex(State())

    init(_ configuration: EnginePartitionConfiguration) { self.configuration = configuration }

    func map(gpa: UInt64, hostAddress: UInt, count: UInt64, access: GPAAccess) throws(HypervisorError) {
        try state.withLock { state throws(HypervisorError) in
            if state.failsToMap { throw HypervisorError("no slots left") }
            let range = (gpa / 4096)..<((gpa + count) / 4096)
            if state.isClosed { state.complaints.append("map after close") }
            if gpa % 4096 != 0 || count % 4096 != 0 || count == 0 { state.complaints.append("map of part of a page") }
            if !state.memory.isEmpty(in: range) { state.complaints.append("map over memory at \(range)") }
            state.memory.replace(range, with: FakeMemory(host: UInt64(hostAddress / 4096), access: access.rawValue))
            state.mapCalls += 1
        }
    }

    func unmap(gpa: UInt64, count: UInt64) throws(HypervisorError) {
        state.withLock { state in
            let range = (gpa / 4096)..<((gpa + count) / 4096)
            if state.isClosed { state.complaints.append("unmap after close") }
            if state.memory.prefixCount(of: range, where: { $0 != nil }) != count / 4096 {
                state.complaints.append("unmap of nothing at \(range)")
            }
            state.memory.replace(range, with: nil)
            state.unmapCalls += 1
        }
    }

    func createVP(_ index: VPIndex) throws(HypervisorError) -> any EngineVP {
        state.withLock { state in
            if state.processors[index] != nil { state.complaints.append("processor \(index) made twice") }
            let processor = FakeVP(index)
            state.processors[index] = processor
            return processor
        }
    }

    func signalMSI(address: UInt64, data: UInt32) throws(HypervisorError) {
        state.withLock { state in
            if state.isClosed { state.complaints.append("interrupt after close") }
            state.messages.append(data)
            state.addresses.append(address)
        }
    }

    func setIOAPICMessages(_ messages: [IOAPICMessage?]) throws(HypervisorError) {}

    /// What a guest's write does.
    func write(page: UInt64) {
        state.withLock { state in
            if state.isTrackingDirtyPages { state.dirtyPages.insert(page) }
        }
    }

    func setDirtyTracking(_ isOn: Bool) throws(HypervisorError) {
        state.withLock { state in
            state.isTrackingDirtyPages = isOn
            state.dirtyPages = []
        }
    }

    func takeDirtyPages(_ range: Range<UInt64>) throws(HypercallStatus) -> [Range<UInt64>] {
        state.withLock { state in
            let found = state.dirtyPages.filter { range.contains($0) }.sorted()
            state.dirtyPages.subtract(found)
            return found.map { $0..<($0 + 1) }
        }
    }

    /// Refuses what is about MMIO, as an engine may.
    func installIntercept(type: UInt32, access: UInt32, parameter: UInt64) throws(HypercallStatus) {
        if type == InterceptType.mmio.rawValue { throw HypercallStatus.featureUnavailable }
        state.withLock { $0.intercepts.append(FakeIntercept(type: type, access: access, parameter: parameter)) }
    }

    func close() {
        state.withLock { state in
            if state.isClosed { state.complaints.append("closed twice") }
            for processor in state.processors.values where processor.isInside {
                state.complaints.append("closed while processor \(processor.index) runs")
            }
            state.isClosed = true
        }
    }

    func processor(_ index: VPIndex) -> FakeVP? { state.withLock { $0.processors[index] } }
}

/// What a fake partition was asked to intercept.
struct FakeIntercept: Equatable {
    var type: UInt32
    var access: UInt32
    var parameter: UInt64
}

/// Runs until it is cancelled or given an exit. Has the general registers RAX to R15, RIP and RFLAGS, CR0 to CR4, EFER,
/// PAT, segments and tables, a local APIC of 1024 bytes, an XSAVE area of 5000 bytes, and a CPUID of its own.
final class FakeVP: EngineVP {
    private struct State {
        var registers: [RegisterName: RegisterValue] = [:]
        var exits: [VPExit] = []
        var isCancelled = false
        var isInside = false
        var runs = 0
        var answers: [FakeAnswer] = []
        var localAPIC = [UInt8](repeating: 0xA5, count: 1024)
        var xsave = [UInt8](repeating: 0x5A, count: 5000)
        var cpuidResults: [CPUIDResultParameters] = []
    }
    let index: VPIndex
    private let state = Mutex(State())

    init(_ index: VPIndex) { self.index = index }

    var isInside: Bool { state.withLock { $0.isInside } }
    var runs: Int { state.withLock { $0.runs } }

    func give(_ exit: VPExit) { state.withLock { $0.exits.append(exit) } }

    func run() -> VPExit {
        state.withLock { state in
            state.isInside = true
            state.runs += 1
        }
        while true {
            let exit: VPExit? = state.withLock { state in
                if state.isCancelled {
                    state.isCancelled = false
                    state.isInside = false
                    return .interrupted
                }
                guard !state.exits.isEmpty else { return nil }
                state.isInside = false
                return state.exits.removeFirst()
            }
            if let exit { return exit }
            breathe()
        }
    }

    var answers: [FakeAnswer] { state.withLock { $0.answers } }
    var cpuidResults: [CPUIDResultParameters] { state.withLock { $0.cpuidResults } }

    func completeRead(_ value: UInt64) { state.withLock { $0.answers.append(.read(value)) } }
    func failAccess() { state.withLock { $0.answers.append(.failure) } }
    func completeCPUID(_ result: CPUIDRegisters) { state.withLock { $0.answers.append(.cpuid(result)) } }

    func state(_ component: EngineStateComponent) throws(HypercallStatus) -> [UInt8] {
        state.withLock { component == .xsave ? $0.xsave : $0.localAPIC }
    }

    func setState(_ component: EngineStateComponent, _ bytes: [UInt8]) throws(HypercallStatus) {
        state.withLock { state in
            if component == .xsave { state.xsave = bytes } else { state.localAPIC = bytes }
        }
    }

    /// Leaves from 0x100 on are all zero.
    func cpuid(leaf: UInt32, subleaf: UInt32) throws(HypercallStatus) -> CPUIDRegisters {
        leaf < 0x100
            ? CPUIDRegisters(eax: leaf, ebx: subleaf, ecx: 0xFFFF_FFFF, edx: 7)
            : CPUIDRegisters(eax: 0, ebx: 0, ecx: 0, edx: 0)
    }

    func setCPUIDResults(_ results: [CPUIDResultParameters]) { state.withLock { $0.cpuidResults = results } }

    func cancelRun() { state.withLock { $0.isCancelled = true } }

    func registers(_ names: [RegisterName]) throws(HypercallStatus) -> [RegisterValue] {
        for name in names where !Self.has(name) { throw HypercallStatus.invalidParameter }
        return state.withLock { state in names.map { state.registers[$0] ?? RegisterValue(0) } }
    }

    func setRegisters(_ registers: [RegisterAssociation]) throws(HypercallStatus) {
        for register in registers where !Self.has(register.name) { throw HypercallStatus.invalidParameter }
        state.withLock { state in
            for register in registers { state.registers[register.name] = register.value }
        }
    }

    private static func has(_ name: RegisterName) -> Bool {
        switch name.rawValue {
        case 0x20000...0x20011, 0x40000...0x40003, 0x60000...0x60007, 0x70000...0x70001, 0x80001, 0x80004: true
        default: false
        }
    }
}

/// How a fake processor's exit was answered.
enum FakeAnswer: Equatable {
    case read(UInt64)
    case failure
    case cpuid(CPUIDRegisters)
}
