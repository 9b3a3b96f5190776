/// What answers at a range of ports or guest physical addresses.
///
/// Called from any virtual processor's thread. Offsets are from where the device was inserted. On a `Bus` an access lies
/// wholly inside the device's range and `size` is what the guest used (1, 2, 4 or 8); a device must still bear any
/// other value, because no input of a guest may trap.
package protocol BusDevice: AnyObject, Sendable {
    /// The value in the low `size` bytes; the bus drops the others.
    func read(offset: UInt64, size: Int) -> UInt64
    /// Only the low `size` bytes of `value` count.
    func write(offset: UInt64, size: Int, value: UInt64)
    /// Puts the device where the machine's reset puts it. Host-side settings stay.
    func reset()
    /// The device's range of a PCI function begins at `base` of the bus from now on; nil: it is nowhere.
    func placed(at base: UInt64?)
}

extension BusDevice {
    package func placed(at base: UInt64?) {}
}

/// How wide accesses reach registers of one byte: as on the ISA bus, a word is two byte accesses at rising addresses.
enum ByteLanes {
    /// Reads byte by byte; a size outside 1...8 is taken as the nearest bound.
    static func read(offset: UInt64, size: Int, _ byte: (UInt64) -> UInt8) -> UInt64 {
        var value: UInt64 = 0
        for lane in 0..<UInt64(min(max(size, 1), 8)) {
            value |= UInt64(byte(offset &+ lane)) << (8 * lane)
        }
        return value
    }

    /// Writes byte by byte, lowest first.
    static func write(offset: UInt64, size: Int, value: UInt64, _ byte: (UInt64, UInt8) -> Void) {
        for lane in 0..<UInt64(min(max(size, 1), 8)) {
            byte(offset &+ lane, UInt8(truncatingIfNeeded: value >> (8 * lane)))
        }
    }
}
