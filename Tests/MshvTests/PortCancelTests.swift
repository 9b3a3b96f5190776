import CMshv
import Glibc
import HypercallABI
import HypercallCore
import Hypervisor
import LinuxSystem
import Synchronization
import Testing

@testable import MshvHypervisor

/// Runs that sleep in the driver end when they shall, each time.
@Suite struct PortCancelTests {
    private let port = PortHarness()

    private func processor() throws -> (PartitionID, MshvVP) {
        let id = try port.activePartition()
        try port.client.createVP(CreateVPInput(partition: id, index: 0))
        return (id, try port.hypervisor.mshvPartition(id).mshvProcessor(0))
    }

    /// Runs the processor until it fails, and counts the interruptions.
    private final class Runner: Sendable {
        let interruptions = Monitor(0)
        let thread: SystemThread

        init(_ vp: MshvVP) throws {
            let interruptions = interruptions
            thread = try SystemThread(name: "runner") {
                while vp.run() == .interrupted { interruptions.withLock { $0 += 1 } }
            }
        }
    }

    /// Cancels from another thread as fast as it can be seen: a signal just before the call is not lost.
    @Test func noCancellationIsLost() throws {
        let (id, vp) = try processor()
        let runner = try Runner(vp)
        for count in 1...2000 {
            vp.cancelRun()
            runner.interruptions.wait { $0 >= count ? () : nil }
        }
        try port.client.deleteVP(0, of: id)
        runner.thread.join()
        #expect(runner.interruptions.read { $0 } == 2000)
    }

    @Test func aSuspendedProcessorDoesNotRun() throws {
        let (id, vp) = try processor()
        try port.client.setRegisters([RegisterAssociation(.explicitSuspend, 1)], of: 0, in: id)
        #expect(try port.client.registers([.explicitSuspend, .rax], of: 0, in: id)[0] == RegisterValue(1))
        port.driver.run(
            .message(
                .unrecoverableException(
                    BareIntercept(
                        header: InterceptMessageHeader(
                            vp: 0, state: VPExecutionState(rawValue: 0), cs: .zero, rip: 0, rflags: 2)))))
        let exits = Monitor<[VPExit]>([])
        let thread = try SystemThread(name: "suspended") {
            for _ in 0..<2 {
                let exit = vp.run()
                exits.withLock { $0.append(exit) }
            }
        }
        // A cancellation ends the wait; the processor did not run for it.
        vp.cancelRun()
        exits.wait { $0.count == 1 ? () : nil }
        #expect(port.driver.state.withLock { $0.runs.count } == 1)
        try port.client.setRegisters([RegisterAssociation(.explicitSuspend, 0)], of: 0, in: id)
        thread.join()
        #expect(exits.read { $0 } == [.interrupted, .unrecoverableException])
    }

    /// Registers and suspension by call take a running processor out of the driver and let it in again.
    @Test func callsReachARunningProcessor() throws {
        let (id, vp) = try processor()
        let runner = try Runner(vp)
        for value in 0..<300 as Range<UInt64> {
            try port.client.setRegisters([RegisterAssociation(.rbx, value)], of: 0, in: id)
            #expect(try port.client.registers([.rbx], of: 0, in: id) == [RegisterValue(value)])
            try port.client.setRegisters(
                [RegisterAssociation(.explicitSuspend, 1), RegisterAssociation(.explicitSuspend, 0)], of: 0, in: id)
        }
        // None of it was the runner's business.
        #expect(runner.interruptions.read { $0 } == 0)
        try port.client.finalizePartition(id)
        runner.thread.join()
        #expect(vp.run() == .failed("the partition has ended"))
    }
}
