/// The configuration space of one PCI function: 4096 bytes, and which of their bits the guest may change (PCI Express
/// Base Specification, 7.5).
///
/// Base address registers need no code of their own: a guest finds a register's size by writing ones, and only the bits
/// above the size can be changed.
package struct PCIConfigurationSpace: Equatable, Sendable {
    package static let size = 4096
    /// Where the first capability is placed.
    private static let firstCapability = 0x40
    /// Capabilities lie below this; extended ones, of which there are none, above.
    private static let capabilitiesEnd = 0x100

    private var bytes: [UInt8]
    private var writable: [UInt8]
    /// Of the base address registers that there are, by index.
    package private(set) var bars: [Int: PCIBaseAddressRegister] = [:]
    private var nextCapability = firstCapability
    /// The pointer that the next capability is hung to.
    private var capabilityLink = PCIRegister.capabilitiesPointer

    package init(_ identity: PCIIdentity) {
        bytes = [UInt8](repeating: 0, count: Self.size)
        writable = [UInt8](repeating: 0, count: Self.size)
        set(identity.vendor, at: PCIRegister.vendorID)
        set(identity.device, at: PCIRegister.deviceID)
        set(identity.revision, at: PCIRegister.revisionID)
        set(identity.programmingInterface, at: PCIRegister.programmingInterface)
        set(identity.subclass, at: PCIRegister.subclass)
        set(identity.baseClass, at: PCIRegister.baseClass)
        set(identity.subsystemVendor, at: PCIRegister.subsystemVendorID)
        set(identity.subsystem, at: PCIRegister.subsystemID)
        // Memory and port decoding, bus mastering and the disabling of INTx are the guest's.
        allowWrites(PCICommand.guestBits, at: PCIRegister.command)
        allowWrites(UInt8.max, at: PCIRegister.cacheLineSize)
        allowWrites(UInt8.max, at: PCIRegister.interruptLine)
    }

    // MARK: Building

    /// Adds a base address register; a 64-bit one takes the next index too.
    ///
    /// - Returns: false where the register is not there or taken, or the size is no power of two of at least 16 bytes
    ///   (4 for ports) or more than its addresses can tell.
    package mutating func add(_ bar: PCIBaseAddressRegister, at index: Int) -> Bool {
        let last = bar.kind == .memory64 ? index + 1 : index
        guard index >= 0, last < PCIBaseAddressRegister.count, bar.hasUsableSize,
            (index...last).allSatisfy({ isFree($0) })
        else { return false }
        bars[index] = bar
        let offset = PCIRegister.bar(index)
        set(UInt32(bar.typeBits), at: offset)
        let addressBits = ~(bar.size - 1)
        allowWrites(UInt32(truncatingIfNeeded: addressBits), at: offset)
        if bar.kind == .memory64 { allowWrites(UInt32(truncatingIfNeeded: addressBits >> 32), at: offset + 4) }
        return true
    }

    private func isFree(_ index: Int) -> Bool {
        bars[index] == nil && bars[index - 1]?.kind != .memory64
    }

    /// Adds a capability to the list.
    ///
    /// - Parameters:
    ///   - body: what follows the identifier and the link; `writableBody`, as long, has ones for the guest's bits.
    /// - Returns: the capability's offset; nil where there is no more room.
    package mutating func addCapability(_ id: UInt8, _ body: [UInt8], writableBody: [UInt8] = []) -> Int? {
        let offset = nextCapability
        guard offset + 2 + body.count <= Self.capabilitiesEnd else { return nil }
        bytes[offset] = id
        for (index, byte) in body.enumerated() { bytes[offset + 2 + index] = byte }
        for (index, byte) in writableBody.prefix(body.count).enumerated() { writable[offset + 2 + index] = byte }
        bytes[capabilityLink] = UInt8(truncatingIfNeeded: offset)
        capabilityLink = offset + 1
        nextCapability = (offset + 2 + body.count + 3) / 4 * 4
        set(load(UInt16.self, at: PCIRegister.status) | PCIStatus.capabilitiesList, at: PCIRegister.status)
        return offset
    }

    // MARK: Accesses

    /// The guest's read; ones outside the space.
    package func read(offset: Int, size: Int) -> UInt32 {
        var value: UInt32 = 0
        for lane in 0..<min(max(size, 1), 4) {
            let byte = bytes.indices.contains(offset + lane) ? bytes[offset + lane] : 0xFF
            value |= UInt32(byte) << (8 * UInt32(lane))
        }
        return value
    }

    /// The guest's write: changes the bits that are the guest's.
    package mutating func write(offset: Int, size: Int, value: UInt32) {
        for lane in 0..<min(max(size, 1), 4) where bytes.indices.contains(offset + lane) {
            let mask = writable[offset + lane]
            let byte = UInt8(truncatingIfNeeded: value >> (8 * UInt32(lane)))
            bytes[offset + lane] = bytes[offset + lane] & ~mask | byte & mask
        }
    }

    /// A field as it stands.
    package func load<T: FixedWidthInteger>(_ type: T.Type, at offset: Int) -> T {
        var value: T = 0
        for index in 0..<(T.bitWidth / 8) { value |= T(truncatingIfNeeded: bytes[offset + index]) << (8 * index) }
        return value
    }

    /// Sets a field, whoever may write it.
    package mutating func set(_ value: some FixedWidthInteger, at offset: Int) {
        for (index, byte) in littleEndianBytes(value).enumerated() { bytes[offset + index] = byte }
    }

    private mutating func allowWrites(_ mask: some FixedWidthInteger, at offset: Int) {
        for (index, byte) in littleEndianBytes(mask).enumerated() { writable[offset + index] = byte }
    }

    // MARK: Base addresses

    /// Puts a base address register's range to `address`.
    package mutating func setBase(_ address: UInt64, of index: Int) {
        guard let bar = bars[index] else { return }
        let offset = PCIRegister.bar(index)
        set(UInt32(truncatingIfNeeded: address & ~(bar.size - 1)) | UInt32(bar.typeBits), at: offset)
        if bar.kind == .memory64 { set(UInt32(truncatingIfNeeded: address >> 32), at: offset + 4) }
    }

    /// The ranges that answer now: those of the kinds that the command register enables.
    package var decodedRanges: [PCIDecodedRange] {
        let command = load(UInt16.self, at: PCIRegister.command)
        return bars.sorted { $0.key < $1.key }.compactMap { index, bar in
            let isPort = bar.kind == .port
            guard command & (isPort ? PCICommand.portSpace : PCICommand.memorySpace) != 0 else { return nil }
            return PCIDecodedRange(bar: index, base: base(of: index, bar), size: bar.size, isPort: isPort)
        }
    }

    private func base(of index: Int, _ bar: PCIBaseAddressRegister) -> UInt64 {
        let offset = PCIRegister.bar(index)
        let low = UInt64(load(UInt32.self, at: offset)) & ~(bar.size - 1)
        return bar.kind == .memory64 ? UInt64(load(UInt32.self, at: offset + 4)) << 32 | low : low
    }
}
