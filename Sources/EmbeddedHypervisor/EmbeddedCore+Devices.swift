import HypercallABI
import HypercallCore
import Hypervisor
import Synchronization

/// Devices that partitions have, and the IOMMU before them.
///
/// The calls check in this order: reserved fields, unknown flags and trust levels above 0, `invalidParameter`; the
/// partition, `invalidPartitionId` and `invalidPartitionState`; and then:
/// - attaching: the root as the partition is `invalidPartitionId`; what is not a known PCI function of the root,
///   `invalidDeviceId`; one that another partition has, has interrupts mapped or is in a domain, `invalidDeviceState`;
///   a logical name that is none (with the flag for it; without it, any but 0), `invalidParameter`; one that the
///   partition has already, `keyAlreadyExists`; `insufficientMemory`. Without the flag it keeps its name.
/// - detaching: a device that is not the partition's, `invalidDeviceId`; one with interrupts or in a domain,
///   `invalidDeviceState`. The end of a partition detaches all.
/// - the property: the device, `invalidDeviceId`, and then any but the one that is known, `unknownProperty`.
extension EmbeddedCore {
    func attachDevice(_ input: AttachDeviceInput) throws(HypercallStatus) {
        guard AttachDeviceInput.Flags.known.isSuperset(of: input.flags), input.vtl == 0 else {
            throw HypercallStatus.invalidParameter
        }
        let owner = try owner(input.partition)
        guard owner != .own else { throw HypercallStatus.invalidPartitionId }
        try devices.withLock { table throws(HypercallStatus) in
            guard let device = table.devices[input.device], input.device.kind == .pci else {
                throw HypercallStatus.invalidDeviceId
            }
            guard device.owner == .own, device.domain == nil, !table.hasInterrupts(input.device, of: .own) else {
                throw HypercallStatus.invalidDeviceState
            }
            let isNamed = input.flags.contains(.logicalID)
            guard isNamed ? input.logicalID.kind == .logical : input.logicalID.rawValue == 0 else {
                throw HypercallStatus.invalidParameter
            }
            let name = isNamed ? input.logicalID : input.device
            guard !table.devices.values.contains(where: { $0.owner == owner && $0.name == name }) else {
                throw HypercallStatus.keyAlreadyExists
            }
            try use(PageCosts.attachedDevice, of: owner)
            table.devices[input.device] = DeviceTable.Device(owner: owner, name: name)
        }
    }

    func detachDevice(_ input: PartitionDeviceInput) throws(HypercallStatus) {
        let owner = try owner(input.partition)
        guard owner != .own else { throw HypercallStatus.invalidPartitionId }
        try devices.withLock { table throws(HypercallStatus) in
            let physical = try table.find(input.device, of: owner)
            guard table.devices[physical]?.domain == nil, !table.hasInterrupts(input.device, of: owner) else {
                throw HypercallStatus.invalidDeviceState
            }
            table.devices[physical] = DeviceTable.Device(name: physical)
            release(PageCosts.attachedDevice, of: owner)
        }
    }

    func iommuCapabilities(of partition: PartitionID) throws(HypercallStatus) -> IOMMUCapabilities {
        _ = try owner(partition)
        return IOMMUCapabilities(
            addressWidth: Limits.deviceAddressBits, pasidWidth: 0, features: [.present, .secondStage], pageSizes: 4096)
    }

    func logicalDeviceProperty(_ input: LogicalDevicePropertyInput) throws(HypercallStatus) -> UInt64 {
        let owner = try owner(input.partition)
        return try devices.withLock { table throws(HypercallStatus) in
            _ = try table.find(input.device, of: owner)
            guard input.code == LogicalDevicePropertyInput.iommu else { throw HypercallStatus.unknownProperty }
            return LogicalDevicePropertyInput.isIOMMUEnabled
        }
    }

    /// Where an access of a device leads: the root's page number.
    ///
    /// - Parameter device: the physical name.
    /// - Returns: nil where the IOMMU ends the access.
    func page(reachedBy device: DeviceID, at page: UInt64, writing: Bool) -> UInt64? {
        devices.withLock { table in
            guard let known = table.devices[device] else { return nil }
            if let domain = known.domain {
                guard let backing = table.domains[domain]?.pages.extents[page],
                    !writing || backing.flags.contains(.writable)
                else { return nil }
                return backing.source
            }
            if known.owner == .own { return rootMemory.checkUse(of: page) == .success ? page : nil }
            return try? ownedPage(page, of: known.owner, writing: writing)
        }
    }

    /// The root's number of an owner's page.
    ///
    /// - Throws: `invalidParameter` for a page of a partition that has no memory which may be accessed so.
    func ownedPage(_ page: UInt64, of owner: PartitionID, writing: Bool) throws(HypercallStatus) -> UInt64 {
        if owner == .own { return page }
        return try partition(owner).with { state throws(HypercallStatus) in
            try state.requireActive()
            guard let backing = state.memory.extents[page], backing.isInEngine, let source = backing.source,
                !writing || backing.flags.contains(.writable)
            else { throw HypercallStatus.invalidParameter }
            return source
        }
    }
}
