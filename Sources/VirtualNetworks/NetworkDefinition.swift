import NetworkBackends

/// A network that interfaces of VMs join.
package struct NetworkDefinition: Equatable, Sendable {
    package enum Mode: String, Sendable, CaseIterable {
        /// A bridge of our own with DHCP and DNS, whose guests reach what the host reaches, with the host's address.
        case nat
        /// The same, whose guests reach each other only.
        case isolated
        /// A bridge of the host's. Nothing is made.
        case bridge
        /// An interface of the host's: each guest has a MAC address of its own on its link. The host itself and its guests
        /// do not reach each other that way.
        case macvtap

        /// Whether the server makes the network itself.
        package var isMade: Bool { self == .nat || self == .isolated }
    }

    package var id: String
    package var mode: Mode
    /// The name on the host: of the bridge, or of the interface that macvtaps are made on.
    package var bridge: String
    /// Nil for what is the host's.
    package var addressing: Addressing?
    /// Bytes of a packet without its Ethernet header; nil: the default of a bridge (1500), or that of the host's.
    package var mtu: Int?
    /// Whether guests find their metadata service at `MetadataAddress`.
    package var metadata = false

    package init(id: String, mode: Mode, bridge: String, addressing: Addressing? = nil, mtu: Int? = nil) {
        self.id = id
        self.mode = mode
        self.bridge = bridge
        self.addressing = addressing
        self.mtu = mtu
    }

    /// Whether the bridge and what is on it are ours to make.
    package var isMade: Bool { mode.isMade }

    /// What a network of ours has of IPv4. There is no IPv6 in it.
    package struct Addressing: Equatable, Sendable {
        package var subnet: IPv4Subnet
        /// What interfaces get their addresses from.
        package var range: IPv4Range
        /// The DNS domain that the names of its VMs are in.
        package var domain: String

        package init(subnet: IPv4Subnet, range: IPv4Range, domain: String) {
            self.subnet = subnet
            self.range = range
            self.domain = domain
        }

        /// The bridge's own address: the first one.
        package var gateway: IPv4Address { Self.gateway(of: subnet) }

        package static func gateway(of subnet: IPv4Subnet) -> IPv4Address { IPv4Address(subnet.address.value + 1) }

        /// All that is neither the subnet's, the gateway's nor for broadcasts; nil where nothing is left.
        package static func wholeRange(of subnet: IPv4Subnet) -> IPv4Range? {
            guard subnet.prefix <= 30 else { return nil }
            return IPv4Range(IPv4Address(subnet.address.value + 2), IPv4Address(subnet.broadcast.value - 1))
        }
    }

    /// From two guests beside the gateway up to 65533.
    package static let prefixes = 16...29
    package static let mtus = 576...65521
    package static let maximumCount = 128

    /// The name of the bridge of a network that was given none. Names of interfaces are short, those of networks are not.
    package static func bridgeName(for id: String) -> String {
        let plain = "hv-\(id)"
        guard plain.utf8.count > NetworkSource.maximumName else { return plain }
        let digits = String(hash(id), radix: 16)
        return "hv-" + String(repeating: "0", count: 16 - digits.count).appending(digits).suffix(12)
    }

    /// The bridge's own MAC address: it tells our bridge from another's of the same name from its first moment on, and is
    /// the same after every start, so that guests that know it need not ask again.
    package func bridgeAddress(install: String) -> MACAddress {
        MACAddress(derivedFrom: install, vm: "network", interface: id)
    }

    /// What the bridge is marked with on the host.
    package func alias(install: String) -> String { Self.aliasPrefix(install: install) + id }
    package static func aliasPrefix(install: String) -> String { "hvroot:\(install):" }

    /// FNV-1a.
    private static func hash(_ text: String) -> UInt64 {
        text.utf8.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01b3 }
    }
}

extension String {
    fileprivate func appending(_ other: String) -> String { self + other }
}

/// Where guests find their metadata service: the address that cloud images look at.
package enum MetadataAddress {
    package static let address = IPv4Address(169 << 24 | 254 << 16 | 169 << 8 | 254)
    package static let port: UInt16 = 80
}

/// An interface of a VM in a network, with the address that is kept for it.
package struct NetworkReservation: Equatable, Sendable {
    package var vm: String
    package var interface: String
    package var mac: MACAddress
    package var address: IPv4Address
    /// Whether frames from it may have other source addresses: then nothing of it is checked.
    package var allowsSpoofing: Bool

    package init(vm: String, interface: String, mac: MACAddress, address: IPv4Address, allowsSpoofing: Bool) {
        self.vm = vm
        self.interface = interface
        self.mac = mac
        self.address = address
        self.allowsSpoofing = allowsSpoofing
    }
}

/// How a network of ours is.
package struct NetworkStatus: Equatable, Sendable {
    package enum State: String, Sendable, CaseIterable { case pending, ready, failed }
    package var state: State
    /// What is wrong, in a sentence; for a network that is ready nothing.
    package var reason: String?
    /// How often its dnsmasq was started again since this server started.
    package var restarts: UInt64 = 0

    package init(_ state: State, reason: String? = nil) {
        self.state = state
        self.reason = reason
    }
}

/// What is wrong with a network on this host.
package struct NetworkFailure: Error, Equatable, Sendable, CustomStringConvertible {
    package let description: String
    package init(_ description: String) { self.description = description }
}
