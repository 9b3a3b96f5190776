import Synchronization

/// The root bus: functions by slot, reached through the configuration ports and through ECAM, and their ranges on the
/// machine's buses as the guest decodes them (PCI Express Base Specification, 7.2).
///
/// There is one bus and one function in each of its 32 slots. Slot 0 is the bridge itself. Functions are called with the
/// bridge's lock held: they must not call it.
package final class PCIHostBridge: Sendable {
    package static let slots = 32
    /// ECAM of one bus: 4 KiB for each of 32 slots with 8 functions.
    package static let ecamSize: UInt64 = 1 << 20

    private struct Slot {
        var function: any PCIFunction
        /// What the windows gave it.
        var allocated: [(base: UInt64, bar: PCIBaseAddressRegister)] = []
        /// What is on the machine's buses of it.
        var mapped: Set<PCIDecodedRange> = []
    }

    private struct State {
        var slots: [Int: Slot] = [:]
        var windows: PCIWindows
        /// CONFIG_ADDRESS.
        var address: UInt32 = 0
    }

    private let state: Mutex<State>
    private let ports: Bus
    private let mmio: Bus

    package init(windows: PCIWindows, ports: Bus, mmio: Bus) {
        state = Mutex(State(windows: windows))
        self.ports = ports
        self.mmio = mmio
        let identity = PCIIdentity(
            vendor: PCIVendor.redHat, device: 0x0008, baseClass: 0x06, subclass: 0x00,
            subsystemVendor: PCIVendor.redHat, subsystem: 0x1100)
        state.withLock { state in
            state.slots[0] = Slot(function: PCIEndpoint(PCIConfigurationSpace(identity), devices: [:]))
        }
    }

    /// The windows with what is taken of them.
    package var windows: PCIWindows { state.withLock { $0.windows } }

    /// Puts a function into a slot, with addresses for its ranges.
    ///
    /// - Parameters:
    ///   - wanted: 1...31; nil takes the first free one.
    ///   - range: the slots among which that is.
    /// - Returns: the slot.
    /// - Throws: `PCIError` where the slot is taken or not there, or no window has room; nothing is changed then.
    @discardableResult
    package func insert(
        _ function: any PCIFunction, at wanted: Int? = nil, among range: Range<Int> = 1..<PCIHostBridge.slots
    ) throws(PCIError) -> Int {
        try state.withLock { state throws(PCIError) in
            let slot = try Self.freeSlot(wanted, range, state)
            var windows = state.windows
            var bases: [(index: Int, base: UInt64, bar: PCIBaseAddressRegister)] = []
            for (index, bar) in function.baseAddressRegisters.sorted(by: { $0.key < $1.key }) {
                guard let base = windows.allocate(bar) else { throw .noRoom(slot: slot, bar: index, size: bar.size) }
                bases.append((index, base, bar))
            }
            for (index, base, _) in bases { function.setBase(base, ofBAR: index) }
            state.windows = windows
            state.slots[slot] = Slot(function: function, allocated: bases.map { ($0.base, $0.bar) })
            remap(slot, &state)
            return slot
        }
    }

    private static func freeSlot(
        _ wanted: Int?, _ range: Range<Int>, _ state: borrowing State
    ) throws(PCIError) -> Int {
        if let wanted {
            guard (1..<slots).contains(wanted) else { throw .noSuchSlot(wanted) }
            guard state.slots[wanted] == nil else { throw .slotTaken(wanted) }
            return wanted
        }
        for slot in range where state.slots[slot] == nil { return slot }
        throw .busFull
    }

    /// Takes the function of a slot away; its ranges are free again. Nil where there is none.
    @discardableResult
    package func remove(at slot: Int) -> (any PCIFunction)? {
        state.withLock { state in
            guard slot > 0, let entry = state.slots.removeValue(forKey: slot) else { return nil }
            for range in entry.mapped { unmap(range, of: entry.function) }
            for (base, bar) in entry.allocated { state.windows.free(base, of: bar) }
            return entry.function
        }
    }

    package func reset() {
        state.withLock { state in
            state.address = 0
            for slot in state.slots.keys.sorted() {
                state.slots[slot]?.function.reset()
                remap(slot, &state)
            }
        }
    }

    // MARK: Configuration accesses

    func read(slot: Int, function: Int, offset: Int, size: Int) -> UInt32 {
        guard function == 0, let target = state.withLock({ $0.slots[slot]?.function }) else { return .max }
        return target.readConfiguration(offset: offset, size: size)
    }

    func write(slot: Int, function: Int, offset: Int, size: Int, value: UInt32) {
        guard function == 0 else { return }
        state.withLock { state in
            guard let target = state.slots[slot]?.function else { return }
            target.writeConfiguration(offset: offset, size: size, value: value)
            // The command register and the base addresses decide what is on the machine's buses.
            if offset < PCIRegister.bar(PCIBaseAddressRegister.count) { remap(slot, &state) }
        }
    }

    var configurationAddress: UInt32 {
        get { state.withLock { $0.address } }
        set { state.withLock { $0.address = newValue & 0x80FF_FFFC } }
    }

    /// Brings the machine's buses to what the function of `slot` decodes. A range that another device holds stays
    /// away, as on a real bus where two answer: until the guest moves one of them.
    private func remap(_ slot: Int, _ state: inout State) {
        guard var entry = state.slots[slot] else { return }
        let wanted = Set(entry.function.decodedRanges)
        for range in entry.mapped.subtracting(wanted) { unmap(range, of: entry.function) }
        entry.mapped.formIntersection(wanted)
        for range in wanted.subtracting(entry.mapped) {
            guard let device = entry.function.device(ofBAR: range.bar) else { continue }
            let bus = range.isPort ? ports : mmio
            guard (try? bus.insert(device, at: range.base, count: range.size)) != nil else { continue }
            entry.mapped.insert(range)
            device.placed(at: range.base)
        }
        state.slots[slot] = entry
    }

    private func unmap(_ range: PCIDecodedRange, of function: any PCIFunction) {
        (range.isPort ? ports : mmio).remove(at: range.base)
        function.device(ofBAR: range.bar)?.placed(at: nil)
    }
}

/// Vendor identifiers.
package enum PCIVendor {
    /// Red Hat, Inc., whose range holds virtio and the bridges of virtual machines.
    package static let redHat: UInt16 = 0x1B36
    /// virtio (virtio 1.2, 4.1.2).
    package static let virtio: UInt16 = 0x1AF4
}

/// A function can't be put where it was asked to be.
package enum PCIError: Error, Equatable, CustomStringConvertible {
    case noSuchSlot(Int)
    case slotTaken(Int)
    case busFull
    case noRoom(slot: Int, bar: Int, size: UInt64)

    package var description: String {
        switch self {
        case .noSuchSlot(let slot): "there is no PCI slot \(slot): slots are 1 to \(PCIHostBridge.slots - 1)"
        case .slotTaken(let slot): "PCI slot \(slot) is taken"
        case .busFull: "all PCI slots that it could have are taken"
        case .noRoom(let slot, let bar, let size):
            "no window has \(size) free bytes for base address register \(bar) of the device in PCI slot \(slot)"
        }
    }
}
