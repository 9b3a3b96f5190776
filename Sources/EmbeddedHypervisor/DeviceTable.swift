import HypercallABI

/// The devices that the hypervisor knows, and what partitions have of them: interrupts and domains.
///
/// A device is the root's until HvCallAttachDevice gives it to a partition, which calls it by a logical name then. Its
/// embedder registers the root's devices; there is none before.
struct DeviceTable {
    struct Device {
        var owner: PartitionID = .own
        /// What the owner calls it; the root by its physical name.
        var name: DeviceID
        /// Nil: the default domain, in which a device reaches what its owner does.
        var domain: DomainKey?
    }

    /// By physical name.
    var devices: [DeviceID: Device] = [:]
    /// What partitions mapped, in the order in which they did.
    var interrupts: [PartitionID: [DeviceInterrupt]] = [:]
    var domains: [DomainKey: DeviceDomain] = [:]

    /// - Returns: the physical name.
    /// - Throws: `invalidDeviceId` for a device that is not there or is another partition's.
    func find(_ name: DeviceID, of owner: PartitionID) throws(HypercallStatus) -> DeviceID {
        if owner == .own {
            guard devices[name]?.owner == .own else { throw HypercallStatus.invalidDeviceId }
            return name
        }
        guard let found = devices.first(where: { $0.value.owner == owner && $0.value.name == name }) else {
            throw HypercallStatus.invalidDeviceId
        }
        return found.key
    }

    func hasInterrupts(_ name: DeviceID, of owner: PartitionID) -> Bool {
        interrupts[owner, default: []].contains { $0.device == name }
    }
}

/// A device's interrupt as a partition mapped it.
struct DeviceInterrupt: Equatable {
    /// What the partition calls it.
    let device: DeviceID
    /// What the device is set up with.
    let entry: InterruptEntry
    /// Fixed or lowest priority.
    let type: UInt32
    let isLevelTriggered: Bool
    var target: Target

    struct Target: Equatable {
        var vector: UInt32
        /// In ascending order, never empty.
        var processors: [VPIndex]
        var isMulticast: Bool

        /// Whether both would have the same vector on one processor.
        func collides(with other: Target) -> Bool {
            vector == other.vector && !Set(processors).isDisjoint(with: other.processors)
        }
    }

    init(device: DeviceID, type: UInt32, isLevelTriggered: Bool, target: Target) {
        self.device = device
        self.type = type
        self.isLevelTriggered = isLevelTriggered
        self.target = target
        entry = Self.entry(device.interruptSource, type, isLevelTriggered, target)
    }

    /// The messages that deliver it: one for each processor that is to have it.
    var messages: [(address: UInt64, data: UInt32)] {
        let processors = target.isMulticast ? target.processors[...] : target.processors.prefix(1)
        return processors.map { index in
            let levelAsserted: UInt32 = isLevelTriggered ? 0xC000 : 0
            return (processorMessageAddress(index), target.vector | type << 8 | levelAsserted)
        }
    }

    /// An entry names the first processor and the vector, so that no two of a partition are the same while both have
    /// the target that they were made for.
    private static func entry(
        _ source: InterruptSource, _ type: UInt32, _ isLevelTriggered: Bool, _ target: Target
    ) -> InterruptEntry {
        let destination = UInt64(target.processors.first ?? 0)
        let low = UInt64(target.vector) | UInt64(type) << 8
        if source == .ioAPIC {
            // The upper bits of a long identifier stand below the eight lower ones.
            let level: UInt64 = isLevelTriggered ? 1 << 15 : 0
            return InterruptEntry(
                source: source, value: low | level | (destination & 0xFF) << 56 | (destination >> 8 & 0x7F) << 49)
        }
        let address = 0xFEE0_0000 | (destination & 0xFF) << 12 | (destination >> 8 & 0x7F) << 5
        return InterruptEntry(source: source, value: address | low << 32)
    }
}

/// The address of a message to one processor's local APIC. The upper 24 bits of an x2APIC identifier stand in the high
/// half, as KVM's X2APIC_API has them.
func processorMessageAddress(_ index: VPIndex) -> UInt64 {
    0xFEE0_0000 | UInt64(index & 0xFF) << 12 | UInt64(index & 0xFFFF_FF00) << 32
}
