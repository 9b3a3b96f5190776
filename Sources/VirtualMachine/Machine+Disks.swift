import BlockStorage
import Synchronization
import Virtio
import VirtualDevices

/// Disks that come and go while the machine runs.
extension Machine {
    /// The disks whose images are open, those among them that are about to go.
    package var attachedDisks: [DiskSource] { disks.all.map(\.source) }

    /// Opens the image and gives the guest a disk. One that is attached as it is asked for is left alone.
    ///
    /// - Throws: `MachineError` where the image can't be used, the id is taken or no slot is free. Nothing has changed.
    package func attach(_ source: DiskSource) throws(MachineError) {
        try changes.withLock { _ throws(MachineError) in
            if let disk = disks[source.id] {
                guard disk.source != source || !disks.isAttached(source.id) else { return }
                throw MachineError("disk '\(source.id)': a disk with this id is attached, or still going")
            }
            guard let place = disks.freePlace else {
                throw MachineError(
                    "disk '\(source.id)': \(DiskSource.maximumCount) disks are attached, which is the most")
            }
            try watchSizes()
            let disk = try MachineDisk.open(
                source, place: place, directory: configuration.runDirectory, vpCount: configuration.vpCount,
                observer: observer)
            // Before the bus has it: the guest may eject it as soon as it sees it.
            disks.add(disk)
            do throws(PCIError) {
                try core?.chassis.plug(disk, vpCount: configuration.vpCount, announced: true)
            } catch {
                disks.remove(source.id)
                throw MachineError("disk '\(source.id)': \(error)")
            }
        }
    }

    /// Asks the guest to give the disk back; `machineDidEject` follows when it has, or when the machine is reset.
    ///
    /// - Parameter force: takes it away without asking.
    /// - Returns: false where there is no such disk, or it is gone already.
    package func detach(_ id: String, force: Bool) -> Bool {
        changes.withLock { _ in
            guard disks[id] != nil else { return false }
            if force {
                // Between two lives there is no device.
                if core?.chassis.slots.unplug(.disk(id)) != true, core == nil, disks.leave(id) { forget(id) }
                return true
            }
            guard disks.leave(id) else { return true }
            _ = core?.chassis.slots.requestEject(.disk(id))
            return true
        }
    }

    /// Takes back that the guest shall eject the disk. A guest that has read the request may still do it.
    ///
    /// - Returns: false where the disk is gone or going.
    package func keep(_ id: String) -> Bool {
        changes.withLock { _ in
            guard disks.keep(id) else { return false }
            core?.chassis.slots.withdrawRequest(.disk(id))
            return true
        }
    }

    /// Changes what the disk may do; false where there is no such disk.
    package func limit(_ id: String, _ limit: DiskSource.RateLimit?) -> Bool {
        guard let disk = disks[id] else { return false }
        disk.limit(limit)
        return true
    }

    /// Reminds the guest of hotplug events that it has not read.
    package func remindOfEvents() { core?.chassis.events.remind() }

    // MARK: What the guest does

    func deviceLeaves(_ name: SlotName) {
        if case .disk(let id) = name { disks.go(id) }
    }

    func deviceIsGone(_ name: SlotName) {
        if case .disk(let id) = name { forget(id) }
    }

    /// The reference that the list has to the disk is the last one: its image is closed before anybody is told.
    func forget(_ id: String) {
        if disks.remove(id) { observer.machineDidEject(disk: id) }
    }
}
