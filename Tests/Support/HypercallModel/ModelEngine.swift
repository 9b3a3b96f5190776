import HypercallABI
import Hypervisor
import Synchronization

/// An engine that executes nothing, and says of every page what it was told. It complains where the hypervisor breaks
/// the engine's contract.
package final class ModelEngine: ProcessorEngine {
    package let description = HypervisorDescription(kind: .simulated, detail: "the model's engine", isEmulated: false)
    let partitions = Mutex<[UInt64: ModelEnginePartition]>([:])

    package func createPartition(
        _ configuration: EnginePartitionConfiguration
    ) throws(HypervisorError) -> any EnginePartition {
        let partition = ModelEnginePartition(isWhole: isWhole)
        partitions.withLock { $0[configuration.partitionID.rawValue] = partition }
        return partition
    }

    private let isWhole: Bool
    package init(isWhole: Bool) { self.isWhole = isWhole }

    func partition(_ id: UInt64) -> ModelEnginePartition? { partitions.withLock { $0[id] } }

    /// What the hypervisor did that it must not do.
    var complaints: [String] {
        partitions.withLock { partitions in partitions.values.flatMap { $0.state.withLock { $0.complaints } } }
    }
}

final class ModelEnginePartition: EnginePartition {
    /// A range of guest pages as it was mapped, and what is left of it.
    struct Piece: Equatable {
        var pages: Range<UInt64>
        var host: UInt64
        var access: GPAAccess
    }

    struct State {
        var pieces: [Piece] = []
        var processors: Set<VPIndex> = []
        var isClosed = false
        var complaints: [String] = []
        var messages: [Model.Message] = []
    }

    let state = Mutex(State())
    private let isWhole: Bool
    init(isWhole: Bool) { self.isWhole = isWhole }

    func map(gpa: UInt64, hostAddress: UInt, count: UInt64, access: GPAAccess) throws(HypervisorError) {
        state.withLock { state in
            let pages = (gpa / 4096)..<((gpa + count) / 4096)
            if state.isClosed { state.complaints.append("map after close") }
            if gpa % 4096 != 0 || count % 4096 != 0 || count == 0 { state.complaints.append("map of part of a page") }
            if state.pieces.contains(where: { $0.pages.overlaps(pages) }) {
                state.complaints.append("map over memory at \(pages)")
            }
            state.pieces.append(Piece(pages: pages, host: UInt64(hostAddress) / 4096, access: access))
        }
    }

    func unmap(gpa: UInt64, count: UInt64) throws(HypervisorError) {
        state.withLock { state in
            let pages = (gpa / 4096)..<((gpa + count) / 4096)
            if state.isClosed { state.complaints.append("unmap after close") }
            var left: [Piece] = []
            var found: UInt64 = 0
            for piece in state.pieces {
                let cut = piece.pages.clamped(to: pages)
                if cut.isEmpty {
                    left.append(piece)
                    continue
                }
                found += UInt64(cut.count)
                for rest in [piece.pages.lowerBound..<cut.lowerBound, cut.upperBound..<piece.pages.upperBound]
                where !rest.isEmpty {
                    let host = piece.host + (rest.lowerBound - piece.pages.lowerBound)
                    left.append(Piece(pages: rest, host: host, access: piece.access))
                }
            }
            if found != count / 4096 { state.complaints.append("unmap of nothing in \(pages)") }
            state.pieces = left
        }
    }

    func createVP(_ index: VPIndex) throws(HypervisorError) -> any EngineVP {
        state.withLock { state in
            if !state.processors.insert(index).inserted { state.complaints.append("processor \(index) made twice") }
        }
        return ModelEngineVP(index, isWhole: isWhole)
    }

    func signalMSI(address: UInt64, data: UInt32) throws(HypervisorError) {
        state.withLock { $0.messages.append(Model.Message(address: address, data: data)) }
    }

    func setIOAPICMessages(_ messages: [IOAPICMessage?]) throws(HypervisorError) {}

    func installIntercept(type: UInt32, access: UInt32, parameter: UInt64) throws(HypercallStatus) {
        if !Model.engineIntercepts(type) { throw HypercallStatus.featureUnavailable }
    }

    func setDirtyTracking(_ isOn: Bool) throws(HypervisorError) {}

    /// No processor runs, so none writes.
    func takeDirtyPages(_ range: Range<UInt64>) throws(HypercallStatus) -> [Range<UInt64>] {
        if !isWhole { throw HypercallStatus.featureUnavailable }
        return []
    }

    func close() {
        state.withLock { state in
            if state.isClosed { state.complaints.append("closed twice") }
            state.isClosed = true
        }
    }
}

final class ModelEngineVP: EngineVP {
    let index: VPIndex
    private let values = Mutex<[RegisterName: RegisterValue]>([:])

    private let isWhole: Bool

    init(_ index: VPIndex, isWhole: Bool) {
        self.index = index
        self.isWhole = isWhole
    }

    func run() -> VPExit { .interrupted }
    func completeRead(_ value: UInt64) {}
    func failAccess() {}
    func cancelRun() {}

    func registers(_ names: [RegisterName]) throws(HypercallStatus) -> [RegisterValue] {
        for name in names where !Model.isInEngine(name.rawValue) {
            throw HypercallStatus.invalidParameter
        }
        return values.withLock { values in names.map { values[$0] ?? RegisterValue(0) } }
    }

    func setRegisters(_ registers: [RegisterAssociation]) throws(HypercallStatus) {
        for register in registers where !Model.isInEngine(register.name.rawValue) {
            throw HypercallStatus.invalidParameter
        }
        values.withLock { values in
            for register in registers { values[register.name] = register.value }
        }
    }

    func cpuid(leaf: UInt32, subleaf: UInt32) throws(HypercallStatus) -> CPUIDRegisters {
        if !isWhole { throw HypercallStatus.featureUnavailable }
        let words = Model.engineCPUID(leaf, subleaf)
        return CPUIDRegisters(eax: words[0], ebx: words[1], ecx: words[2], edx: words[3])
    }
}
