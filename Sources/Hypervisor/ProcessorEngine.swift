import HypercallABI

/// What executes the virtual processors of the embedded hypervisor: `/dev/kvm`, or a simulation.
package protocol ProcessorEngine: Sendable {
    var description: HypervisorDescription { get }

    /// Makes a partition without memory or processors.
    ///
    /// - Throws: `HypervisorError`.
    func createPartition(_ configuration: EnginePartitionConfiguration) throws(HypervisorError) -> any EnginePartition

    /// What CPUID could give a guest at most; nil: the engine has no opinion, and the host's processor counts.
    func supportedCPUID(leaf: UInt32, subleaf: UInt32) -> CPUIDRegisters?
}

extension ProcessorEngine {
    package func supportedCPUID(leaf: UInt32, subleaf: UInt32) -> CPUIDRegisters? { nil }
}

/// What an engine needs to know of a partition before it exists.
package struct EnginePartitionConfiguration: Sendable {
    package var partitionID: PartitionID
    /// The most processors that will be created, for CPUID's topology; from the manager, at most 254.
    package var vpCount: Int
    /// What the simulated engine's partition does; engines that run guest code ignore it.
    package var simulation: SimulationModel

    package init(partitionID: PartitionID, vpCount: Int, simulation: SimulationModel = SimulationModel()) {
        self.partitionID = partitionID
        self.vpCount = vpCount
        self.simulation = simulation
    }
}

/// A partition's processors, memory and interrupts inside an engine.
package protocol EnginePartition: AnyObject, Sendable {
    /// Makes `count` bytes at `hostAddress` (of this process) the guest's memory at `gpa`. Whole pages; the range is
    /// free in the guest. Takes effect before the next instruction of any processor.
    func map(gpa: UInt64, hostAddress: UInt, count: UInt64, access: GPAAccess) throws(HypervisorError)

    /// Takes guest memory away again. When it returns no processor can touch it.
    func unmap(gpa: UInt64, count: UInt64) throws(HypervisorError)

    /// Makes virtual processor `index`; processor 0 starts at the registers it is given, others wait for INIT and SIPI.
    func createVP(_ index: VPIndex) throws(HypervisorError) -> any EngineVP

    /// Delivers a message-signalled interrupt to the partition's local APICs.
    func signalMSI(address: UInt64, data: UInt32) throws(HypervisorError)

    /// Tells which message each I/O APIC pin sends, so that the end of a level-triggered interrupt can exit.
    func setIOAPICMessages(_ messages: [IOAPICMessage?]) throws(HypervisorError)

    /// Nil where the engine joins no eventfds with its partitions.
    var events: (any PartitionEvents)? { get }

    /// Says which of the guest's actions exit from now on (HV_INTERCEPT_TYPE, TLFS, "Intercepts"): `access` 0 takes the
    /// wish back.
    ///
    /// - Parameter parameter: the port, the MSR's index, the CPUID leaf or the exception's vector, by `type`.
    /// - Throws: `featureUnavailable` for what this engine can't intercept.
    func installIntercept(type: UInt32, access: UInt32, parameter: UInt64) throws(HypercallStatus)

    /// Begins or ends keeping a log of the guest pages that processors write. It begins empty.
    func setDirtyTracking(_ isOn: Bool) throws(HypervisorError)

    /// The pages of a range that processors wrote since they were last asked for, in order; they are forgotten with
    /// that. A page that was unmapped and mapped again may be missing.
    ///
    /// - Throws: `featureUnavailable` where this engine can't know, `operationFailed`.
    func takeDirtyPages(_ range: Range<UInt64>) throws(HypercallStatus) -> [Range<UInt64>]

    /// Frees what the engine holds. Nothing may be called after it; processors are no longer running.
    func close()
}

extension EnginePartition {
    package var events: (any PartitionEvents)? { nil }

    /// An engine that can't tells so when it is asked for pages.
    package func setDirtyTracking(_ isOn: Bool) throws(HypervisorError) {}

    package func takeDirtyPages(_ range: Range<UInt64>) throws(HypercallStatus) -> [Range<UInt64>] {
        throw HypercallStatus.featureUnavailable
    }

    package func installIntercept(type: UInt32, access: UInt32, parameter: UInt64) throws(HypercallStatus) {
        throw HypercallStatus.featureUnavailable
    }
}

/// A processor as the embedded hypervisor sees it.
package protocol EngineVP: VirtualProcessor {
    /// - Throws: `HypercallStatus.invalidParameter` for a register this engine does not have.
    func registers(_ names: [RegisterName]) throws(HypercallStatus) -> [RegisterValue]
    func setRegisters(_ registers: [RegisterAssociation]) throws(HypercallStatus)

    /// A state component in the format of `HvCallGetVpState`: the local APIC as
    /// HV_LOCAL_INTERRUPT_CONTROLLER_STATE (176 bytes), XSAVE compacted.
    ///
    /// - Throws: `featureUnavailable` where this engine has no such state.
    func state(_ component: EngineStateComponent) throws(HypercallStatus) -> [UInt8]
    /// - Throws: `featureUnavailable`; `invalidParameter` for bytes that are no such state.
    func setState(_ component: EngineStateComponent, _ bytes: [UInt8]) throws(HypercallStatus)

    /// What CPUID gives the guest now.
    ///
    /// - Throws: `featureUnavailable` where this engine runs no guest code.
    func cpuid(leaf: UInt32, subleaf: UInt32) throws(HypercallStatus) -> CPUIDRegisters

    /// Tells all that HvCallRegisterInterceptResult said of this processor's CPUID, in the order in which it applies,
    /// each time more is said. An engine that can't change CPUID any more leaves it as it is; `cpuid` gives what there
    /// is without these.
    func setCPUIDResults(_ results: [CPUIDResultParameters])
}

/// The state of a processor that an engine keeps beside its registers.
package enum EngineStateComponent: Sendable, CaseIterable {
    case localAPIC, xsave
}

extension EngineVP {
    package func state(_ component: EngineStateComponent) throws(HypercallStatus) -> [UInt8] {
        throw HypercallStatus.featureUnavailable
    }

    package func setState(_ component: EngineStateComponent, _ bytes: [UInt8]) throws(HypercallStatus) {
        throw HypercallStatus.featureUnavailable
    }

    package func cpuid(leaf: UInt32, subleaf: UInt32) throws(HypercallStatus) -> CPUIDRegisters {
        throw HypercallStatus.featureUnavailable
    }

    package func setCPUIDResults(_ results: [CPUIDResultParameters]) {}
}

/// What the guest may do with a page. Reading is always allowed.
package struct GPAAccess: OptionSet, Sendable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }
    package static let write = GPAAccess(rawValue: 1)
    package static let execute = GPAAccess(rawValue: 2)
    package static let all: GPAAccess = [.write, .execute]
}

/// The message an I/O APIC pin sends.
package struct IOAPICMessage: Equatable, Sendable {
    package var address: UInt64
    package var data: UInt32
    package var isLevelTriggered: Bool
    package init(address: UInt64, data: UInt32, isLevelTriggered: Bool) {
        self.address = address
        self.data = data
        self.isLevelTriggered = isLevelTriggered
    }
}

/// An engine or a port could not do what the kernel or the host should have done.
package struct HypervisorError: Error, Sendable, CustomStringConvertible {
    package let description: String
    package init(_ description: String) { self.description = description }
}
