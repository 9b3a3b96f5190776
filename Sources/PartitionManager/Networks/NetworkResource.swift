import NetworkBackends
import VirtualNetworks

/// A network as it is stored.
package struct NetworkResource: Sendable, Equatable {
    package var definition: NetworkDefinition
    package var labels: [String: String]
    /// Nanoseconds since 1970.
    package var createdAt: UInt64
    package var updatedAt: UInt64
    /// Goes up with every change; the ETag.
    package var revision: UInt64

    package var id: String { definition.id }

    package init(
        definition: NetworkDefinition, labels: [String: String], createdAt: UInt64, updatedAt: UInt64, revision: UInt64
    ) {
        self.definition = definition
        self.labels = labels
        self.createdAt = createdAt
        self.updatedAt = updatedAt
        self.revision = revision
    }
}

/// A network as a client asks for it. What is nil the server chooses.
package struct NetworkRequest: Sendable, Equatable {
    package var id: String
    package var mode: NetworkDefinition.Mode
    package var bridge: String?
    package var parent: String?
    package var subnet: IPv4Subnet?
    package var rangeStart: IPv4Address?
    package var rangeEnd: IPv4Address?
    package var domain: String?
    package var mtu: Int?
    package var metadata: Bool
    package var labels: [String: String]

    package init(
        id: String, mode: NetworkDefinition.Mode, bridge: String? = nil, parent: String? = nil,
        subnet: IPv4Subnet? = nil,
        metadata: Bool = false, labels: [String: String] = [:]
    ) {
        self.id = id
        self.mode = mode
        self.bridge = bridge
        self.parent = parent
        self.subnet = subnet
        self.metadata = metadata
        self.labels = labels
    }
}

/// What a PATCH of a network changes. Labels follow RFC 7396: a nil value removes the label.
package struct NetworkPatch: Sendable, Equatable {
    package var labels: [String: String?]?
    package var metadata: Bool?

    package init(labels: [String: String?]? = nil, metadata: Bool? = nil) {
        self.labels = labels
        self.metadata = metadata
    }
}

/// An interface of a VM in a network.
package struct NetworkMember: Sendable, Equatable {
    package var vm: String
    package var interface: String
    package var mac: MACAddress
    /// Nil where the network gives no addresses.
    package var address: IPv4Address?
    package var allowsSpoofing: Bool

    package init(vm: String, interface: String, mac: MACAddress, address: IPv4Address?, allowsSpoofing: Bool) {
        self.vm = vm
        self.interface = interface
        self.mac = mac
        self.address = address
        self.allowsSpoofing = allowsSpoofing
    }
}

/// A network with what is looked up when it is shown.
package struct NetworkView: Sendable, Equatable {
    package var network: NetworkResource
    package var status: NetworkStatus
    /// In the order of their VMs' ids.
    package var members: [NetworkMember]

    package init(network: NetworkResource, status: NetworkStatus, members: [NetworkMember]) {
        self.network = network
        self.status = status
        self.members = members
    }
}
