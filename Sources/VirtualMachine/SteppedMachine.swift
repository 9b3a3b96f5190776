import BootLoader
import GuestMemory
import Hypervisor
import LinuxSystem
import Synchronization
import VirtualDevices

/// A machine whose processors never wait inside `run`, so that one thread can take many of them forward: the simulated
/// engine's machines. No guest code is loaded and guest memory is address space only.
///
/// Not for two threads at a time: whoever steps it serializes all calls but `observer`'s.
package final class SteppedMachine {
    private let configuration: MachineConfiguration
    private let backend: any HypervisorBackend
    private let observer: any MachineObserver
    private let memory: GuestMemory
    private let requests: Requests
    private var core: MachineCore?

    /// What the guest asked for during a step.
    private final class Requests: Sendable {
        let first = Mutex<PowerRequest?>(nil)
        func note(_ request: PowerRequest) { first.withLock { if $0 == nil { $0 = request } } }
        func take() -> PowerRequest? {
            first.withLock { request in
                defer { request = nil }
                return request
            }
        }
    }

    /// - Throws: `MachineError` naming the step that failed, after the same checks of the image as a machine that
    ///   runs it.
    package init(
        _ configuration: MachineConfiguration, on backend: any HypervisorBackend, observer: any MachineObserver
    ) throws(MachineError) {
        self.configuration = configuration
        self.backend = backend
        self.observer = observer
        requests = Requests()
        do {
            _ = try BootImage.inspect(configuration.boot, memorySize: configuration.memorySize)
            memory = try GuestMemory(size: configuration.memorySize, mapped: false)
        } catch {
            throw MachineError("\(error)")
        }
        core = nil
        core = try makeCore()
    }

    private func makeCore() throws(MachineError) -> MachineCore {
        try MachineCore(
            configuration, on: backend, memory: memory, image: nil,
            output: { [observer] in observer.machineDidPrint($0) },
            request: { [requests] in requests.note($0) })
    }

    /// The partition, for its id and hot path; nil after the end.
    package var partition: Partition? { core?.partition }

    /// Runs every processor until it has nothing to do.
    ///
    /// - Returns: when to step next (monotonic nanoseconds); nil after the machine's end.
    package func step() -> UInt64? {
        guard let core else { return nil }
        var next = UInt64.max
        for processor in core.processors {
            // A model that never halts must not hold the thread that all machines share.
            run: for _ in 0..<4096 {
                let exit = processor.run()
                observer.machineDidExit(vp: Int(processor.index), reason: exit.reason)
                let outcome = core.handle(exit, of: processor)
                if let request = requests.take() { return obey(request) }
                switch outcome {
                case .runAgain: continue
                case .idle(let wakeAt):
                    next = min(next, wakeAt ?? UInt64.max)
                    break run
                case .end(let end):
                    finish(end)
                    return nil
                }
            }
        }
        return next
    }

    private func obey(_ request: PowerRequest) -> UInt64? {
        switch request {
        case .powerOff: finish(.poweredOff)
        case .debugExit(let code): finish(.debugExit(code: code))
        case .reset: return reset()
        }
        return nil
    }

    /// Starts the guest again. Returns when to step next; nil when that failed and the machine has ended.
    package func reset() -> UInt64? {
        guard let old = core else { return nil }
        core = nil
        old.tearDown()
        do {
            core = try makeCore()
            observer.machineDidReset()
            return 0
        } catch {
            observer.machineDidEnd(.failed("the machine could not be reset: \(error)"))
            return nil
        }
    }

    package func stop() { finish(.stopped) }

    package func pressPowerButton() { core?.chassis.events.pressPowerButton() }

    /// Gives bytes to the serial port and wakes the processors; returns how many it took.
    package func receive(_ bytes: [UInt8]) -> Int { core?.chassis.serial.receive(bytes) ?? 0 }

    package var memoryMapped: UInt64 { core?.partition.mappedBytes ?? 0 }
    package var memoryDeposited: UInt64 { core?.partition.depositedBytes ?? 0 }

    private func finish(_ end: MachineEnd) {
        guard let old = core else { return }
        core = nil
        old.tearDown()
        observer.machineDidEnd(end)
    }
}
