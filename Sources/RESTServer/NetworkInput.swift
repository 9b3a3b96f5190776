import JSON
import ManagementService
import NetworkBackends
import PartitionManager

/// Reads a VM's network interfaces as a client writes them.
enum NetworkInput {
    static let fields = [
        "id", "mac", "tap", "user", "network", "mtu", "queues", "rateLimit", "allowSpoofing", "offloads", "vhost",
    ]
    static let readOnlyFields = ["addresses"]
    static let tapFields = ["name", "bridge"]
    static let userFields = ["forwards"]
    static let forwardFields = ["protocol", "hostAddress", "hostPort", "guestPort"]
    static let rateLimitFields = ["bytesPerSecond", "packetsPerSecond"]

    /// The member `networkInterfaces`; nil where there is none.
    static func networkInterfaces(_ vm: JSONFields) throws -> [NetworkSource]? {
        let name = "networkInterfaces"
        guard let value = vm.value(name) else { return nil }
        guard let elements = value.array else {
            throw JSONFields.wrongType("/\(name)", "a list of network interfaces", value)
        }
        return try elements.enumerated().map { index, element in
            try interface(try JSONFields(element, at: "/\(name)/\(index)", known: fields, readOnly: readOnlyFields))
        }
    }

    /// The body of `POST /v1/vms/{id}/networkInterfaces`.
    static func interface(_ body: JSONValue) throws -> NetworkSource {
        try interface(try JSONFields(body, known: fields))
    }

    private static func interface(_ interface: JSONFields) throws -> NetworkSource {
        guard let id = try interface.string("id") else { throw interface.missing("id", "a name for the interface") }
        var result = NetworkSource(id: id, tap: try tap(interface))
        result.user = try user(interface)
        result.network = try interface.string("network")
        if let text = try interface.string("mac") {
            guard let mac = MACAddress(text) else {
                let place = interface.pointer(to: "mac")
                throw ServiceError(
                    .invalidArgument, "The field '\(place)' is no MAC address: six bytes of two hexadecimal digits.",
                    field: place, expected: "such as 02:00:00:00:00:01")
            }
            result.mac = mac
        }
        result.mtu = try interface.int("mtu")
        result.queues = try interface.int("queues")
        result.allowsSpoofing = try interface.flag("allowSpoofing") ?? result.allowsSpoofing
        result.offloads = try interface.flag("offloads") ?? result.offloads
        result.vhost = try interface.word("vhost") ?? result.vhost
        if let limit = try interface.fields("rateLimit", known: rateLimitFields) {
            let bytes = try limit.wholeNumber("bytesPerSecond")
            let packets = try limit.wholeNumber("packetsPerSecond")
            if bytes != nil || packets != nil {
                result.rateLimit = .init(bytesPerSecond: bytes, packetsPerSecond: packets)
            }
        }
        return result
    }

    /// What a process of the host's does for it; nil where it has a tap or a network.
    private static func user(_ interface: JSONFields) throws -> NetworkSource.User? {
        guard let user = try interface.fields("user", known: userFields) else { return nil }
        guard !interface.has("network"), !interface.has("tap") else { throw severalLinks(interface, "user") }
        guard let forwards = user.value("forwards") else { return NetworkSource.User() }
        guard let elements = forwards.array else {
            throw JSONFields.wrongType(user.pointer(to: "forwards"), "a list of forwards", forwards)
        }
        return NetworkSource.User(
            forwards: try elements.enumerated().map { index, element in
                try forward(
                    try JSONFields(element, at: "\(user.pointer(to: "forwards"))/\(index)", known: forwardFields))
            })
    }

    private static func forward(_ fields: JSONFields) throws -> NetworkSource.User.Forward {
        func port(_ name: String) throws -> UInt16 {
            guard let number = try fields.int(name) else { throw fields.missing(name, "1 to 65535") }
            guard let port = UInt16(exactly: number), port > 0 else {
                throw ServiceError(
                    .invalidArgument, "There is no port \(number).", field: fields.pointer(to: name),
                    expected: "1 to 65535")
            }
            return port
        }
        var forward = NetworkSource.User.Forward(
            try fields.word("protocol") ?? .tcp, hostPort: try port("hostPort"), guestPort: try port("guestPort"))
        if let text = try fields.string("hostAddress") {
            guard let address = IPv4Address(text) else {
                throw ServiceError(
                    .invalidArgument, "The field '\(fields.pointer(to: "hostAddress"))' is no IPv4 address.",
                    field: fields.pointer(to: "hostAddress"), expected: "such as 127.0.0.1, or 0.0.0.0 for all")
            }
            forward.hostAddress = address
        }
        return forward
    }

    private static func severalLinks(_ interface: JSONFields, _ name: String) -> ServiceError {
        ServiceError(
            .invalidArgument, "A network interface has one of a network, a tap and a user-mode network.",
            field: interface.pointer(to: name), expected: "one of network, tap and user")
    }

    /// The tap; one without a name where the interface's network says its bridge.
    private static func tap(_ interface: JSONFields) throws -> NetworkSource.Tap {
        guard !interface.has("user") else { return NetworkSource.Tap() }
        let tap = try interface.fields("tap", known: tapFields)
        guard interface.has("network") else {
            guard let tap else {
                throw interface.missing(
                    "tap",
                    "{} for a new tap, or {\"name\": NAME, \"bridge\": NAME}; or \"network\": ID or \"user\": {} instead"
                )
            }
            return NetworkSource.Tap(name: try tap.string("name"), bridge: try tap.string("bridge"))
        }
        guard tap == nil else { throw severalLinks(interface, "tap") }
        return NetworkSource.Tap()
    }
}

/// How the API shows a network interface. Members that do not apply are left out.
enum NetworkOutput {
    static func json(_ interface: NetworkSource) -> JSONValue {
        var object: JSONObject = ["id": .string(interface.id)]
        object["mac"] = interface.mac.map { .string($0.description) }
        var tap = JSONObject()
        tap["name"] = interface.tap.name.map(JSONValue.string)
        tap["bridge"] = interface.tap.bridge.map(JSONValue.string)
        // That of an interface in a network is the server's own affair.
        if interface.network == nil, interface.user == nil { object["tap"] = .object(tap) }
        object["user"] = interface.user.map { user in
            [
                "forwards": .array(
                    user.forwards.map { forward in
                        [
                            "protocol": .string(forward.transport.rawValue),
                            "hostAddress": .string(forward.hostAddress.description),
                            "hostPort": JSONValue(UInt64(forward.hostPort)),
                            "guestPort": JSONValue(UInt64(forward.guestPort)),
                        ]
                    })
            ]
        }
        object["network"] = interface.network.map(JSONValue.string)
        object["addresses"] = interface.address.map { [.string($0.description)] }
        object["mtu"] = interface.mtu.map { JSONValue($0) }
        object["queues"] = interface.queues.map { JSONValue($0) }
        if let limit = interface.rateLimit {
            var limits = JSONObject()
            limits["bytesPerSecond"] = limit.bytesPerSecond.map { JSONValue($0) }
            limits["packetsPerSecond"] = limit.packetsPerSecond.map { JSONValue($0) }
            object["rateLimit"] = .object(limits)
        }
        object["allowSpoofing"] = .bool(interface.allowsSpoofing)
        object["offloads"] = .bool(interface.offloads)
        object["vhost"] = .string(interface.vhost.rawValue)
        return .object(object)
    }
}
