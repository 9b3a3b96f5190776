import HypercallABI
import HypercallCore

/// The rules of the hypercalls once more, as simply as can be: a dictionary per kind of thing, one page, one register
/// at a time. Nothing of it comes from the implementation, and nothing is fast for its own sake.
///
/// The specification does not say which of several things that are wrong is told. So the model collects all that is
/// wrong and takes any of their statuses; then nothing must have changed.
package struct Model {
    /// What a page of the root's memory is for.
    enum RootPage: Equatable {
        case deposited
        case mapped(Int)
    }

    /// What a page of a guest's memory is.
    struct GuestPage: Equatable {
        /// Nil: known, but without access.
        var source: UInt64?
        var flags: UInt32
        /// Whether it was written since that was last cleared.
        var isDirty = true

        var isReadable: Bool { source != nil && flags & 0x1 != 0 }
        var isWritable: Bool { isReadable && flags & 0x2 != 0 }
    }

    /// What two mebibytes of guest memory hold.
    struct Unit {
        var pages = 0
        var largePages = 0
        /// While pages are put: whether there was a page table before.
        var hadTable: Bool?
        /// Whether they need a page table: not where there is nothing, nor where all is one large page.
        var needsTable: Bool { pages > 0 && largePages < 512 }
        var isLarge: Bool { largePages == 512 }
    }

    enum Life { case created, active, finalized }

    struct Processor {
        /// In the engine.
        var registers: [UInt32: RegisterValue] = [:]
        /// The hypervisor's own.
        var kept: [UInt32: UInt64] = [:]
        /// The registers that suspend and are set.
        var suspensions: Set<UInt32> = []
        /// Four synthetic timers of five words: pending, configuration, count, adjustment, expiration.
        var timers = [UInt64](repeating: 0, count: 20)
        var isStarted = false
        /// Pages shared with the runner, and whether the hypervisor made them.
        var statePages: [UInt16: Bool] = [:]
        /// The SynIC's message and event flags pages by the type of the state.
        var synicPages: [UInt32: [UInt8]] = [:]
        /// What HvCallRegisterInterceptResult said of CPUID, as words of its input, the last said last.
        var cpuidResults: [[UInt32]] = []
        /// Messages for which there is no room yet, by SINT.
        var waiting: [UInt32: [[UInt8]]] = [:]
    }

    struct Partition {
        var life = Life.created
        var creation: ModelCall
        var deposited: Set<UInt64> = []
        var tables = 0
        var guest: [UInt64: GuestPage] = [:]
        var units: [UInt64: Unit] = [:]
        var processors: [UInt32: Processor] = [:]
        var deletedProcessors: Set<UInt32> = []
        var properties: [UInt32: UInt64] = [:]
        /// Once it stands still and was read.
        var referenceTime: UInt64?
        /// Registers that all processors have in common.
        var shared: [UInt32: UInt64] = [:]
        /// Interrupts that were asserted.
        var messages: [Message] = []
        /// Pages that ports, connections and the like cost.
        var objects = 0

        /// Deposited pages that the hypervisor has put to use.
        var used: Int {
            guard life == .active else { return 0 }
            let own = processors.values.reduce(0) { $0 + $1.statePages.values.reduce(0) { $0 + ($1 ? 1 : 0) } }
            return 160 + 80 * processors.count + own + tables + objects
        }
        var free: Int { deposited.count - used }
    }

    let configuration: ModelConfiguration
    var partitions: [UInt64: Partition] = [:]
    /// Pages of the root that are deposited or mapped.
    var root: [UInt64: RootPage] = [:]
    var rootDeposited: Set<UInt64> = []
    /// What was written into pages of the root; all others are zero.
    var content: [UInt64: [UInt8]] = [:]

    var ports: [Name: Port] = [:]
    var connections: [Name: Connection] = [:]
    /// By physical name.
    var devices: [UInt64: Device] = [:]
    var interrupts: [DeviceInterrupt] = []
    /// Statistics pages that are shared, and whether the hypervisor made them.
    var statisticsPages: [Statistics: Bool] = [:]
    var isSleepLocked = false
    /// What devices reach in a domain, by the page of their address.
    var domains: [Name: [UInt64: DomainPage]] = [:]
    /// Pages of the root that its ports, connections and the like cost.
    var rootObjects = 0

    package init(_ configuration: ModelConfiguration) {
        self.configuration = configuration
        for device in Self.machineDevices { devices[device] = Device(name: device) }
    }

    /// Two PCI functions of the machine, one more with a segment, and an I/O APIC, by the names of HV_DEVICE_ID.
    static let machineDevices: [UInt64] = [1 << 62 | 0x18, 1 << 62 | 0x0319, 1 << 62 | 0x1_0200, 2 << 62 | 1]

    /// The root has 16 pages from the start; each partition takes one of its pool.
    var rootUsed: Int { partitions.count + rootObjects }
    var rootFree: Int { 16 + rootDeposited.count - rootUsed }

    func isRootMemory(_ page: UInt64) -> Bool {
        configuration.rootPages.contains { $0.contains(page) } || configuration.statisticsPages.contains(page)
    }
}

/// What a bench is made with.
package struct ModelConfiguration: Sendable {
    package var firstPartition: UInt64 = 7
    package var vpCount: UInt32 = 3
    /// Whether the engine can tell of written pages and of CPUID.
    package var isEngineWhole = true
    /// The most partitions that are made on purpose; the root's own pages suffice for 16.
    package var partitionLimit = 4
    /// Page numbers of the root's memory: two pieces with a hole, at 2 MiB boundaries.
    package var rootPages: [Range<UInt64>] = [
        0x2_0000_0000..<0x2_0000_0C00, 0x2_0000_0E00..<0x2_0000_1400,
    ]
    /// The same, for statistics pages: nobody knows what the hypervisor writes there, and when.
    package var statisticsPages: Range<UInt64> = 0x2_0000_1500..<0x2_0000_1504
    /// What half of the calls are about, or that pages for the hypervisor are few: so that states are reached which take
    /// many calls.
    package var emphasis: Emphasis?
    package enum Emphasis: Sendable { case synIC, devices, scarcity }
    package init() {}

    /// One of the kinds there are.
    package init(kind: UInt64) {
        isEngineWhole = kind % 8 != 0
        if kind % 8 == 1 { partitionLimit = 24 }
        switch kind % 8 {
        case 2: emphasis = .synIC
        case 3: emphasis = .devices
        case 4: emphasis = .scarcity
        default: break
        }
        if emphasis != nil { partitionLimit = 2 }
    }

    /// The ids that partitions can have.
    var partitionIDs: Range<UInt64> { firstPartition..<(firstPartition + 32) }
}

/// How a call has to end.
struct Expectation {
    /// Any of them.
    var statuses: Set<HypercallStatus>
    /// Repetitions done, counted from the first of the call; 0 for a simple call.
    var completed = 0
    /// What is written, by offset; all other bytes of the output stay.
    var output: [(offset: Int, bytes: [UInt8])] = []

    static func success(_ output: [UInt8] = []) -> Expectation {
        Expectation(statuses: [.success], output: output.isEmpty ? [] : [(0, output)])
    }

    /// Nothing was done: `start` repetitions were before the call.
    static func refused(_ statuses: Set<HypercallStatus>, start: Int = 0) -> Expectation {
        Expectation(statuses: statuses, completed: start)
    }
}

extension Model {
    /// What fills the output before a call.
    package static let fill: UInt8 = 0xEE

    /// Makes the call in the model and compares.
    ///
    /// - Parameter answer: the hypervisor's; where the specification leaves it a choice (which pages a withdrawal gives
    ///   back), the model checks the choice and follows it.
    /// - Returns: what differs, or nil.
    package mutating func follow(_ call: ModelCall, _ answer: ModelAnswer) -> String? {
        let expected = expectation(call, answer)
        let status = answer.result.status
        if !expected.statuses.contains(status) {
            return "status \(status), expected \(expected.statuses.map(\.description).sorted())"
        }
        // Nothing but the status (bits 0 to 15) and the repetitions done (32 to 43) is in a result.
        let word = UInt64(status.rawValue) | UInt64(expected.completed & 0xFFF) << 32
        if answer.result.rawValue != word {
            return "result 0x\(String(answer.result.rawValue, radix: 16)), expected 0x\(String(word, radix: 16))"
        }
        var output = [UInt8](repeating: Self.fill, count: call.outputCount)
        for (offset, bytes) in expected.output {
            for (index, byte) in bytes.enumerated() where offset + index < output.count {
                output[offset + index] = byte
            }
        }
        if output != answer.output {
            let first = zip(output, answer.output).enumerated().first { $0.element.0 != $0.element.1 }?.offset ?? 0
            return "output differs from byte \(first) on: \(Array(answer.output.dropFirst(first).prefix(16))), "
                + "expected \(Array(output.dropFirst(first).prefix(16)))"
        }
        return nil
    }

    private mutating func expectation(_ call: ModelCall, _ answer: ModelAnswer) -> Expectation {
        guard let form = Self.forms[call.control.code.rawValue] else { return .refused([.invalidHypercallCode]) }
        let start = form.repetition == nil ? 0 : call.control.repStart
        if let refusal = Self.refusal(call, form) { return .refused([refusal], start: start) }
        return partitionCall(call) ?? memoryCall(call, answer) ?? guestAccessCall(call)
            ?? processorCall(call, answer) ?? processorStateCall(call, answer) ?? interruptCall(call)
            ?? propertyCall(call, answer) ?? portCall(call) ?? synICCall(call)
            ?? deviceCall(call) ?? deviceInterruptCall(call, answer) ?? systemCall(call, answer)
            ?? .refused([.invalidHypercallCode], start: start)
    }

    static func bytes(_ value: UInt64) -> [UInt8] { (0..<8).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) } }
}
