import Synchronization

/// A function as the bus sees it. Called from any processor's thread.
package protocol PCIFunction: AnyObject, Sendable {
    /// - Parameters: `offset` 0...4095; `size` 1, 2 or 4.
    func readConfiguration(offset: Int, size: Int) -> UInt32
    func writeConfiguration(offset: Int, size: Int, value: UInt32)
    /// The ranges at which the function answers, by what the guest wrote last.
    var decodedRanges: [PCIDecodedRange] { get }
    /// What answers at a base address register's range.
    func device(ofBAR index: Int) -> (any BusDevice)?
    /// The registers whose ranges have to be given addresses, and where to put them.
    var baseAddressRegisters: [Int: PCIBaseAddressRegister] { get }
    func setBase(_ address: UInt64, ofBAR index: Int)
    /// Puts the function where the machine's reset puts it; base addresses stay as the allocator set them.
    func reset()
}

/// A function made of a configuration space, devices behind its base address registers, and MSI-X where it interrupts.
package final class PCIEndpoint: PCIFunction {
    /// Where in the configuration space the control word of MSI-X is; nil without MSI-X.
    private let controlOffset: Int?
    private let msix: MSIX?
    private let devices: [Int: any BusDevice]
    private let initial: Mutex<PCIConfigurationSpace>
    private let space: Mutex<PCIConfigurationSpace>
    private let configurationChanged: @Sendable (_ offset: Int, _ size: Int) -> Void

    /// - Parameters:
    ///   - space: with all capabilities, that of MSI-X among them.
    ///   - msix: and the offset of its capability.
    ///   - devices: what is behind each base address register.
    ///   - configurationChanged: called after each write of the guest, with its place.
    package init(
        _ space: PCIConfigurationSpace, msix: (table: MSIX, capability: Int)? = nil, devices: [Int: any BusDevice],
        configurationChanged: @escaping @Sendable (_ offset: Int, _ size: Int) -> Void = { _, _ in }
    ) {
        self.space = Mutex(space)
        initial = Mutex(space)
        self.msix = msix?.table
        controlOffset = msix.map { $0.capability + 2 }
        self.devices = devices
        self.configurationChanged = configurationChanged
    }

    /// The configuration space as one value, for saving; setting it restores.
    package var configuration: PCIConfigurationSpace {
        get { space.withLock { $0 } }
        set {
            space.withLock { $0 = newValue }
            followControl()
        }
    }

    package var baseAddressRegisters: [Int: PCIBaseAddressRegister] { space.withLock { $0.bars } }
    package var decodedRanges: [PCIDecodedRange] { space.withLock { $0.decodedRanges } }
    package func device(ofBAR index: Int) -> (any BusDevice)? { devices[index] }

    package func readConfiguration(offset: Int, size: Int) -> UInt32 {
        space.withLock { $0.read(offset: offset, size: size) }
    }

    package func writeConfiguration(offset: Int, size: Int, value: UInt32) {
        space.withLock { $0.write(offset: offset, size: size, value: value) }
        if let controlOffset, offset < controlOffset + 2, offset + size > controlOffset { followControl() }
        configurationChanged(offset, size)
    }

    /// Where the allocator puts a range is where it is after a reset too.
    package func setBase(_ address: UInt64, ofBAR index: Int) {
        space.withLock { $0.setBase(address, of: index) }
        initial.withLock { $0.setBase(address, of: index) }
    }

    package func reset() {
        let first = initial.withLock { $0 }
        space.withLock { $0 = first }
        msix?.reset()
        for device in devices.values { device.reset() }
    }

    private func followControl() {
        guard let controlOffset, let msix else { return }
        msix.setControl(space.withLock { $0.load(UInt16.self, at: controlOffset) })
    }
}

/// A base address register's range that holds a function's MSI-X table and pending bits and nothing else.
package final class MSIXWindow: BusDevice {
    private let msix: MSIX

    package init(_ msix: MSIX) { self.msix = msix }

    /// Where the pending bits begin.
    package var pendingOffset: UInt32 { UInt32((msix.tableSize + 0xFFF) / 0x1000 * 0x1000) }

    /// Bytes of the range: a power of two.
    package var size: UInt64 {
        let needed = UInt64(pendingOffset) + UInt64(msix.pendingSize)
        return 1 << UInt64(64 - (needed - 1).leadingZeroBitCount)
    }

    package func read(offset: UInt64, size: Int) -> UInt64 {
        if offset < UInt64(msix.tableSize) { return msix.readTable(offset: offset, size: size) }
        guard offset >= UInt64(pendingOffset) else { return 0 }
        return msix.readPending(offset: offset - UInt64(pendingOffset), size: size)
    }

    package func write(offset: UInt64, size: Int, value: UInt64) {
        if offset < UInt64(msix.tableSize) { msix.writeTable(offset: offset, size: size, value: value) }
    }

    package func reset() {}
}
