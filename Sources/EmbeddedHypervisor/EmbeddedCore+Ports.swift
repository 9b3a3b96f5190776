import HypercallABI
import HypercallCore
import Hypervisor
import Synchronization

/// Ports and connections (TLFS, "Inter-Partition Communication").
///
/// The calls check in this order: reserved fields and unknown types (`invalidParameter`), the proximity domain
/// (`invalidProximityDomainInfo`), trust levels above 0 (`invalidParameter`), the partition that the call is about and
/// then the other one (the root or an active one: `invalidPartitionId`, `invalidPartitionState`), numbers (0, more than
/// 24 bits, in use, not there: `invalidPortId`, `invalidConnectionId`), and then:
/// - creating: a SINT above 15, and events that are none or go beyond 2048, `invalidParameter`; a monitor port, whose
///   page has no known layout, and a doorbell port that is not the root's, `featureUnavailable`; a processor that is
///   neither there nor "any", `invalidVpIndex`; a pool without a page, `insufficientMemory`.
/// - connecting: the port, `invalidPortId`, its partition being another than it was made for, `accessDenied`, another
///   type than the port's, `invalidParameter`; for a doorbell, the root as the one that rings, `featureUnavailable`,
///   flags that are unknown, an address above 52 bits or a value that the size has no room for, `invalidParameter`;
///   a pool without a page, `insufficientMemory`; and the same doorbell twice, `objectInUse`.
/// - disconnecting: a connection of which `isDoorbell` says the wrong thing is `invalidConnectionId`.
///
/// The root's processors are the host's.
extension EmbeddedCore {
    func createPort(_ input: CreatePortInput) throws(HypercallStatus) {
        guard input.vtl == 0, input.minimumConnectionVTL == 0 else { throw HypercallStatus.invalidParameter }
        let owner = try owner(input.partition)
        let connectionPartition = try self.owner(input.connectionPartition)
        let key = PortTable.PortKey(owner: owner, id: input.port)
        try ports.withLock { table throws(HypercallStatus) in
            guard input.port.isValid, table.ports[key] == nil else { throw HypercallStatus.invalidPortId }
            try check(input.info, owner)
            try use(PageCosts.port, of: owner)
            table.add(input.info, key, for: connectionPartition)
        }
    }

    func deletePort(_ input: DeletePortInput) throws(HypercallStatus) {
        let owner = try owner(input.partition)
        try ports.withLock { table throws(HypercallStatus) in
            guard table.removePort(PortTable.PortKey(owner: owner, id: input.port)) else {
                throw HypercallStatus.invalidPortId
            }
            if owner == .own { rings.remove(input.port) }
            release(PageCosts.port, of: owner)
        }
    }

    func connectPort(_ input: ConnectPortInput) throws(HypercallStatus) {
        guard input.vtl == 0 else { throw HypercallStatus.invalidParameter }
        let owner = try owner(input.partition)
        let portKey = PortTable.PortKey(owner: try self.owner(input.portPartition), id: input.port)
        let key = PortTable.ConnectionKey(owner: owner, id: input.connection)
        try ports.withLock { table throws(HypercallStatus) in
            guard input.connection.isValid, table.connections[key] == nil else {
                throw HypercallStatus.invalidConnectionId
            }
            guard let port = table.ports[portKey] else { throw HypercallStatus.invalidPortId }
            guard port.connectionPartition == owner else { throw HypercallStatus.accessDenied }
            guard port.info.type == input.info.type else { throw HypercallStatus.invalidParameter }
            var connection = PortTable.Connection(port: portKey, serial: port.serial, info: input.info)
            if case .doorbell(let doorbell) = input.info, case .doorbell(let sint, _) = port.info {
                guard owner != .own else { throw HypercallStatus.featureUnavailable }
                try Self.check(doorbell)
                try use(PageCosts.connection, of: owner)
                let doorbells = try partition(owner).with { state throws(HypercallStatus) in state.doorbells }
                guard doorbells.add(doorbell, input.connection, sint: sint, port: input.port, rings: rings) else {
                    release(PageCosts.connection, of: owner)
                    throw HypercallStatus.objectInUse
                }
                connection.doorbells = doorbells
            } else {
                try use(PageCosts.connection, of: owner)
            }
            table.connections[key] = connection
        }
    }

    func disconnectPort(_ input: DisconnectPortInput) throws(HypercallStatus) {
        let owner = try owner(input.partition)
        let key = PortTable.ConnectionKey(owner: owner, id: input.connection)
        try ports.withLock { table throws(HypercallStatus) in
            guard let connection = table.connections[key],
                (connection.info.type == .doorbell) == input.isDoorbell
            else { throw HypercallStatus.invalidConnectionId }
            table.connections[key] = nil
            connection.doorbells?.remove(input.connection)
            release(PageCosts.connection, of: owner)
        }
    }

    /// `invalidParameter` for a SINT above 15.
    func notifyPortRingEmpty(_ input: NotifyPortRingEmptyInput) throws(HypercallStatus) {
        guard input.sint < SynICMessage.sintCount else { throw HypercallStatus.invalidParameter }
        rings.refill(input.sint)
    }

    private func check(_ info: PortInfo, _ owner: PartitionID) throws(HypercallStatus) {
        let sint: UInt32
        let vp: VPIndex
        switch info {
        case .monitor: throw HypercallStatus.featureUnavailable
        case .message(let target, let index), .doorbell(let target, let index): (sint, vp) = (target, index)
        case .event(let target, let index, let base, let count):
            guard count > 0, UInt32(base) + UInt32(count) <= UInt32(SynICMessage.eventCount) else {
                throw HypercallStatus.invalidParameter
            }
            (sint, vp) = (target, index)
        }
        guard sint < SynICMessage.sintCount else { throw HypercallStatus.invalidParameter }
        guard info.type != .doorbell || owner == .own else { throw HypercallStatus.featureUnavailable }
        if vp == PortInfo.anyVP { return }
        guard try processors(of: owner).contains(vp) else { throw HypercallStatus.invalidVpIndex }
    }

    private static func check(_ doorbell: Doorbell) throws(HypercallStatus) {
        guard doorbell.flags.isKnown, doorbell.gpa < Limits.gpaEnd else { throw HypercallStatus.invalidParameter }
        guard let size = doorbell.writeSize, size < 8, !doorbell.flags.contains(.anyValue) else { return }
        guard doorbell.value >> UInt64(8 * size) == 0 else { throw HypercallStatus.invalidParameter }
    }
}
