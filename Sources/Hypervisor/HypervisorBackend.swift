import HypercallABI
import HypercallCore

/// Which hypervisor answers.
package enum HypervisorKind: String, Sendable, CaseIterable {
    case mshv, kvm, simulated
}

/// What is reported of a hypervisor; nothing above the port decides by it.
package struct HypervisorDescription: Sendable, Equatable {
    package var kind: HypervisorKind
    /// One sentence: what it is and how that was found out.
    package var detail: String
    /// Whether guest code runs on a processor emulated in software below us (a KVM that is only emulated).
    package var isEmulated: Bool
    /// Whether no guest code runs at all.
    package var isSimulated: Bool { kind == .simulated }

    package init(kind: HypervisorKind, detail: String, isEmulated: Bool) {
        self.kind = kind
        self.detail = detail
        self.isEmulated = isEmulated
    }
}

/// A hypervisor as the machine and the manager use it: hypercalls for everything, and the hot path beside them.
package protocol HypervisorBackend: AnyObject, Sendable {
    var description: HypervisorDescription { get }
    var port: any HypercallPort { get }

    /// The hot path of an existing partition.
    func hotPath(of partition: PartitionID) throws(HypercallStatus) -> any PartitionHotPath

    /// Makes memory of this process usable as source of `MapGpaPages` and `DepositMemory`: from then on its page
    /// numbers (address / 4096) are the root's page frame numbers.
    func registerRootMemory(base: UnsafeMutableRawPointer, count: Int)

    /// The end of `registerRootMemory`. No page of it may still be mapped or deposited.
    func unregisterRootMemory(base: UnsafeMutableRawPointer, count: Int)

    /// The hypercalls made so far.
    var hypercallCounts: [HypercallCount] { get }

    /// Whether the pages of memory that is mapped to a guest are held until it is unmapped: the kernel then can't take
    /// them back, and who asks it to sees other pages than the guest does.
    var pinsGuestMemory: Bool { get }
}

extension HypervisorBackend {
    package var pinsGuestMemory: Bool { false }
}

/// How often a call ended with a status.
package struct HypercallCount: Sendable, Equatable {
    package var code: CallCode
    package var status: HypercallStatus
    package var count: UInt64
    package init(code: CallCode, status: HypercallStatus, count: UInt64) {
        self.code = code
        self.status = status
        self.count = count
    }
}

/// What a running machine does too often to encode it as hypercalls.
package protocol PartitionHotPath: AnyObject, Sendable {
    func virtualProcessor(_ index: VPIndex) throws(HypercallStatus) -> any VirtualProcessor
    func signalMSI(address: UInt64, data: UInt32) throws(HypervisorError)
    func setIOAPICMessages(_ messages: [IOAPICMessage?]) throws(HypervisorError)
    /// Nil where the hypervisor joins no eventfds with its partitions.
    var events: (any PartitionEvents)? { get }
}

extension PartitionHotPath {
    package var events: (any PartitionEvents)? { nil }
}
