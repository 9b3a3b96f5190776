import Synchronization

/// An address space of devices: the ports, or the guest physical addresses without memory.
///
/// Devices may be inserted and removed while processors run. An access that has already found its device may still
/// reach it just after `remove` returned.
package final class Bus: Sendable {
    private struct Entry {
        var base: UInt64
        /// Inclusive, so that a range may end at the top of the address space.
        var last: UInt64
        var device: any BusDevice
    }

    private let name: String
    /// Sorted by base, without overlaps. The lock is held for the search only, never while a device works.
    private let entries = Mutex<[Entry]>([])

    /// - Parameter name: what errors call this bus, for example `ports`.
    package init(name: String) { self.name = name }

    /// Lets `device` answer at `count` addresses from `base`. One device may stand at several ranges.
    ///
    /// - Throws: `BusError` where the range is empty, leaves the address space or overlaps another.
    package func insert(_ device: any BusDevice, at base: UInt64, count: UInt64) throws(BusError) {
        guard count > 0 else { throw .emptyRange(bus: name, base: base) }
        let (last, overflow) = base.addingReportingOverflow(count - 1)
        guard !overflow else { throw .outsideAddressSpace(bus: name, base: base, count: count) }
        let conflict = entries.withLock { (entries) -> ClosedRange<UInt64>? in
            let index = Self.index(after: base, in: entries)
            if index > 0, entries[index - 1].last >= base {
                return entries[index - 1].base...entries[index - 1].last
            }
            if index < entries.count, entries[index].base <= last {
                return entries[index].base...entries[index].last
            }
            entries.insert(Entry(base: base, last: last, device: device), at: index)
            return nil
        }
        if let conflict { throw .overlap(bus: name, range: base...last, existing: conflict) }
    }

    /// Takes away the range that begins exactly at `base`; nil where none does.
    @discardableResult
    package func remove(at base: UInt64) -> (any BusDevice)? {
        entries.withLock { entries in
            let index = Self.index(after: base, in: entries)
            guard index > 0, entries[index - 1].base == base else { return nil }
            return entries.remove(at: index - 1).device
        }
    }

    /// Takes all devices away: some hold the bus themselves, and would keep each other for ever.
    package func removeAll() { entries.withLock { $0 = [] } }

    /// The device's answer, cut to `size` bytes; all ones where no device holds the whole access.
    package func read(address: UInt64, size: Int) -> UInt64 {
        let mask = Self.mask(size)
        guard let (device, offset) = find(address, size) else { return mask }
        return device.read(offset: offset, size: size) & mask
    }

    /// Lost where no device holds the whole access.
    package func write(address: UInt64, size: Int, value: UInt64) {
        guard let (device, offset) = find(address, size) else { return }
        device.write(offset: offset, size: size, value: value & Self.mask(size))
    }

    /// Resets every device once, in the order of their first address.
    package func reset() {
        let devices = entries.withLock { entries in entries.map(\.device) }
        var seen: Set<ObjectIdentifier> = []
        for device in devices where seen.insert(ObjectIdentifier(device)).inserted { device.reset() }
    }

    private func find(_ address: UInt64, _ size: Int) -> (device: any BusDevice, offset: UInt64)? {
        guard size > 0 else { return nil }
        let (last, overflow) = address.addingReportingOverflow(UInt64(size) - 1)
        guard !overflow else { return nil }
        return entries.withLock { entries in
            let index = Self.index(after: address, in: entries)
            guard index > 0, entries[index - 1].last >= last else { return nil }
            return (entries[index - 1].device, address - entries[index - 1].base)
        }
    }

    /// The index of the first entry that begins above `address`.
    private static func index(after address: UInt64, in entries: [Entry]) -> Int {
        var low = 0
        var high = entries.count
        while low < high {
            let middle = (low + high) / 2
            if entries[middle].base <= address { low = middle + 1 } else { high = middle }
        }
        return low
    }

    private static func mask(_ size: Int) -> UInt64 {
        switch size {
        case ...0: 0
        case 1...7: (1 << (8 * UInt64(size))) - 1
        default: .max
        }
    }
}

/// A device can't stand where it was asked to.
package enum BusError: Error, Equatable, CustomStringConvertible {
    case emptyRange(bus: String, base: UInt64)
    case outsideAddressSpace(bus: String, base: UInt64, count: UInt64)
    case overlap(bus: String, range: ClosedRange<UInt64>, existing: ClosedRange<UInt64>)

    package var description: String {
        switch self {
        case .emptyRange(let bus, let base):
            "\(bus): the range at \(hexadecimal(base)) is empty; a device needs at least one address"
        case .outsideAddressSpace(let bus, let base, let count):
            "\(bus): \(count) addresses from \(hexadecimal(base)) leave the 64-bit address space"
        case .overlap(let bus, let range, let existing):
            "\(bus): \(hexadecimal(range.lowerBound))-\(hexadecimal(range.upperBound)) overlaps the device at "
                + "\(hexadecimal(existing.lowerBound))-\(hexadecimal(existing.upperBound))"
        }
    }

    private func hexadecimal(_ value: UInt64) -> String { "0x" + String(value, radix: 16) }
}
