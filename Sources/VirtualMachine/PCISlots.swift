import DeviceSources
import LinuxSystem
import Log
import Synchronization
import Virtio
import VirtualDevices

/// Names a device in a slot.
enum SlotName: Hashable, Sendable, CustomStringConvertible {
    /// One that the machine always has.
    case fixed(String)
    /// One that can come and go.
    case device(DeviceName)

    /// As `FeatureNames` has it.
    var key: String {
        switch self {
        case .fixed(let name): name
        case .device(let name): "\(name.kind.rawValue)/\(name.id)"
        }
    }

    var description: String {
        switch self {
        case .fixed(let name): name
        case .device(let name): name.description
        }
    }
}

/// The virtio devices of one life of a machine by name, each in a slot of the PCI bus: they come, and they go when the
/// guest has ejected them or at once.
final class PCISlots: PCIHotplugTarget {
    private struct State {
        var plugged: [SlotName: (slot: Int, device: VirtioPCI)] = [:]
        /// Off the bus, with requests that are brought to their end.
        var retiring: [SlotName: VirtioPCI] = [:]
    }

    private let bridge: PCIHostBridge
    private let hotplug: PCIHotplug
    private let withheld: [String: UInt64]
    private let state = Mutex(State())
    private let leaving: @Sendable (SlotName) -> Void
    private let gone: @Sendable (SlotName) -> Void

    /// - Parameters:
    ///   - withheld: features that the drivers of devices are not told of, by the devices' keys.
    ///   - leaving: a device was taken off the bus, by the guest or by `unplug`.
    ///   - gone: afterwards: it is ended and no longer kept, so that what it used can be closed. On a thread of its own.
    init(
        _ bridge: PCIHostBridge, _ hotplug: PCIHotplug, withheld: [String: UInt64] = [:],
        leaving: @escaping @Sendable (SlotName) -> Void,
        gone: @escaping @Sendable (SlotName) -> Void
    ) {
        self.bridge = bridge
        self.hotplug = hotplug
        self.withheld = withheld
        self.leaving = leaving
        self.gone = gone
        hotplug.connect(self)
    }

    /// Puts a device into a free slot.
    ///
    /// - Parameter announced: whether the guest is told; one that has not started yet finds it by itself.
    /// - Throws: `PCIError` where there is no slot or no addresses for it; nothing is changed then.
    func plug(_ device: VirtioPCI, _ name: SlotName, announced: Bool) throws(PCIError) {
        if let features = withheld[name.key] { device.withhold(features) }
        let slot = try state.withLock { state throws(PCIError) in
            // What the machine always has stands below the slots that a guest can eject.
            let range = if case .fixed = name { 1..<PCIHotplug.slots.lowerBound } else { PCIHotplug.slots }
            let slot = try bridge.insert(device.function, among: range)
            state.plugged[name] = (slot, device)
            return slot
        }
        if announced { hotplug.announce(slot) }
    }

    /// Asks the guest to give the device back; false where there is none of that name.
    func requestEject(_ name: SlotName) -> Bool {
        guard let slot = state.withLock({ $0.plugged[name]?.slot }) else { return false }
        hotplug.requestEject(slot)
        return true
    }

    /// Takes a request back, as far as the guest has not read it.
    func withdrawRequest(_ name: SlotName) {
        if let slot = state.withLock({ $0.plugged[name]?.slot }) { hotplug.withdraw(slot) }
    }

    /// Takes the device away without asking the guest; false where there is none of that name.
    func unplug(_ name: SlotName) -> Bool { take { $0.plugged[name] == nil ? nil : name } }

    func slotWasEjected(_ slot: Int) {
        _ = take { state in state.plugged.first { $0.value.slot == slot }?.key }
    }

    private func take(_ choice: (borrowing State) -> SlotName?) -> Bool {
        let name = state.withLock { state -> SlotName? in
            guard let name = choice(state), let entry = state.plugged.removeValue(forKey: name) else { return nil }
            hotplug.withdraw(entry.slot)
            bridge.remove(at: entry.slot)
            state.retiring[name] = entry.device
            return name
        }
        guard let name else { return false }
        leaving(name)
        // Storage may take its time for what is under way: a processor must not wait for it.
        do throws(Errno) {
            try SystemThread(name: "unplug") { self.retire(name) }.detach()
        } catch {
            Log.warning("no thread for the end of a device: its guest waits for it", ["device": name.description])
            retire(name)
        }
        return true
    }

    private func retire(_ name: SlotName) {
        state.withLock({ $0.retiring[name] })?.retire()
        state.withLock { _ = $0.retiring.removeValue(forKey: name) }
        gone(name)
    }

    /// Lets go of all devices and what they use. They must have been stopped.
    func removeAll() {
        state.withLock { state in
            for entry in state.plugged.values { bridge.remove(at: entry.slot) }
            state.plugged = [:]
        }
    }

    /// Ends what all devices do with guest memory.
    func stop() {
        let devices = state.withLock { Array($0.plugged.values.map(\.device)) + Array($0.retiring.values) }
        for device in devices { device.stop() }
    }
}
