import NetworkBackends

/// The rules of nftables for all networks of ours: two tables, replaced as a whole in one transaction, so that there is no
/// moment with half of them. Nothing else on the host's tables is touched.
enum NetworkRules {
    static func table(install: String) -> String { "hvroot_\(install.prefix(12))" }

    /// What `nft -f` reads. Without networks the tables go away.
    static func text(
        _ networks: [NetworkDefinition], _ reservations: [String: [NetworkReservation]], install: String
    ) -> String {
        let name = table(install: install)
        // A table is made before it is deleted, because the deletion of one that is not there is an error.
        let before = ["inet", "bridge"].flatMap { ["table \($0) \(name)", "delete table \($0) \(name)"] }
        let made = networks.filter { $0.isMade && $0.addressing != nil }
        guard !made.isEmpty else { return before.joined(separator: "\n") + "\n" }
        let lines = before + routed(made, name) + guarded(made.flatMap { reservations[$0.id] ?? [] }, name)
        return lines.joined(separator: "\n") + "\n"
    }

    /// What may pass from and to the networks on the host's way, and what may reach the host itself.
    private static func routed(_ networks: [NetworkDefinition], _ table: String) -> [String] {
        var masquerading: [String] = []
        var forwarding: [String] = []
        var incoming: [String] = []
        for network in networks {
            guard let addressing = network.addressing else { continue }
            let (bridge, subnet, gateway) = (network.bridge, addressing.subnet, addressing.gateway)
            if network.mode == .nat {
                masquerading.append("ip saddr \(subnet) oifname != \"\(bridge)\" masquerade")
                forwarding += [
                    "iifname \"\(bridge)\" ip saddr \(subnet) accept",
                    "oifname \"\(bridge)\" ip daddr \(subnet) ct state established,related accept",
                ]
            }
            incoming += [
                "iifname \"\(bridge)\" udp dport 67 accept",
                "iifname \"\(bridge)\" ip saddr \(subnet) ip daddr \(gateway) meta l4proto { tcp, udp } th dport 53 accept",
                "iifname \"\(bridge)\" ip saddr \(subnet) ip daddr \(gateway) icmp type echo-request accept",
            ]
            if network.metadata {
                incoming.append(
                    "iifname \"\(bridge)\" ip saddr \(subnet) ip daddr \(MetadataAddress.address) "
                        + "tcp dport \(MetadataAddress.port) accept")
            }
        }
        let bridges = networks.map { "\"\($0.bridge)\"" }.joined(separator: ", ")
        let established = ["ct state established,related accept"]
        return ["table inet \(table) {", "set bridges { type ifname; elements = { \(bridges) } }"]
            + chain("postrouting", "nat hook postrouting priority srcnat", masquerading)
            + chain(
                "forwarding", "filter hook forward priority filter",
                // From one network to another nothing goes, whatever the host's routes are.
                // Nor to link-local addresses: where this host is a cloud's own guest, its metadata is not for ours.
                ["iifname @bridges oifname @bridges drop", "iifname @bridges ip daddr 169.254.0.0/16 drop"] + forwarding
                    + ["iifname @bridges drop", "oifname @bridges drop"])
            + chain(
                "incoming", "filter hook input priority filter",
                ["iifname != @bridges accept"] + established + incoming + ["drop"])
            + ["}"]
    }

    /// What may come from a guest at all: frames with the addresses that are its own, and nothing that only a DHCP server
    /// says. A guest is known by the MAC address that its device lets through.
    private static func guarded(_ reservations: [NetworkReservation], _ table: String) -> [String] {
        let kept = reservations.filter { !$0.allowsSpoofing }
        let guests = kept.map(\.mac.description).joined(separator: ", ")
        let pairs = kept.map { "\($0.mac) . \($0.address)" }.joined(separator: ", ")
        func elements(_ text: String) -> String { text.isEmpty ? "" : " elements = { \(text) }" }
        return [
            "table bridge \(table) {",
            "set guests { type ether_addr;\(elements(guests)) }",
            "set reservations { type ether_addr . ipv4_addr;\(elements(pairs)) }",
            "set asking { type ether_addr; size 65535; flags dynamic; timeout 10s; }",
        ]
            + chain(
                "guests", "filter hook prerouting priority -300",
                [
                    "ether saddr != @guests accept",
                    "ether type ip udp sport 67 drop",
                    // Each packet may be a line in dnsmasq's log.
                    "ether type ip udp dport 67 "
                        + "update @asking { ether saddr limit rate over 10/second burst 20 packets } drop",
                    "ether type ip ip saddr 0.0.0.0 udp dport 67 accept",
                    "ether type ip ether saddr . ip saddr @reservations accept",
                    "ether type arp arp saddr ether . arp saddr ip @reservations accept",
                    // A question before an address is taken (RFC 5227).
                    "ether type arp arp saddr ip 0.0.0.0 accept",
                    "drop",
                ]) + ["}"]
    }

    private static func chain(_ name: String, _ hook: String, _ rules: [String]) -> [String] {
        ["chain \(name) {", "type \(hook); policy accept;"] + rules + ["}"]
    }
}
