import LinuxSystem

/// The connections of a device, by their ports and by the tokens of their descriptors.
struct VsockTable {
    /// Each has a descriptor and up to `VsockCredit.bufferSize` bytes.
    static let maximumCount = 256
    /// The host's ports of connections that the host begins: above those that programs listen at.
    private static let firstPort: UInt32 = 1 << 30

    private var connections: [VsockConnection.Key: VsockConnection] = [:]
    private var keys: [UInt64: VsockConnection.Key] = [:]
    private var nextPort = firstPort

    var all: [VsockConnection] { Array(connections.values) }
    var isFull: Bool { connections.count >= Self.maximumCount }
    var count: Int { connections.count }

    subscript(key: VsockConnection.Key) -> VsockConnection? { connections[key] }
    subscript(token token: UInt64) -> VsockConnection? { keys[token].flatMap { connections[$0] } }

    mutating func add(_ connection: VsockConnection) {
        connections[connection.key] = connection
        keys[connection.token] = connection.key
    }

    mutating func remove(_ connection: VsockConnection) {
        connections[connection.key] = nil
        keys[connection.token] = nil
    }

    mutating func removeAll() {
        connections = [:]
        keys = [:]
    }

    /// A port of the host from which no connection to the guest's port is.
    mutating func freePort(to guestPort: UInt32) -> UInt32 {
        // There are more ports than connections.
        while true {
            let port = nextPort
            nextPort = nextPort == .max - 1 ? Self.firstPort : nextPort + 1
            if connections[.init(hostPort: port, guestPort: guestPort)] == nil { return port }
        }
    }
}
