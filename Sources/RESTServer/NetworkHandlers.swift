import JSON
import LinuxSystem
import ManagementService
import NetworkBackends
import PartitionManager
import VirtualNetworks

enum NetworkHandlers {
    static let fields = ["id", "mode", "bridge", "parent", "subnet", "dhcp", "domain", "mtu", "metadata", "labels"]
    static let dhcpFields = ["start", "end"]
    static let patchFields = ["metadata", "labels"]
    static let readOnlyFields = ["gateway", "status", "interfaces", "createdAt", "updatedAt", "revision"]

    static func list(_ request: Request, _ context: HandlerContext) throws -> Response {
        let query = request.query
        let (networks, more) = context.service.listNetworks(
            after: try Paging.after(query), limit: try Paging.size(query), labels: try VMHandlers.labels(query))
        return StorageHandlers.page(
            "networks", networks.map(NetworkResourceOutput.json), next: more ? networks.last?.network.id : nil)
    }

    static func get(_ request: Request, _ context: HandlerContext) throws -> Response {
        // Its state and its interfaces change without its revision: there is no 304.
        shown(try context.service.network(request.id))
    }

    static func create(_ request: Request, _ context: HandlerContext) async throws -> Response {
        let body = try JSONBody.parse(request.body, maximumDepth: context.configuration.maximumJSONDepth)
        let network = try JSONFields(body, known: fields, readOnly: readOnlyFields)
        guard let mode: NetworkDefinition.Mode = try network.word("mode") else {
            throw network.missing("mode", NetworkDefinition.Mode.allCases.map(\.rawValue).joined(separator: ", "))
        }
        var wanted = NetworkRequest(
            id: try StorageHandlers.required(network, "id", "a name for the network"), mode: mode,
            bridge: try network.string("bridge"), parent: try network.string("parent"), subnet: try subnet(network),
            metadata: try network.flag("metadata") ?? false, labels: try StorageHandlers.labels(network))
        if let dhcp = try network.fields("dhcp", known: dhcpFields) {
            wanted.rangeStart = try address(dhcp, "start")
            wanted.rangeEnd = try address(dhcp, "end")
        }
        wanted.domain = try network.string("domain")
        wanted.mtu = try network.int("mtu")
        let made = try await context.service.createNetwork(wanted)
        return Response.json(NetworkResourceOutput.json(made), status: 201)
            .with("Location", "/v1/networks/\(made.network.id)").with("ETag", "\"\(made.network.revision)\"")
    }

    static func update(_ request: Request, _ context: HandlerContext) async throws -> Response {
        let body = try JSONBody.parse(request.body, maximumDepth: context.configuration.maximumJSONDepth)
        let readOnly = readOnlyFields + fields.filter { !patchFields.contains($0) }
        let fields = try JSONFields(body, known: patchFields, readOnly: readOnly)
        let patch = NetworkPatch(
            labels: try VMInput.labels(fields, allowsNull: true), metadata: try fields.flag("metadata"))
        return shown(
            try await context.service.updateNetwork(request.id, patch, ifRevision: try revision(request, context)))
    }

    static func delete(_ request: Request, _ context: HandlerContext) async throws -> Response {
        try await context.service.deleteNetwork(request.id, ifRevision: try revision(request, context))
        return Response(status: 204)
    }

    private static func shown(_ view: NetworkView) -> Response {
        .json(NetworkResourceOutput.json(view)).with("ETag", "\"\(view.network.revision)\"")
    }

    private static func revision(_ request: Request, _ context: HandlerContext) throws -> UInt64? {
        try EntityTags.requiredRevision(request.headers) { try context.service.network(request.id).network.revision }
    }

    private static func address(_ fields: JSONFields, _ name: String) throws -> IPv4Address? {
        guard let text = try fields.string(name) else { return nil }
        guard let address = IPv4Address(text) else {
            throw ServiceError(
                .invalidArgument, "The field '\(fields.pointer(to: name))' is no IPv4 address.",
                field: fields.pointer(to: name), expected: "such as 10.64.0.10")
        }
        return address
    }

    private static func subnet(_ fields: JSONFields) throws -> IPv4Subnet? {
        guard let text = try fields.string("subnet") else { return nil }
        guard let subnet = IPv4Subnet(text) else {
            throw ServiceError(
                .invalidArgument, "The field '/subnet' is no IPv4 subnet in CIDR notation.", field: "/subnet",
                expected: "such as 10.64.0.0/24")
        }
        guard subnet.description == text else {
            throw ServiceError(
                .invalidArgument, "The field '/subnet' has an address with bits behind its prefix.", field: "/subnet",
                expected: subnet.description)
        }
        return subnet
    }
}

/// How the API shows a network. Members that do not apply are left out.
enum NetworkResourceOutput {
    static func json(_ view: NetworkView) -> JSONValue {
        let network = view.network
        let definition = network.definition
        var object: JSONObject = [
            "id": .string(network.id), "mode": .string(definition.mode.rawValue),
        ]
        object[definition.mode == .macvtap ? "parent" : "bridge"] = .string(definition.bridge)
        if let addressing = definition.addressing {
            object["subnet"] = .string(addressing.subnet.description)
            object["gateway"] = .string(addressing.gateway.description)
            object["dhcp"] = [
                "start": .string(addressing.range.first.description), "end": .string(addressing.range.last.description),
            ]
            object["domain"] = .string(addressing.domain)
        }
        object["mtu"] = definition.mtu.map { JSONValue($0) }
        object["metadata"] = .bool(definition.metadata)
        var status: JSONObject = ["state": .string(view.status.state.rawValue)]
        status["reason"] = view.status.reason.map(JSONValue.string)
        object["status"] = .object(status)
        object["interfaces"] = .array(
            view.members.map { member in
                var interface: JSONObject = [
                    "vm": .string(member.vm), "interface": .string(member.interface),
                    "mac": .string(member.mac.description),
                ]
                interface["address"] = member.address.map { .string($0.description) }
                return .object(interface)
            })
        object["labels"] = StorageHandlers.labels(network.labels)
        object["createdAt"] = .string(rfc3339(network.createdAt))
        object["updatedAt"] = .string(rfc3339(network.updatedAt))
        object["revision"] = JSONValue(network.revision)
        return .object(object)
    }
}
