import HypercallABI
import Hypervisor

/// An engine that does nothing, so that only encoding, dispatch and the hypervisor's own books are measured.
struct IdleEngine: ProcessorEngine {
    let description = HypervisorDescription(kind: .simulated, detail: "does nothing", isEmulated: false)

    func createPartition(
        _ configuration: EnginePartitionConfiguration
    ) throws(HypervisorError) -> any EnginePartition { IdlePartition() }
}

final class IdlePartition: EnginePartition {
    func map(gpa: UInt64, hostAddress: UInt, count: UInt64, access: GPAAccess) throws(HypervisorError) {}
    func unmap(gpa: UInt64, count: UInt64) throws(HypervisorError) {}
    func createVP(_ index: VPIndex) throws(HypervisorError) -> any EngineVP { IdleVP(index: index) }
    func signalMSI(address: UInt64, data: UInt32) throws(HypervisorError) {}
    func setIOAPICMessages(_ messages: [IOAPICMessage?]) throws(HypervisorError) {}
    func close() {}
}

final class IdleVP: EngineVP {
    let index: VPIndex
    init(index: VPIndex) { self.index = index }

    func run() -> VPExit { .interrupted }
    func completeRead(_ value: UInt64) {}
    func failAccess() {}
    func cancelRun() {}

    func registers(_ names: [RegisterName]) throws(HypercallStatus) -> [RegisterValue] {
        [RegisterValue](repeating: RegisterValue(0), count: names.count)
    }

    func setRegisters(_ registers: [RegisterAssociation]) throws(HypercallStatus) {}
}
