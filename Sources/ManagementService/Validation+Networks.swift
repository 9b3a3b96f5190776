import NetworkBackends
import PartitionManager

extension Validation {
    static let packetsPerSecond: ClosedRange<UInt64> = 1...100_000_000

    static func check(networkInterfaces interfaces: [NetworkSource]) throws(ServiceError) {
        guard interfaces.count <= NetworkSource.maximumCount else {
            throw ServiceError(
                .invalidArgument,
                "A VM has at most \(NetworkSource.maximumCount) network interfaces, not \(interfaces.count).",
                field: "/networkInterfaces", expected: "at most \(NetworkSource.maximumCount)")
        }
        for (index, interface) in interfaces.enumerated() {
            let field = "/networkInterfaces/\(index)"
            try check(interface, field: field)
            for (other, earlier) in interfaces[..<index].enumerated() {
                try differ(earlier.id == interface.id, (other, index), "id", quoted(interface.id), "\(field)/id")
                try differ(
                    interface.mac != nil && earlier.mac == interface.mac, (other, index), "MAC address",
                    interface.mac?.description ?? "", "\(field)/mac")
                try differ(
                    interface.tap.name != nil && earlier.tap.name == interface.tap.name, (other, index), "tap",
                    quoted(interface.tap.name ?? ""), "\(field)/tap/name")
            }
        }
    }

    private static func differ(
        _ isSame: Bool, _ places: (Int, Int), _ what: String, _ value: String, _ field: String
    ) throws(ServiceError) {
        guard isSame else { return }
        throw ServiceError(
            .invalidArgument, "The network interfaces \(places.0) and \(places.1) have the same \(what) \(value).",
            field: field, expected: "a different one for each interface")
    }

    /// An interface by itself; `field` is the pointer to it.
    static func check(_ interface: NetworkSource, field: String) throws(ServiceError) {
        do throws(ServiceError) {
            try check(id: interface.id)
        } catch {
            throw ServiceError(error.kind, error.detail, field: "\(field)/id", expected: error.expected)
        }
        if let mac = interface.mac, mac.isMulticast || mac.isZero {
            throw ServiceError(
                .invalidArgument,
                "No interface can have the MAC address \(mac): it names \(mac.isZero ? "none" : "a group").",
                field: "\(field)/mac", expected: "an address whose first byte is even, such as 02:00:00:00:00:01")
        }
        try check(interfaceName: interface.tap.name, field: "\(field)/tap/name")
        try check(interfaceName: interface.tap.bridge, field: "\(field)/tap/bridge")
        try inRange(interface.mtu, NetworkSource.mtus, "MTU", "\(field)/mtu")
        try inRange(interface.queues, NetworkSource.queueCounts, "number of queues", "\(field)/queues")
        if let user = interface.user { try check(user, of: interface, field: field) }
        let limit = interface.rateLimit
        try inRange(limit?.bytesPerSecond, bytesPerSecond, "limit", "\(field)/rateLimit/bytesPerSecond")
        try inRange(limit?.packetsPerSecond, packetsPerSecond, "limit", "\(field)/rateLimit/packetsPerSecond")
        guard limit == nil || interface.vhost != .on else {
            throw ServiceError(
                .invalidArgument,
                "The host's kernel moves the packets of an interface whose vhost is 'on', and knows no limit.",
                field: "\(field)/vhost", expected: "auto or off with a rateLimit")
        }
    }

    private static func check(
        _ user: NetworkSource.User, of interface: NetworkSource, field: String
    ) throws(ServiceError) {
        func refused(_ member: String, _ detail: String, _ expected: String) -> ServiceError {
            ServiceError(.invalidArgument, detail, field: "\(field)/\(member)", expected: expected)
        }
        guard interface.queues ?? 1 == 1 else {
            throw refused("queues", "A user-mode network has one pair of queues.", "1, or nothing")
        }
        guard interface.vhost != .on else {
            throw refused("vhost", "No kernel moves the packets of a user-mode network.", "auto or off")
        }
        if let mtu = interface.mtu, !(NetworkSource.User.minimumMTU...NetworkSource.User.defaultMTU).contains(mtu) {
            throw refused(
                "mtu", "A user-mode network can't have the MTU \(mtu).",
                "\(NetworkSource.User.minimumMTU) to \(NetworkSource.User.defaultMTU)")
        }
        guard user.forwards.count <= NetworkSource.User.maximumForwards else {
            throw refused(
                "user/forwards", "There are \(user.forwards.count) forwards.",
                "at most \(NetworkSource.User.maximumForwards)")
        }
        for (index, forward) in user.forwards.enumerated() {
            let isTaken = user.forwards[..<index].contains { other in
                other.transport == forward.transport && other.hostPort == forward.hostPort
                    && (other.hostAddress == forward.hostAddress
                        || [other, forward].contains { $0.hostAddress.value == 0 })
            }
            guard !isTaken else {
                throw refused(
                    "user/forwards/\(index)/hostPort",
                    "An earlier forward has the port \(forward.hostPort) of that address.", "a port that is free")
            }
        }
    }

    /// What Linux takes as the name of an interface, less what people can't see or the kernel completes.
    static func check(interfaceName name: String?, field: String) throws(ServiceError) {
        guard let name else { return }
        let allowed = Array("-._".utf8)
        let isRight =
            (1...NetworkSource.maximumName).contains(name.utf8.count) && name != "." && name != ".."
            && name.utf8.allSatisfy { byte in
                isLowerOrDigit(byte) || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
                    || allowed.contains(byte)
            }
        guard isRight else {
            throw ServiceError(
                .invalidArgument,
                "\(quoted(name)) is no name of a network interface: it has 1 to \(NetworkSource.maximumName) letters, "
                    + "digits, '-', '_' and '.'.", field: field, expected: "[A-Za-z0-9._-]{1,15}")
        }
    }
}
