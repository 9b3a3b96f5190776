import JSON
import ManagementService
import NetworkBackends
import PartitionManager

/// Reads a VM's network interfaces as a client writes them.
enum NetworkInput {
    static let fields = ["id", "mac", "tap", "mtu", "queues", "rateLimit", "allowSpoofing", "offloads"]
    static let tapFields = ["name", "bridge"]
    static let rateLimitFields = ["bytesPerSecond", "packetsPerSecond"]

    /// The member `networkInterfaces`; nil where there is none.
    static func networkInterfaces(_ vm: JSONFields) throws -> [NetworkSource]? {
        let name = "networkInterfaces"
        guard let value = vm.value(name) else { return nil }
        guard let elements = value.array else {
            throw JSONFields.wrongType("/\(name)", "a list of network interfaces", value)
        }
        return try elements.enumerated().map { index, element in
            try interface(try JSONFields(element, at: "/\(name)/\(index)", known: fields))
        }
    }

    private static func interface(_ interface: JSONFields) throws -> NetworkSource {
        guard let id = try interface.string("id") else { throw interface.missing("id", "a name for the interface") }
        guard let tap = try interface.fields("tap", known: tapFields) else {
            throw interface.missing("tap", "{} for a new tap, or {\"name\": NAME, \"bridge\": NAME}")
        }
        var result = NetworkSource(
            id: id, tap: .init(name: try tap.string("name"), bridge: try tap.string("bridge")))
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
        if let limit = try interface.fields("rateLimit", known: rateLimitFields) {
            let bytes = try limit.wholeNumber("bytesPerSecond")
            let packets = try limit.wholeNumber("packetsPerSecond")
            if bytes != nil || packets != nil {
                result.rateLimit = .init(bytesPerSecond: bytes, packetsPerSecond: packets)
            }
        }
        return result
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
        object["tap"] = .object(tap)
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
        return .object(object)
    }
}
