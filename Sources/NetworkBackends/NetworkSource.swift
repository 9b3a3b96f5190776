/// A network interface as a client asks for it.
package struct NetworkSource: Equatable, Sendable {
    /// A tap device of the host.
    package struct Tap: Equatable, Sendable {
        /// The tap that is joined, or made where there is none; nil: one is made, with a name of the kernel's choice.
        package var name: String?
        /// The bridge that it is made a port of.
        package var bridge: String?
        /// The interface of the host's that it is a macvtap on, with a name that follows from its MAC address.
        package var parent: String?

        package init(name: String? = nil, bridge: String? = nil, parent: String? = nil) {
            self.name = name
            self.bridge = bridge
            self.parent = parent
        }
    }

    /// Connections that a process of the host's makes for the guest, with no more rights than other processes.
    package struct User: Equatable, Sendable {
        package enum Transport: String, CaseIterable, Sendable { case tcp, udp }

        /// What comes in at an address of the host's goes to a port of the guest.
        package struct Forward: Equatable, Sendable {
            package var transport: Transport
            /// The address of the host's; by itself who is on the host only.
            package var hostAddress = IPv4Address(127 << 24 | 1)
            package var hostPort: UInt16
            package var guestPort: UInt16

            package init(_ transport: Transport, hostPort: UInt16, guestPort: UInt16) {
                self.transport = transport
                self.hostPort = hostPort
                self.guestPort = guestPort
            }
        }

        package var forwards: [Forward]

        package static let maximumForwards = 64
        /// No link's packets are behind it: the larger the better.
        package static let defaultMTU = 65520
        /// What IPv6 asks of every link (RFC 8200, 5).
        package static let minimumMTU = 1280

        package init(forwards: [Forward] = []) { self.forwards = forwards }
    }

    /// The most that goes through the interface, each way; nil: as much as can.
    package struct RateLimit: Equatable, Sendable {
        package var bytesPerSecond: UInt64?
        package var packetsPerSecond: UInt64?

        package init(bytesPerSecond: UInt64? = nil, packetsPerSecond: UInt64? = nil) {
            self.bytesPerSecond = bytesPerSecond
            self.packetsPerSecond = packetsPerSecond
        }
    }

    /// Whether the host's kernel moves the packets of a tap (Linux's vhost-net), or this process.
    package enum Vhost: String, CaseIterable, Sendable {
        /// The kernel, where it can: it knows no rate limits, and must be able to check source addresses.
        case auto
        /// The kernel; without it the VM does not start.
        case on
        case off
    }

    /// Names the interface among those of its VM.
    package var id: String
    /// nil: one is derived when the VM is created.
    package var mac: MACAddress?
    package var tap: Tap
    /// Instead of a tap.
    package var user: User?
    /// The network of the server's that it is in, which says the tap's bridge; nil: none.
    package var network: String?
    /// The address that its network keeps for it.
    package var address: IPv4Address?
    /// Bytes of a packet without its Ethernet header; nil: the tap's own.
    package var mtu: Int?
    /// Pairs of queues; nil: one for each processor.
    package var queues: Int?
    package var rateLimit: RateLimit?
    /// Whether packets may leave the guest with other source addresses than `mac`.
    package var allowsSpoofing = false
    /// Whether checksums and segmentation may be left to the other side.
    package var offloads = true
    package var vhost = Vhost.auto

    /// Each has a place on the root bus, as disks have.
    package static let maximumCount = 8
    /// Pairs of queues, each with a thread.
    package static let queueCounts = 1...16
    /// From what IPv4 asks of every link (RFC 791) up to what one packet can have.
    package static let mtus = 68...65521
    /// IFNAMSIZ without the NUL.
    package static let maximumName = 15

    package init(id: String, mac: MACAddress? = nil, tap: Tap = Tap()) {
        self.id = id
        self.mac = mac
        self.tap = tap
    }
}
