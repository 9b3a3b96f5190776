import HypercallABI
import Hypervisor
import LinuxSystem
import Synchronization

/// What the embedded hypervisor keeps of a processor beside its engine's part.
struct ProcessorRecord {
    /// Registers that only are what they were set to.
    var registers: [RegisterName: UInt64] = [:]
    var timers = SyntheticTimersState()
    /// The SynIC's pages; nil: all zero.
    var simPage: [UInt8]?
    var siefPage: [UInt8]?
    /// Messages for which a SINT's slot was not free, by SINT.
    var waitingMessages: [UInt32: [SynICMessage]] = [:]
    /// In the order in which they apply.
    private(set) var cpuidResults: [CPUIDResultParameters] = []
    private(set) var msrResults: [UInt32: MSRActions] = [:]
    var statePages: [VPStatePageType: SharedPage] = [:]

    struct MSRActions {
        var read: UnimplementedMSRAction?
        var write: UnimplementedMSRAction?
    }

    /// - Returns: false where there are too many.
    mutating func register(_ result: CPUIDResultParameters) -> Bool {
        let others = cpuidResults.filter { other in
            other.leaf != result.leaf || other.isSubleafSpecific != result.isSubleafSpecific
                || (result.isSubleafSpecific && other.subleaf != result.subleaf)
        }
        guard others.count < Limits.registeredResults else { return false }
        cpuidResults = others + [result]
        return true
    }

    /// - Returns: false where there are too many.
    mutating func register(_ result: MSRResultParameters) -> Bool {
        guard msrResults[result.index] != nil || msrResults.count < Limits.registeredResults else { return false }
        var actions = msrResults[result.index] ?? MSRActions()
        if result.access.contains(.read) { actions.read = result.action }
        if result.access.contains(.write) { actions.write = result.action }
        msrResults[result.index] = actions
        return true
    }

    /// What an exit that is an access to an MSR is answered with; nil: it is its receiver's.
    func action(for exit: VPExit) -> UnimplementedMSRAction? {
        switch exit {
        case .msrRead(let index): msrResults[index]?.read
        case .msrWrite(let index, _): msrResults[index]?.write
        default: nil
        }
    }

    /// CPUID's result with what was registered for it.
    func applyingResults(to computed: CPUIDRegisters, leaf: UInt32, subleaf: UInt32) -> CPUIDRegisters {
        var result = computed
        let isZero = computed == CPUIDRegisters()
        for change in cpuidResults
        where change.leaf == leaf && (!change.isSubleafSpecific || change.subleaf == subleaf)
            && (change.alwaysOverrides || !isZero)
        {
            result.eax = result.eax & ~change.masks.eax | change.values.eax & change.masks.eax
            result.ebx = result.ebx & ~change.masks.ebx | change.values.ebx & change.masks.ebx
            result.ecx = result.ecx & ~change.masks.ecx | change.values.ecx & change.masks.ecx
            result.edx = result.edx & ~change.masks.edx | change.values.edx & change.masks.edx
        }
        return result
    }
}

/// A page of the root that a processor's runner and the hypervisor share.
final class SharedPage: Sendable {
    /// The root's page number.
    let number: UInt64
    /// There where the page is the hypervisor's own.
    private let mapping: MemoryMapping?
    /// Whether the page goes with this object.
    let isOwn: Bool

    init(of root: UInt64) {
        number = root
        mapping = nil
        isOwn = false
    }

    /// A page of the hypervisor's own, all zero.
    init() throws(Errno) {
        let own = try MemoryMapping(anonymous: pageSize)
        number = UInt64(UInt(bitPattern: own.base)) / UInt64(pageSize)
        mapping = consume own
        isOwn = true
    }
}

/// The registers that the processors of a partition have in common, and its reference time.
final class PartitionRegisters: Sendable {
    private enum Time {
        /// Runs, and was zero at this reading of the host's clock in nanoseconds (which may be before its zero).
        case running(since: UInt64)
        /// Stands still, in units of 100 ns.
        case frozen(UInt64)
    }

    private let values = Mutex<[RegisterName: UInt64]>([:])
    private let time = Mutex(Time.running(since: monotonicNanoseconds()))

    subscript(name: RegisterName) -> UInt64? {
        get { values.withLock { $0[name] } }
        set { values.withLock { $0[name] = newValue } }
    }

    /// In units of 100 ns since the partition was created, without the time that it was frozen.
    var referenceTime: UInt64 { time.withLock { Self.now($0) } }

    /// Stops the reference time, or lets it run on from where it stands.
    func freeze(_ freeze: Bool) {
        time.withLock { time in
            let now = Self.now(time)
            time = freeze ? .frozen(now) : .running(since: monotonicNanoseconds() &- now &* 100)
        }
    }

    /// - Returns: false, and nothing is changed, while the time runs.
    func setReferenceTime(_ value: UInt64) -> Bool {
        time.withLock { time in
            guard case .frozen = time else { return false }
            time = .frozen(value)
            return true
        }
    }

    private static func now(_ time: Time) -> UInt64 {
        switch time {
        case .running(let since): (monotonicNanoseconds() &- since) / 100
        case .frozen(let value): value
        }
    }
}
