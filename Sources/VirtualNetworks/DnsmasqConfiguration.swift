import NetworkBackends

/// The text that tells dnsmasq what to do for one network. Everything is in it, so that it needs no file once it has begun
/// and given up its rights: it knows addresses of interfaces that are reserved, and gives no others.
enum DnsmasqConfiguration {
    /// Seconds that a guest may keep its address without asking again. It gets the same one.
    private static let leaseTime = 3600

    /// - Parameters:
    ///   - reservations: of this network. Names in it were checked when their VMs were made.
    ///   - user: as whom it goes on; nil: as who starts it.
    static func text(_ network: NetworkDefinition, _ reservations: [NetworkReservation], user: String?) -> String {
        guard let addressing = network.addressing else { return "" }
        let (subnet, gateway) = (addressing.subnet, addressing.gateway)
        var lines = [
            "interface=\(network.bridge)", "except-interface=lo", "bind-interfaces", "no-hosts", "log-facility=-",
            // No file: who comes back with an address that is reserved for it gets it.
            "leasefile-ro", "dhcp-authoritative",
            // Guests choose how often they ask; the log would be theirs to fill.
            "quiet-dhcp", "quiet-dhcp6", "quiet-ra",
            "dhcp-range=\(subnet.address),static,\(subnet.netmask),\(leaseTime)",
            "dhcp-lease-max=\(max(reservations.count, 1))",
            "domain=\(addressing.domain)", "local=/\(addressing.domain)/", "domain-needed",
            "dhcp-option=option:mtu,\(network.mtu ?? 1500)",
        ]
        if let user { lines.append("user=\(user)") }
        // Names of the outside are the host's to resolve. A network without a way out has none.
        if network.mode == .isolated { lines.append("no-resolv") }
        // Option 121 stands in place of the router's: who reads the one does not read the other (RFC 3442).
        let metadata = "\(MetadataAddress.address)/32,\(gateway)"
        switch (network.mode, network.metadata) {
        case (.nat, true): lines.append("dhcp-option=option:classless-static-route,\(metadata),0.0.0.0/0,\(gateway)")
        case (.nat, false): break
        case (_, true):
            lines += ["dhcp-option=option:router", "dhcp-option=option:classless-static-route,\(metadata)"]
        case (_, false): lines.append("dhcp-option=option:router")
        }
        for (reservation, name) in zip(reservations, names(reservations)) {
            let suffix = name.map { ",\($0)" } ?? ""
            lines.append("dhcp-host=\(reservation.mac),\(reservation.address)\(suffix)")
            if let name {
                lines.append("host-record=\(name),\(name).\(addressing.domain),\(reservation.address)")
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// The DNS name of each reservation: that of the VM for its first interface, with that of the interface for others.
    /// Nil for one that would be too long or is another VM's.
    static func names(_ reservations: [NetworkReservation]) -> [String?] {
        var taken = Set(reservations.map(\.vm))
        var seen: Set<String> = []
        return reservations.map { reservation in
            if seen.insert(reservation.vm).inserted { return reservation.vm }
            let name = "\(reservation.vm)-\(reservation.interface)"
            // A label of the DNS has 63 bytes.
            guard name.utf8.count <= 63, taken.insert(name).inserted else { return nil }
            return name
        }
    }
}
