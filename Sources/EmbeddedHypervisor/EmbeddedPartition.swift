import HypercallABI
import HypercallCore
import Hypervisor
import Synchronization

/// A partition with its lock. Calls for one partition wait for each other, calls for different ones do not.
final class EmbeddedPartition: PartitionHotPath {
    let id: PartitionID
    private let state: Mutex<PartitionState>
    /// The engine's partition while there is one: interrupts do not wait for hypercalls.
    private let interrupts = Mutex<(any EnginePartition)?>(nil)
    /// Level-triggered interrupts that the root asserted.
    private let watched = Mutex<[IOAPICMessage]>([])

    init(_ state: consuming sending PartitionState) {
        id = state.id
        self.state = Mutex(state)
    }

    func with<Result: Sendable>(
        _ body: (inout PartitionState) throws(HypercallStatus) -> Result
    ) throws(HypercallStatus) -> Result {
        try state.withLock { state throws(HypercallStatus) in try body(&state) }
    }

    func withOutcome<Result: Sendable>(_ body: (inout PartitionState) -> Result) -> Result {
        state.withLock { state in body(&state) }
    }

    func initialize(_ engine: any ProcessorEngine) throws(HypercallStatus) {
        try with { state throws(HypercallStatus) in
            try state.initialize(engine)
            // With the partition's lock held, so that a finalize can't come between.
            let made = state.engine
            interrupts.withLock { $0 = made }
        }
    }

    func finalize() throws(HypercallStatus) {
        try with { state throws(HypercallStatus) in
            try state.requireActive()
            // Before the engine's partition is closed, so that no interrupt goes to it any more.
            interrupts.withLock { $0 = nil }
            try state.finalize()
        }
    }

    // MARK: The hot path

    func virtualProcessor(_ index: VPIndex) throws(HypercallStatus) -> any VirtualProcessor {
        try with { state throws(HypercallStatus) in try state.processor(index) }
    }

    func signalMSI(address: UInt64, data: UInt32) throws(HypervisorError) {
        try interrupts.withLock { engine throws(HypervisorError) in
            guard let engine else { throw HypervisorError("partition \(id) is not initialized or has ended") }
            try engine.signalMSI(address: address, data: data)
        }
    }

    func setIOAPICMessages(_ messages: [IOAPICMessage?]) throws(HypervisorError) {
        try interrupts.withLock { engine throws(HypervisorError) in
            guard let engine else { throw HypervisorError("partition \(id) is not initialized or has ended") }
            try engine.setIOAPICMessages(messages)
        }
    }

    var events: (any PartitionEvents)? { interrupts.withLock { $0?.events } }

    /// Makes the end of a level-triggered interrupt exit. Engines watch as many messages as an I/O APIC has pins: the
    /// one that came first gives way.
    func watchEnd(of message: IOAPICMessage) throws(HypervisorError) {
        let pins = 24
        let changed = watched.withLock { watched -> [IOAPICMessage]? in
            if watched.contains(message) { return nil }
            if watched.count == pins { watched.removeFirst() }
            watched.append(message)
            return watched
        }
        if let changed { try setIOAPICMessages(changed) }
    }
}
