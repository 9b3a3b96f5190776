import Glibc
import HypercallABI
import HypercallCore

/// Ports and connections (TLFS, "Inter-Partition Communication").
extension Model {
    static let portForms: [UInt16: ModelForm] = [
        CallCode.createPort.rawValue: ModelForm(input: 56),
        CallCode.deletePort.rawValue: ModelForm(input: 16),
        CallCode.connectPort.rawValue: ModelForm(input: 72),
        CallCode.disconnectPort.rawValue: ModelForm(input: 16),
        CallCode.notifyPortRingEmpty.rawValue: ModelForm(input: 8),
    ]

    /// A port or a connection: whose, and its number.
    struct Name: Hashable {
        var owner: UInt64
        var number: UInt32
    }

    struct Port {
        var type: UInt32
        var sint: UInt32
        var processor: UInt32
        var firstEvent = 0
        var eventCount = 0
        /// The partition that may connect.
        var peer: UInt64
    }

    struct Connection {
        var type: UInt32
        var port: Name
        /// Nil once the port is deleted; a new one with its number is another.
        var isAlive = true
        /// The words of a doorbell: address, value, flags.
        var doorbell: [UInt64] = []
    }

    mutating func portCall(_ call: ModelCall) -> Expectation? {
        switch call.control.code {
        case .createPort: return createPort(call)
        case .deletePort: return deletePort(call)
        case .connectPort: return connect(call)
        case .disconnectPort: return disconnect(call)
        case .notifyPortRingEmpty:
            return call.word32(0) > 15 || call.word32(4) != 0 ? .refused([.invalidParameter]) : .success()
        default: return nil
        }
    }

    // MARK: Owners of things: the root, or an active partition

    func ownerIsWrong(_ id: UInt64) -> Set<HypercallStatus> {
        if id == Self.own { return [] }
        guard let partition = partitions[id] else { return [.invalidPartitionId] }
        return partition.life == .active ? [] : [.invalidPartitionState]
    }

    func freePages(of owner: UInt64) -> Int { owner == Self.own ? rootFree : partitions[owner]?.free ?? 0 }

    /// Positive: so many more are used.
    mutating func use(_ count: Int, of owner: UInt64) {
        if owner == Self.own { rootObjects += count } else { partitions[owner]?.objects += count }
    }

    /// The root's processors are the machine's.
    static let rootProcessors = max(1, sysconf(Int32(_SC_NPROCESSORS_CONF)))

    func hasProcessor(_ owner: UInt64, _ index: UInt32) -> Bool {
        if owner == Self.own { return Int(index) < Self.rootProcessors }
        return partitions[owner]?.processors[index] != nil
    }

    /// When a partition ends, so do its ports, and connections of its own.
    mutating func forgetPorts(of id: UInt64) {
        for name in ports.keys where name.owner == id { removePort(name) }
        for name in connections.keys where name.owner == id { connections[name] = nil }
    }

    // MARK: Ports

    private mutating func createPort(_ call: ModelCall) -> Expectation {
        let name = Name(owner: call.word64(0), number: call.word32(8))
        let type = call.word32(24)
        var wrong: Set<HypercallStatus> = []
        if call.byte(12) != 0 || call.byte(13) != 0 || call.byte(14) != 0 || call.byte(15) != 0 {
            wrong.insert(.invalidParameter)
        }
        if call.word32(28) != 0 || type < 1 || type > 4 { wrong.insert(.invalidParameter) }
        if Self.isProximityWrong(call.word32(52)) { wrong.insert(.invalidProximityDomainInfo) }
        wrong.formUnion(ownerIsWrong(name.owner))
        wrong.formUnion(ownerIsWrong(call.word64(16)))
        if Self.isNumberWrong(name.number) || ports[name] != nil { wrong.insert(.invalidPortId) }
        var port = Port(
            type: type, sint: call.word32(32), processor: call.word32(36), peer: call.word64(16))
        switch type {
        case 3:
            wrong.insert(.featureUnavailable)
            if call.word64(40) != 0 { wrong.insert(.invalidParameter) }
        case 2:
            port.firstEvent = Int(call.word32(40) & 0xFFFF)
            port.eventCount = Int(call.word32(40) >> 16)
            if port.eventCount == 0 || port.firstEvent + port.eventCount > 2048 { wrong.insert(.invalidParameter) }
            if call.word32(44) != 0 { wrong.insert(.invalidParameter) }
        default:
            if call.word64(40) != 0 { wrong.insert(.invalidParameter) }
        }
        if type != 3 {
            if port.sint > 15 { wrong.insert(.invalidParameter) }
            if port.processor != .max, !hasProcessor(name.owner, port.processor) { wrong.insert(.invalidVpIndex) }
        }
        if type == 4, name.owner != Self.own { wrong.insert(.featureUnavailable) }
        if freePages(of: name.owner) < 1 { wrong.insert(.insufficientMemory) }
        if !wrong.isEmpty { return .refused(wrong) }
        ports[name] = port
        use(1, of: name.owner)
        return .success()
    }

    private mutating func deletePort(_ call: ModelCall) -> Expectation {
        let name = Name(owner: call.word64(0), number: call.word32(8))
        var wrong = ownerIsWrong(name.owner)
        if call.word32(12) != 0 { wrong.insert(.invalidParameter) }
        if ports[name] == nil { wrong.insert(.invalidPortId) }
        if !wrong.isEmpty { return .refused(wrong) }
        removePort(name)
        use(-1, of: name.owner)
        return .success()
    }

    private mutating func removePort(_ name: Name) {
        ports[name] = nil
        for (other, connection) in connections where connection.port == name { connections[other]?.isAlive = false }
    }

    /// 24 bits, and not 0.
    private static func isNumberWrong(_ number: UInt32) -> Bool { number == 0 || number > 0xFF_FFFF }

    // MARK: Connections

    private mutating func connect(_ call: ModelCall) -> Expectation {
        let name = Name(owner: call.word64(0), number: call.word32(8))
        let portName = Name(owner: call.word64(16), number: call.word32(24))
        let type = call.word32(32)
        var wrong = ownerIsWrong(name.owner).union(ownerIsWrong(portName.owner))
        for offset in 12..<16 where call.byte(offset) != 0 { wrong.insert(.invalidParameter) }
        if call.word32(28) != 0 || call.word32(36) != 0 || type < 1 || type > 4 { wrong.insert(.invalidParameter) }
        if type < 3, call.word64(40) != 0 { wrong.insert(.invalidParameter) }
        if type < 4, call.word64(48) != 0 || call.word64(56) != 0 { wrong.insert(.invalidParameter) }
        if Self.isProximityWrong(call.word32(68)) { wrong.insert(.invalidProximityDomainInfo) }
        if Self.isNumberWrong(name.number) || connections[name] != nil { wrong.insert(.invalidConnectionId) }
        if let port = ports[portName] {
            if port.peer != name.owner { wrong.insert(.accessDenied) }
            if port.type != type { wrong.insert(.invalidParameter) }
        } else {
            wrong.insert(.invalidPortId)
        }
        var connection = Connection(type: type, port: portName)
        if type == 4 {
            connection.doorbell = [call.word64(40), call.word64(48), call.word64(56)]
            if name.owner == Self.own { wrong.insert(.featureUnavailable) }
            if Self.isDoorbellWrong(connection.doorbell) { wrong.insert(.invalidParameter) }
            let isThere = connections.contains {
                $0.key.owner == name.owner && $0.value.isAlive && $0.value.doorbell == connection.doorbell
            }
            if isThere { wrong.insert(.objectInUse) }
        }
        if freePages(of: name.owner) < 1 { wrong.insert(.insufficientMemory) }
        if !wrong.isEmpty { return .refused(wrong) }
        connections[name] = connection
        use(1, of: name.owner)
        return .success()
    }

    /// HV_DOORBELL_FLAG: a size of 0 (any), 1, 2, 3, 4 (8 bytes), and bit 31 for any value.
    private static func isDoorbellWrong(_ words: [UInt64]) -> Bool {
        let size = words[2] & 7
        if words[2] & ~0x8000_0007 != 0 || size > 4 || words[0] >= 1 << 52 { return true }
        if words[2] & 0x8000_0000 != 0 { return false }
        switch size {
        case 1: return words[1] > 0xFF
        case 2: return words[1] > 0xFFFF
        case 3: return words[1] > 0xFFFF_FFFF
        default: return false
        }
    }

    private mutating func disconnect(_ call: ModelCall) -> Expectation {
        let name = Name(owner: call.word64(0), number: call.word32(8))
        let flags = call.word32(12)
        var wrong = ownerIsWrong(name.owner)
        if flags > 1 { wrong.insert(.invalidParameter) }
        if connections[name] == nil { wrong.insert(.invalidConnectionId) }
        if let connection = connections[name], (connection.type == 4) != (flags == 1) {
            wrong.insert(.invalidConnectionId)
        }
        if !wrong.isEmpty { return .refused(wrong) }
        connections[name] = nil
        use(-1, of: name.owner)
        return .success()
    }
}
