import HypercallABI
import Hypervisor

/// How often a processor came out of its engine, by the reasons that a statistics page tells apart.
struct ExitCounts: Sendable {
    private(set) var dispatches: UInt64 = 0
    private var byReason: [ExitReason: UInt64] = [:]

    mutating func add(_ exit: VPExit) {
        dispatches &+= 1
        byReason[exit.reason, default: 0] &+= 1
    }

    subscript(reason: ExitReason) -> UInt64 { byReason[reason] ?? 0 }

    /// The counters that are known. An engine waits out by itself most that a processor does without its parent, so
    /// these count what came out of it.
    var counters: [VPCounter: UInt64] {
        let ports = self[.portRead] &+ self[.portWrite]
        let memory = self[.mmioRead] &+ self[.mmioWrite]
        let msrs = self[.msrRead] &+ self[.msrWrite]
        return [
            .logicalProcessorDispatches: dispatches, .ioInstructionsCount: ports, .ioInterceptMessages: ports,
            .memoryInterceptMessages: memory, .hltInstructionsCount: self[.halt],
            .cpuidInstructionsCount: self[.cpuid], .msrAccessesCount: msrs, .apicEoiAccesses: self[.apicEOI],
            .hypercallsCount: self[.hypercall], .externalInterruptsCount: self[.interrupted],
            .otherInterceptsCount: self[.exception] &+ self[.unrecoverableException],
            .otherMessages: msrs &+ self[.cpuid] &+ self[.exception] &+ self[.unrecoverableException]
                &+ self[.hypercall],
        ]
    }
}
