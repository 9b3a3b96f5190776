import NetworkBackends
import PartitionManager
import VirtualNetworks

extension Validation {
    static func check(_ request: NetworkRequest) throws(ServiceError) {
        try check(id: request.id)
        try check(labels: request.labels)
        try check(interfaceName: request.bridge, field: "/bridge")
        try check(interfaceName: request.parent, field: "/parent")
        try check(metadata: request.metadata, mode: request.mode)
        guard request.mode.isMade else { return try checkHosts(request) }
        guard request.parent == nil else {
            throw ServiceError(
                .invalidArgument, "A network of the mode \(request.mode.rawValue) is on no interface of the host.",
                field: "/parent", expected: "nothing, or the mode macvtap")
        }
        try inRange(request.mtu, NetworkDefinition.mtus, "MTU", "/mtu")
        if let subnet = request.subnet { try check(subnet) }
        if let domain = request.domain { try check(domain: domain) }
    }

    static func check(metadata: Bool, mode: NetworkDefinition.Mode) throws(ServiceError) {
        guard metadata, !mode.isMade else { return }
        throw ServiceError(
            .invalidArgument,
            "A network on the host's own bridge or interface has no metadata service: who asks is not known there.",
            field: "/metadata", expected: "false, or the mode nat or isolated")
    }

    private static func checkHosts(_ request: NetworkRequest) throws(ServiceError) {
        let (mode, isMacvtap) = (request.mode.rawValue, request.mode == .macvtap)
        let (name, kind) = isMacvtap ? ("parent", "interface") : ("bridge", "bridge")
        guard (isMacvtap ? request.parent : request.bridge) != nil else {
            throw ServiceError(
                .invalidArgument, "A network of the mode \(mode) names the \(kind) of the host.", field: "/\(name)",
                expected: "the name of \(isMacvtap ? "an" : "a") \(kind)")
        }
        let given: [(String, Bool)] = [
            ("bridge", isMacvtap && request.bridge != nil), ("parent", !isMacvtap && request.parent != nil),
            ("subnet", request.subnet != nil), ("dhcp", request.rangeStart != nil || request.rangeEnd != nil),
            ("domain", request.domain != nil), ("mtu", request.mtu != nil),
        ]
        for (name, isGiven) in given where isGiven {
            throw ServiceError(
                .invalidArgument, "A network of the mode \(mode) has no \(name): the \(kind) is the host's, as it is.",
                field: "/\(name)", expected: "nothing, or the mode nat or isolated")
        }
    }

    private static func check(_ subnet: IPv4Subnet) throws(ServiceError) {
        guard NetworkDefinition.prefixes.contains(subnet.prefix) else {
            throw ServiceError(
                .invalidArgument, "A network has a prefix of /16 to /29, not /\(subnet.prefix).", field: "/subnet",
                expected: "/16 to /29")
        }
        // "This" network, loopback, link-local with the metadata service, groups and what is reserved (RFC 6890).
        let reserved = ["0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3"].compactMap { IPv4Subnet($0) }
        if let other = reserved.first(where: { $0.overlaps(subnet) }) {
            throw ServiceError(
                .invalidArgument, "No network can have \(subnet): \(other) has a meaning of its own.", field: "/subnet",
                expected: "such as 10.64.0.0/24")
        }
    }

    private static func check(domain: String) throws(ServiceError) {
        let labels = domain.split(separator: ".", omittingEmptySubsequences: false)
        let isRight =
            domain.utf8.count <= 120
            && labels.allSatisfy { label in
                (1...63).contains(label.utf8.count) && label.first != "-" && label.last != "-"
                    && label.utf8.allSatisfy { isLowerOrDigit($0) || $0 == UInt8(ascii: "-") }
            }
        guard isRight else {
            throw ServiceError(
                .invalidArgument,
                "\(quoted(domain)) is no domain: its parts have 1 to 63 lower-case letters, digits and '-', with dots "
                    + "between them, 120 in all.", field: "/domain", expected: "such as lab.internal")
        }
    }
}
