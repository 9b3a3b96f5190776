import Glibc
import HypercallABI
import HypercallCore
import Hypervisor
import Synchronization

/// Interrupts of devices.
///
/// The calls check in this order:
/// 1. reserved fields: `invalidParameter`;
/// 2. the partition, which is the root or one that is active: `invalidPartitionId`, `invalidPartitionState`;
/// 3. the device, which is there and the partition's: `invalidDeviceId`;
/// 4. everything that is wrong by itself: `invalidParameter` for flags, for a base index, for another type than fixed
///    and lowest priority, for a trigger mode that is none, a level from what is not an I/O APIC, for any count of
///    vectors but one, for a vector outside 16...255, for a set of processors that is malformed or empty, and for an
///    entry of the wrong source (an I/O APIC has the source I/O APIC, all else MSI; the logical entry may have none);
/// 5. the processors, all of which must be there: `invalidVpIndex`;
/// 6. for unmapping and retargeting the entry, which must be one that mapping gave for this device: `notFound`;
/// 7. `objectInUse` for a vector that another device interrupt of the partition has on one of the processors, and for
///    an entry that the device still has from an interrupt that was retargeted since;
/// 8. for mapping, `noResources` for more than a partition can have, and `insufficientMemory`: the first of each 256
///    costs a page of the partition's pool, which comes back with the last of them.
extension EmbeddedCore {
    /// There is never an external interrupt to take back (`assertVirtualInterrupt` knows no such type), and taking back
    /// what is not there succeeds.
    func clearVirtualInterrupt(_ partition: PartitionID) throws(HypercallStatus) {
        try self.partition(partition).with { state throws(HypercallStatus) in try state.requireActive() }
    }

    func mapDeviceInterrupt(
        _ input: MapDeviceInterruptInput, header: [UInt64]
    ) throws(HypercallStatus) -> InterruptEntry {
        let owner = try owner(input.partition)
        return try devices.withLock { table throws(HypercallStatus) in
            _ = try table.find(input.device, of: owner)
            let source = input.device.interruptSource
            guard input.flags == 0, input.baseIndex == 0, input.type <= 1, input.triggerMode <= 1,
                input.triggerMode == 0 || source == .ioAPIC, input.vectorCount == 1,
                [.none, source].contains(input.logicalEntry.source)
            else { throw HypercallStatus.invalidParameter }
            let made = DeviceInterrupt(
                device: input.device, type: input.type, isLevelTriggered: input.triggerMode == 1,
                target: try target(input.target, header, of: owner))
            let others = table.interrupts[owner, default: []]
            guard !others.contains(where: { $0.target.collides(with: made.target) || $0.isSame(made) }) else {
                throw HypercallStatus.objectInUse
            }
            guard others.count < Limits.deviceInterrupts else { throw HypercallStatus.noResources }
            if others.count.isMultiple(of: PageCosts.deviceInterruptsOfPage) { try use(1, of: owner) }
            table.interrupts[owner] = others + [made]
            return made.entry
        }
    }

    func unmapDeviceInterrupt(_ input: UnmapDeviceInterruptInput) throws(HypercallStatus) {
        let owner = try owner(input.partition)
        try devices.withLock { table throws(HypercallStatus) in
            _ = try table.find(input.device, of: owner)
            guard input.flags == 0, input.entry.source == input.device.interruptSource else {
                throw HypercallStatus.invalidParameter
            }
            var interrupts = table.interrupts[owner, default: []]
            guard let index = interrupts.firstIndex(where: { $0.device == input.device && $0.entry == input.entry })
            else { throw HypercallStatus.notFound }
            interrupts.remove(at: index)
            table.interrupts[owner] = interrupts
            if interrupts.count.isMultiple(of: PageCosts.deviceInterruptsOfPage) { release(1, of: owner) }
        }
    }

    func retargetInterrupt(_ input: RetargetInterruptInput, header: [UInt64]) throws(HypercallStatus) {
        let owner = try owner(input.partition)
        try devices.withLock { table throws(HypercallStatus) in
            _ = try table.find(input.device, of: owner)
            guard input.entry.source == input.device.interruptSource else { throw HypercallStatus.invalidParameter }
            let target = try target(input.target, header, of: owner)
            var interrupts = table.interrupts[owner, default: []]
            guard let index = interrupts.firstIndex(where: { $0.device == input.device && $0.entry == input.entry })
            else { throw HypercallStatus.notFound }
            let others = interrupts.enumerated().filter { $0.offset != index }
            guard !others.contains(where: { $0.element.target.collides(with: target) }) else {
                throw HypercallStatus.objectInUse
            }
            interrupts[index].target = target
            table.interrupts[owner] = interrupts
        }
    }

    /// Sends a device's interrupt as it is mapped now.
    ///
    /// - Returns: false where the device's partition has not mapped such an entry, or is the root, whose processors are
    ///   not here.
    /// - Throws: `HypervisorError` where the engine does not take the message.
    func raiseInterrupt(of device: DeviceID, _ entry: InterruptEntry) throws(HypervisorError) -> Bool {
        let found = devices.withLock { table -> (owner: PartitionID, interrupt: DeviceInterrupt)? in
            guard let known = table.devices[device], known.owner != .own else { return nil }
            let interrupts = table.interrupts[known.owner, default: []]
            return interrupts.first { $0.device == known.name && $0.entry == entry }.map { (known.owner, $0) }
        }
        guard let found, let partition = try? partition(found.owner) else { return false }
        for message in found.interrupt.messages {
            try partition.signalMSI(address: message.address, data: message.data)
        }
        return true
    }

    /// - Throws: `invalidParameter`, `invalidVpIndex`.
    private func target(
        _ target: InterruptTarget, _ header: [UInt64], of owner: PartitionID
    ) throws(HypercallStatus) -> DeviceInterrupt.Target {
        guard (16...255).contains(target.vector) else { throw HypercallStatus.invalidParameter }
        let wanted = try target.processors(header: header)
        let there = try processors(of: owner)
        let processors: [VPIndex]
        switch wanted {
        case .all: processors = there.sorted()
        case .these(let indices): processors = indices
        }
        guard !processors.isEmpty, there.isSuperset(of: processors) else { throw HypercallStatus.invalidVpIndex }
        return DeviceInterrupt.Target(
            vector: target.vector, processors: processors, isMulticast: target.flags.contains(.multicast))
    }

    // MARK: Owners

    func register(_ device: DeviceID) {
        devices.withLock { table in
            if table.devices[device] == nil { table.devices[device] = DeviceTable.Device(name: device) }
        }
    }

    /// The root, by whatever name, or an active partition: what owns devices, domains and ports.
    ///
    /// - Throws: `invalidPartitionId`, `invalidPartitionState`.
    func owner(_ id: PartitionID) throws(HypercallStatus) -> PartitionID {
        if id == .own { return .own }
        try partition(id).with { state throws(HypercallStatus) in try state.requireActive() }
        return id
    }

    /// The root's processors are the host's: all that there can be, which never changes.
    private static let rootProcessors = Set(0..<VPIndex(clamping: max(1, sysconf(Int32(_SC_NPROCESSORS_CONF)))))

    /// The processors that interrupts and messages for the owner can go to.
    func processors(of owner: PartitionID) throws(HypercallStatus) -> Set<VPIndex> {
        if owner == .own { return Self.rootProcessors }
        return try partition(owner).with { state throws(HypercallStatus) in
            try state.requireActive()
            return Set(state.processors.keys)
        }
    }

    /// Takes pages of an owner's pool.
    ///
    /// - Throws: `insufficientMemory`; `invalidPartitionState` for a partition that has ended meanwhile.
    func use(_ pages: UInt64, of owner: PartitionID) throws(HypercallStatus) {
        let isEnough: Bool
        if owner == .own {
            isEnough = rootPool.withLock { $0.use(pages) }
        } else {
            isEnough = try partition(owner).with { state throws(HypercallStatus) in
                try state.requireActive()
                return state.pool.use(pages)
            }
        }
        guard isEnough else { throw HypercallStatus.insufficientMemory }
    }

    /// Gives pages back to an owner's pool. One that has ended has given back everything.
    func release(_ pages: UInt64, of owner: PartitionID) {
        if owner == .own { return rootPool.withLock { $0.release(pages) } }
        guard let partition = try? partition(owner) else { return }
        partition.withOutcome { state in
            if state.life == .active { state.pool.release(pages) }
        }
    }

    /// Takes back all that a partition had, when it has ended.
    func forget(_ id: PartitionID) {
        ports.withLock { $0.forget(id) }
        devices.withLock { table in
            table.interrupts[id] = nil
            forgetDomains(of: id, in: &table)
            for (name, device) in table.devices where device.owner == id {
                table.devices[name] = DeviceTable.Device(name: name)
            }
        }
    }
}

extension DeviceInterrupt {
    fileprivate func isSame(_ other: DeviceInterrupt) -> Bool { device == other.device && entry == other.entry }
}
