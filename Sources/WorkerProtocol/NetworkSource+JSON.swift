import JSON
import NetworkBackends

/// A network interface in launch files and in the state store: members are only ever added.
extension NetworkSource {
    package var json: JSONValue {
        var object: JSONObject = [
            "id": .string(id), "allowsSpoofing": .bool(allowsSpoofing), "offloads": .bool(offloads),
        ]
        object["mac"] = mac.map { .string($0.description) }
        var tap = JSONObject()
        tap["name"] = self.tap.name.map(JSONValue.string)
        tap["bridge"] = self.tap.bridge.map(JSONValue.string)
        tap["parent"] = self.tap.parent.map(JSONValue.string)
        object["tap"] = .object(tap)
        object["user"] = user.map { .array($0.forwards.map(\.json)) }
        object["network"] = network.map(JSONValue.string)
        object["address"] = address.map { .string($0.description) }
        object["vhost"] = .string(vhost.rawValue)
        object["mtu"] = mtu.map { JSONValue($0) }
        object["queues"] = queues.map { JSONValue($0) }
        object["bytesPerSecond"] = rateLimit?.bytesPerSecond.map { JSONValue($0) }
        object["packetsPerSecond"] = rateLimit?.packetsPerSecond.map { JSONValue($0) }
        return .object(object)
    }

    package init(_ json: JSONValue) throws(MessageError) {
        let fields = Fields(json)
        self.init(id: try fields.string("id"))
        if let text = try fields.optionalString("mac") {
            guard let mac = MACAddress(text) else { throw MessageError("mac: \(text) is none") }
            self.mac = mac
        }
        let tap = Fields(json["tap"] ?? .object(JSONObject()))
        self.tap = Tap(
            name: try tap.optionalString("name"), bridge: try tap.optionalString("bridge"),
            parent: try tap.optionalString("parent"))
        if let forwards = json["user"], !forwards.isNull {
            guard let list = forwards.array else { throw MessageError("user: must be a list") }
            var user = User()
            for forward in list { user.forwards.append(try User.Forward(forward)) }
            self.user = user
        }
        network = try fields.optionalString("network")
        if let text = try fields.optionalString("address") {
            guard let address = IPv4Address(text) else { throw MessageError("address: \(text) is none") }
            self.address = address
        }
        mtu = try Self.number(fields, "mtu", Self.mtus)
        queues = try Self.number(fields, "queues", Self.queueCounts)
        allowsSpoofing = try fields.bool("allowsSpoofing")
        offloads = try fields.bool("offloads")
        // Before there was a choice this process moved all packets.
        let vhost = try fields.optionalString("vhost") ?? Vhost.off.rawValue
        guard let known = Vhost(rawValue: vhost) else { throw MessageError("vhost: '\(vhost)' is not known") }
        self.vhost = known
        let bytes = try fields.optionalUInt64("bytesPerSecond")
        let packets = try fields.optionalUInt64("packetsPerSecond")
        if bytes != nil || packets != nil {
            rateLimit = RateLimit(bytesPerSecond: bytes, packetsPerSecond: packets)
        }
    }

    private static func number(
        _ fields: Fields, _ name: String, _ range: ClosedRange<Int>
    ) throws(MessageError) -> Int? {
        guard let value = try fields.optionalUInt64(name) else { return nil }
        guard let number = Int(exactly: value), range.contains(number) else {
            throw MessageError("\(name): \(value) is none of \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    /// A list of interfaces; none where there is no list, as before there were networks.
    package static func list(_ json: JSONValue?) throws(MessageError) -> [NetworkSource] {
        guard let json, !json.isNull else { return [] }
        guard let elements = json.array else {
            throw MessageError("networkInterfaces: must be a list, not \(json.kindName)")
        }
        guard elements.count <= maximumCount else {
            throw MessageError(
                "networkInterfaces: \(elements.count), more than the \(maximumCount) that a VM can have")
        }
        var interfaces: [NetworkSource] = []
        for element in elements { interfaces.append(try NetworkSource(element)) }
        return interfaces
    }
}

extension NetworkSource.User.Forward {
    fileprivate var json: JSONValue {
        [
            "protocol": .string(transport.rawValue), "hostAddress": .string(hostAddress.description),
            "hostPort": JSONValue(UInt64(hostPort)), "guestPort": JSONValue(UInt64(guestPort)),
        ]
    }

    fileprivate init(_ json: JSONValue) throws(MessageError) {
        let fields = Fields(json)
        func port(_ name: String) throws(MessageError) -> UInt16 {
            guard let port = UInt16(exactly: try fields.uint64(name)), port > 0 else {
                throw MessageError("\(name): is none of 1 to 65535")
            }
            return port
        }
        guard let transport = NetworkSource.User.Transport(rawValue: try fields.string("protocol")),
            let address = IPv4Address(try fields.string("hostAddress"))
        else { throw MessageError("user: a forward's protocol or hostAddress is none") }
        self.init(transport, hostPort: try port("hostPort"), guestPort: try port("guestPort"))
        hostAddress = address
    }
}
