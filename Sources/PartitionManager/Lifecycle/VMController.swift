import BootLoader
import DeviceSettings
import DeviceSources
import Hypervisor
import LinuxSystem
import Log
import Synchronization
import WorkerProtocol

/// The only writer of one VM's state. Requests and the guest's own news come here and are taken one after the other;
/// each change is one transaction of the store, and is shown when that is durable.
package actor VMController {
    package nonisolated let id: String
    /// What others read without waiting.
    package nonisolated let entry: VMEntry
    nonisolated let core: ManagerCore
    private nonisolated let mailbox = Mutex<[(runID: String, event: GuestEvent)]>([])

    var record: VMRecord
    /// The operation under way. Its work is in `VMController+Work.swift`.
    var active: StoredOperation?
    /// Detaches that wait for the guest: other operations go on beside them.
    var ejections: [StoredOperation]
    var driver: (any GuestDriver)?
    /// How many guests are being launched or looked for: their news wait until that is decided. More than one only
    /// when a start was superseded before its turn came.
    var launchesUnderWay = 0
    var isLaunching: Bool { launchesUnderWay > 0 }
    private(set) var isGone = false

    private var isChanging = false
    private var changes: [CheckedContinuation<Void, Never>] = []
    private var isReadingMail = false
    private var watchers: [UInt64: CheckedContinuation<Void, Never>] = [:]
    private var nextWatcher: UInt64 = 0

    /// - Parameter underWay: the operations that have not ended.
    init(_ record: VMRecord, underWay: [StoredOperation], core: ManagerCore) {
        id = record.id
        self.record = record
        let active = underWay.last { !$0.verb.isDetach }
        let ejections = underWay.filter(\.verb.isDetach)
        (self.active, self.ejections) = (active, ejections)
        self.core = core
        entry = VMEntry(
            record.resource(
                hypervisor: core.launcher.hypervisor, processID: nil, operationID: (active ?? ejections.first)?.id))
    }

    // MARK: Changes

    /// Makes a change that a client asked for. `body` sees the newest state and nobody changes it meanwhile.
    func change<T>(_ body: (inout VMDraft) throws(ServiceError) -> T) async throws(ServiceError) -> T {
        await beginChange()
        defer { endChange() }
        guard !isGone else { throw VMController.notFound(id) }
        var draft = VMDraft(record, active: active, ejections: ejections, now: realtimeNanoseconds())
        let value = try body(&draft)
        do throws(StoreError) {
            try await commit(draft)
        } catch {
            // The volumes and networks that the change would have taken.
            core.storage.settle(record.specification.disks, vm: id)
            core.networks.settle(record.specification.networkInterfaces, vm: id)
            throw ServiceError(error)
        }
        return value
    }

    /// Makes a change that has happened already: it is tried until the store takes it or ends.
    func record(_ body: (inout VMDraft) -> Void) async {
        var pause: UInt64 = 50_000_000
        while true {
            let failure = await tryRecord(body)
            guard let failure, failure.kind != .closed else { return }
            Log.error("a VM's state could not be stored; trying again", ["vm": id, "error": failure.description])
            try? await Task.sleep(nanoseconds: pause)
            pause = min(pause * 2, 5_000_000_000)
        }
    }

    private func tryRecord(_ body: (inout VMDraft) -> Void) async -> StoreError? {
        await beginChange()
        defer { endChange() }
        guard !isGone else { return nil }
        var draft = VMDraft(record, active: active, ejections: ejections, now: realtimeNanoseconds())
        body(&draft)
        do throws(StoreError) {
            try await commit(draft)
            return nil
        } catch {
            return error
        }
    }

    private func commit(_ draft: VMDraft) async throws(StoreError) {
        guard !draft.isEmpty else { return }
        var record = draft.record
        let touchesVM = draft.touchesVM
        let isRemoved = draft.isRemoved
        let changesDisks = isRemoved || record.specification.disks != self.record.specification.disks
        let changesNetworks =
            isRemoved || record.specification.networkInterfaces != self.record.specification.networkInterfaces
        if touchesVM {
            record.revision += 1
            record.updatedAt = realtimeNanoseconds()
        }
        let (stored, operations, events) = (record, draft.operations, draft.events)
        let resource = stored.resource(
            hypervisor: core.launcher.hypervisor, processID: driver?.processID, operationID: draft.operationID)
        let (core, entry) = (core, entry)
        try await core.store.write(
            { transaction throws(StoreError) in
                if isRemoved {
                    try transaction.deleteVM(stored.id)
                } else if touchesVM {
                    try transaction.putVM(stored)
                    if let run = stored.run { try transaction.usePartitionID(run.partitionID) }
                }
                for operation in operations { try transaction.putOperation(operation) }
                var records: [EventRecord] = []
                for event in events { records.append(try transaction.appendEvent(event)) }
                return records
            },
            committed: { records in
                if touchesVM { entry.publish(resource) }
                if isRemoved { core.vms.remove(stored.id) }
                if changesDisks { core.storage.settle(isRemoved ? [] : stored.specification.disks, vm: stored.id) }
                if changesNetworks {
                    core.networks.settle(isRemoved ? [] : stored.specification.networkInterfaces, vm: stored.id)
                }
                // Who sees an operation's end finds its events, and who is told of events finds what they tell of.
                core.events.append(records)
                core.operations.put(operations.map(\.resource))
                if !records.isEmpty { core.events.notify() }
            })
        self.record = record
        active = draft.active
        ejections = draft.ejections
        isGone = isRemoved
        if isRemoved { entry.console.notify() }
        wakeWatchers()
    }

    private func beginChange() async {
        if isChanging {
            // `endChange` hands the turn over: it stays taken.
            await withCheckedContinuation { changes.append($0) }
        } else {
            isChanging = true
        }
    }

    private func endChange() {
        if changes.isEmpty { isChanging = false } else { changes.removeFirst().resume() }
    }

    static func notFound(_ id: String) -> ServiceError {
        ServiceError(.notFound, "There is no VM with the id '\(id)'.")
    }

    // MARK: Waiting

    /// Waits until `condition` holds, which is asked again after each change, or `deadline` (monotonic nanoseconds) is
    /// over. Returns whether it holds.
    func wait(until deadline: UInt64? = nil, for condition: () -> Bool) async -> Bool {
        while !condition() {
            nextWatcher += 1
            let key = nextWatcher
            var timer: Task<Void, Never>?
            if let deadline {
                let now = monotonicNanoseconds()
                guard now < deadline else { return false }
                timer = Task {
                    try? await Task.sleep(nanoseconds: deadline - now)
                    self.wakeWatcher(key)
                }
            }
            await withCheckedContinuation { watchers[key] = $0 }
            timer?.cancel()
        }
        return true
    }

    func wakeWatchers() {
        let waiting = watchers.values
        watchers = [:]
        for watcher in waiting { watcher.resume() }
    }

    private func wakeWatcher(_ key: UInt64) { watchers.removeValue(forKey: key)?.resume() }

    // MARK: The guest's news

    /// Takes an event of the guest, from any thread.
    nonisolated func receive(_ event: GuestEvent, of runID: String) {
        if case .consoleAdvanced = event {
            entry.console.notify()
            return
        }
        mailbox.withLock { $0.append((runID, event)) }
        Task { await self.readMail() }
    }

    /// Applies the guest's news in their order. Those of an earlier run are dropped.
    func readMail() async {
        guard !isReadingMail, !isLaunching else { return }
        isReadingMail = true
        defer { isReadingMail = false }
        while !isLaunching, let mail = mailbox.withLock({ $0.isEmpty ? nil : $0.removeFirst() }) {
            guard record.run?.runID == mail.runID else { continue }
            switch mail.event {
            case .consoleAdvanced: break
            case .rebooted: await record { draft in draft.addEvent("vm.rebooted") }
            case .crashKernelLoaded: await record { draft in draft.addEvent("vm.crash-kernel-loaded") }
            case .watchdogExpired:
                await record { draft in
                    let action = draft.record.specification.deviceSettings.watchdog?.action.rawValue ?? "none"
                    draft.addEvent("vm.watchdog-expired", [("action", action)])
                }
            case .ejected(let device): await deviceWasEjected(device)
            case .devices(let kind, let present): await reconcile(present, kind)
            case .processors(let count): await processorsChanged(count)
            case .ended(let end): await endRun(end)
            }
        }
    }

    /// The guest is gone.
    func endRun(_ end: GuestEnd) async {
        driver = nil
        entry.detach()
        Log.info("a guest ended", ["vm": id, "end": "\(end)"])
        await record { draft in if draft.record.run != nil { draft.endRun(end) } }
        // A deletion that waited for the end.
        if isGone { await core.removeFiles(of: id) }
        awaitRestart()
    }

    func attach(_ driver: any GuestDriver) {
        self.driver = driver
        entry.attach(driver)
    }

    func launch(of run: RunRecord) -> GuestLaunch {
        let specification = record.specification
        var launch = GuestLaunch(
            vmID: id, runID: run.runID, directory: core.directory(of: id), runDirectory: core.runDirectory(of: id),
            partitionID: run.partitionID, vpCount: specification.vpCount, memorySize: run.bootMemory,
            boot: specification.bootSource,
            simulation: specification.simulation ?? SimulationModel(seed: VMController.seed(of: id)))
        launch.maximumVPCount = specification.vpMaximum
        launch.memoryGrowth = specification.memoryMaximum.map { $0.subtractingClamped(run.bootMemory) } ?? 0
        launch.disks = specification.disks
        if specification.cloudInit != nil { launch.disks.append(seedDisk) }
        launch.networkInterfaces = specification.networkInterfaces
        launch.devices = specification.deviceSettings
        launch.balloonSize = specification.deviceSettings.balloon?.inflation(of: specification.memorySize) ?? 0
        launch.withheldFeatures = specification.withheldFeatures
        launch.placement = specification.placement
        launch.dumpsCore = specification.dumpsCore
        return launch
    }

    /// FNV-1a of the id: the same VM is simulated in the same way on every machine.
    static func seed(of id: String) -> UInt64 {
        id.utf8.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01b3 }
    }
}

extension VMSpecification {
    /// What the loader is given. An unknown format was refused when the VM was created.
    package var bootSource: BootSource {
        BootSource(
            kernel: kernel, initrd: initrd, commandLine: commandLine,
            format: BootSource.Format(rawValue: bootFormat) ?? .auto, loadAddress: loadAddress)
    }
}
