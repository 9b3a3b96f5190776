import HypercallABI

/// The ports and connections of all partitions and of the root (TLFS, "Inter-Partition Communication").
struct PortTable {
    struct PortKey: Hashable {
        var owner: PartitionID
        var id: PortID
    }

    struct ConnectionKey: Hashable {
        var owner: PartitionID
        var id: ConnectionID
    }

    struct Port {
        /// Of its own: a port that is made anew with the same number is another.
        var serial: UInt64
        var connectionPartition: PartitionID
        var info: PortInfo
    }

    struct Connection {
        var port: PortKey
        var serial: UInt64
        var info: ConnectionInfo
        /// Those of the connection's partition, for a doorbell.
        var doorbells: Doorbells?
    }

    private(set) var ports: [PortKey: Port] = [:]
    var connections: [ConnectionKey: Connection] = [:]
    private var nextSerial: UInt64 = 0

    mutating func add(_ info: PortInfo, _ key: PortKey, for connectionPartition: PartitionID) {
        ports[key] = Port(serial: nextSerial, connectionPartition: connectionPartition, info: info)
        nextSerial &+= 1
    }

    /// - Returns: false where there is none.
    mutating func removePort(_ key: PortKey) -> Bool {
        guard let port = ports.removeValue(forKey: key) else { return false }
        for connection in connections.values where connection.port == key && connection.serial == port.serial {
            connection.doorbells?.remove(key.id)
        }
        return true
    }

    /// The port that a connection leads to; nil: it was deleted.
    func port(of connection: Connection) -> (key: PortKey, port: Port)? {
        guard let port = ports[connection.port], port.serial == connection.serial else { return nil }
        return (connection.port, port)
    }

    /// The end of a partition: of its ports and connections. Connections that others have to its ports stay theirs.
    mutating func forget(_ partition: PartitionID) {
        for key in ports.keys where key.owner == partition { _ = removePort(key) }
        connections = connections.filter { $0.key.owner != partition }
    }
}
