import Hypervisor
import LinuxSystem
import Synchronization
import VirtualDevices

/// The processors' threads, and processors that come and go while the machine runs.
extension Machine {
    /// How many processors the guest has; nil between two lives.
    package var processorCount: Int? {
        core.map { $0.chassis.processors?.count ?? $0.processors.count }
    }

    /// Gives the guest processors up to `count`, or asks it to give back those from `count` on. What it has is told by
    /// `machineDidChange(processors:)`. A processor that is given back runs no more and is kept for the next time.
    ///
    /// - Throws: `MachineError` for a number that this machine can't have, and where the host has no room for another.
    package func setProcessors(count: Int) throws(MachineError) {
        let maximum = configuration.maximumVPCount ?? configuration.vpCount
        guard (1...maximum).contains(count) else {
            throw MachineError("a guest of 1 to \(maximum) processors can't have \(count)")
        }
        try changes.withLock { _ throws(MachineError) in
            let core = monitor.withLock { state in
                state.vpCount = count
                return state.ending == nil ? state.core : nil
            }
            // Where a life is about to end, the next one begins with as many.
            guard let core, let controller = core.chassis.processors else { return }
            for index in 1..<maximum {
                if index >= count {
                    controller.requestEject(index)
                } else if controller.isPresent(index) {
                    controller.insert(index)
                } else {
                    try bring(try core.processor(index), to: core)
                    controller.insert(index)
                    observer.machineDidChange(processors: controller.count)
                }
            }
        }
    }

    /// Starts the processor, whose thread of an earlier time has ended or is about to.
    private func bring(_ processor: any VirtualProcessor, to core: MachineCore) throws(MachineError) {
        let index = Int(processor.index)
        let isStarted = monitor.read { $0.isStarted }
        guard isStarted else { return }
        if let old = monitor.withLock({ $0.threads.removeValue(forKey: index) }) {
            processor.cancelRun()
            old.join()
        }
        _ = monitor.withLock { $0.retired.remove(index) }
        try startThread(of: processor, of: core)
    }

    /// On a processor's thread, which may be that of the processor itself.
    func processorWasEjected(_ index: Int) {
        let core = monitor.withLock { state in
            state.retired.insert(index)
            return state.core
        }
        guard let core else { return }
        let processors = core.processors
        if processors.indices.contains(index) { processors[index].cancelRun() }
        if let count = core.chassis.processors?.count { observer.machineDidChange(processors: count) }
    }

    // MARK: Threads

    /// Starts the processors that the guest begins with. Those that were brought before have their threads already.
    func startProcessors(of core: MachineCore) {
        changes.withLock { _ in
            for processor in core.processors where !monitor.read({ $0.executing.contains(Int(processor.index)) }) {
                do throws(MachineError) {
                    try startThread(of: processor, of: core)
                } catch {
                    end(.end(.failed(error.description)))
                }
            }
        }
        if let count = core.chassis.processors?.count { observer.machineDidChange(processors: count) }
    }

    /// Ends the threads of all processors.
    func joinProcessors(of core: MachineCore) {
        changes.withLock { _ in
            // A processor may have begun to run after the first cancel was sent.
            for processor in core.processors { processor.cancelRun() }
            let threads = monitor.withLock { state in
                defer { state.threads = [:] }
                return state.threads
            }
            for thread in threads.values { thread.join() }
            monitor.withLock { $0.retired = [] }
        }
    }

    private func startThread(of processor: any VirtualProcessor, of core: MachineCore) throws(MachineError) {
        let index = Int(processor.index)
        _ = monitor.withLock { $0.executing.insert(index) }
        do throws(Errno) {
            let place = configuration.vpProcessors[index]
            let thread = try SystemThread(name: "vp \(index)") {
                do throws(Errno) {
                    if let place { try HostPlacement.runThread(on: place) }
                } catch {
                    self.end(
                        .end(
                            .failed(
                                "processor \(index) can't run on host processors \(place?.description ?? ""): \(error)")
                        ))
                }
                self.observer.machineDidStart(vp: index, thread: SystemThread.currentID)
                self.run(processor, of: core)
                self.monitor.withLock { state in
                    state.executing.remove(index)
                    if state.ending == nil { self.observer.machineDidStop(vp: index) }
                }
            }
            monitor.withLock { $0.threads[index] = thread }
        } catch {
            _ = monitor.withLock { $0.executing.remove(index) }
            throw MachineError("no thread for processor \(index): \(error)")
        }
    }
}
