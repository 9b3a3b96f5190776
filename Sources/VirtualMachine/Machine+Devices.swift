import DeviceSources
import Glibc
import LinuxSystem
import Log
import Synchronization
import Virtio
import VirtualDevices

/// Disks and network interfaces that come and go while the machine runs.
extension Machine {
    /// The devices that are open, those among them that are about to go.
    package var attachedDevices: [DeviceSource] { devices.all.map(\.source) }

    /// Opens what the device uses of the host and gives it to the guest. One that is attached as it is asked for gets
    /// the limit only. Opening may take as long as storage does; nothing else of the machine waits for it.
    ///
    /// - Throws: `MachineError` where it can't be opened, its id is taken or no slot is free, or where it was taken back
    ///   meanwhile. Nothing has changed.
    package func attach(_ source: DeviceSource) throws(MachineError) {
        guard let reservation = try devices.reserve(source) else { return }
        do throws(MachineError) {
            let device = try open(source, reservation)
            try changes.withLock { _ throws(MachineError) in
                // Before the bus has it: the guest may eject it as soon as it sees it.
                guard devices.fill(reservation, device) else {
                    throw MachineError("\(source.name): it was taken back while it was opened")
                }
                observer.machineDidPlace(source.name, at: reservation.place)
                do throws(PCIError) {
                    try core?.chassis.plug(device, vpCount: configuration.vpCount, announced: true)
                } catch {
                    throw MachineError("\(source.name): \(error)")
                }
            }
        } catch {
            devices.giveUp(reservation)
            throw error
        }
    }

    /// Opens the devices that the machine begins with.
    func open(_ sources: [DeviceSource]) throws(MachineError) {
        for source in sources {
            guard let reservation = try devices.reserve(source) else {
                throw MachineError("\(source.name): there are two with this id")
            }
            let device = try open(source, reservation)
            observer.machineDidPlace(source.name, at: reservation.place)
            _ = devices.fill(reservation, device)
        }
    }

    private func open(
        _ source: DeviceSource, _ reservation: MachineDevices.Reservation
    ) throws(MachineError) -> any MachineDevice {
        switch source {
        case .disk(let disk):
            try watchSizes()
            return try MachineDisk.open(
                disk, place: reservation.place, directory: configuration.runDirectory, vpCount: configuration.vpCount,
                observer: observer)
        case .networkInterface(let interface):
            return try MachineNetworkInterface.open(
                interface, place: reservation.place, lockDirectory: configuration.lockDirectory,
                vpCount: configuration.vpCount, observer: observer)
        }
    }

    /// Asks the guest to give the device back; `machineDidEject` follows when it has, or when the machine is reset.
    ///
    /// - Parameter force: takes it away without asking.
    /// - Returns: false where there is no such device, or it is gone already.
    package func detach(_ name: DeviceName, force: Bool) -> Bool {
        changes.withLock { _ in
            if devices.takeBack(name) { return true }
            guard devices.has(name) else { return false }
            if force {
                // Between two lives there is no device.
                if core?.chassis.slots.unplug(.device(name)) != true, core == nil, devices.leave(name) { forget(name) }
                return true
            }
            guard devices.leave(name) else { return true }
            _ = core?.chassis.slots.requestEject(.device(name))
            return true
        }
    }

    /// Takes back that the guest shall eject the device. A guest that has read the request may still do it.
    ///
    /// - Returns: false where the device is gone or going.
    package func keep(_ name: DeviceName) -> Bool {
        changes.withLock { _ in
            guard devices.keep(name) else { return false }
            core?.chassis.slots.withdrawRequest(.device(name))
            return true
        }
    }

    /// Changes what the device may do; false where there is no such device.
    package func limit(_ name: DeviceName, _ limit: DeviceLimit?) -> Bool { devices.limit(name, limit) }

    /// Reminds the guest of hotplug events that it has not read.
    package func remindOfEvents() { core?.chassis.events.remind() }

    // MARK: What the guest does

    func deviceLeaves(_ name: SlotName) {
        if case .device(let name) = name { devices.go(name) }
    }

    func deviceIsGone(_ name: SlotName) {
        if case .device(let name) = name { forget(name) }
    }

    func forget(_ name: DeviceName) {
        if let departure = devices.remove(name) { tellEjected(departure) }
    }

    /// Tells that a device is gone once what it used is closed. A processor that is just in one of its registers, or
    /// the look at a disk's size, keeps it open for a moment longer.
    func tellEjected(_ departure: MachineDevices.Departure) {
        let deadline = monotonicNanoseconds() + 2_000_000_000
        while departure.backing != nil {
            guard monotonicNanoseconds() < deadline else {
                Log.warning(
                    "what a device used is still open although it is gone", ["device": departure.name.description])
                break
            }
            usleep(1000)
        }
        observer.machineDidEject(departure.name)
    }
}
