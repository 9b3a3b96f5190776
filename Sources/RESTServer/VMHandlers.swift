import JSON
import ManagementService
import PartitionManager

/// VMs as resources.
enum VMHandlers {
    static let listQuery = ["pageSize", "pageToken", "label", "state"]

    static func list(_ request: Request, _ context: HandlerContext) throws -> Response {
        let query = request.query
        let limit = try Paging.size(query)
        let (vms, more) = context.service.listVMs(
            after: try Paging.after(query), limit: limit, labels: try labels(query), state: try state(query))
        var object: JSONObject = ["vms": .array(vms.map(VMOutput.json))]
        if more, let last = vms.last { object["nextPageToken"] = .string(Paging.token(after: last.id)) }
        return .json(.object(object))
    }

    static func create(_ request: Request, _ context: HandlerContext) async throws -> Response {
        let validateOnly = try request.query.bool("validateOnly") ?? false
        let body = try JSONBody.parse(request.body, maximumDepth: context.configuration.maximumJSONDepth)
        let vm = try await context.service.createVM(VMInput.specification(body), validateOnly: validateOnly)
        let answer = Response.json(VMOutput.json(vm), status: validateOnly ? 200 : 201)
        return validateOnly
            ? answer : answer.with("Location", "/v1/vms/\(vm.id)").with("ETag", VMOutput.entityTag(vm))
    }

    static func get(_ request: Request, _ context: HandlerContext) throws -> Response {
        let vm = try context.service.vm(request.id)
        let isFresh = try EntityTags.isFresh(request.headers, revision: vm.revision)
        return (isFresh ? Response(status: 304) : .json(VMOutput.json(vm))).with("ETag", VMOutput.entityTag(vm))
    }

    static func update(_ request: Request, _ context: HandlerContext) async throws -> Response {
        let body = try JSONBody.parse(request.body, maximumDepth: context.configuration.maximumJSONDepth)
        let patch = try VMInput.patch(body)
        let vm = try await context.service.updateVM(request.id, patch, ifRevision: try revision(request, context))
        return .json(VMOutput.json(vm)).with("ETag", VMOutput.entityTag(vm))
    }

    static func delete(_ request: Request, _ context: HandlerContext) async throws -> Response {
        let force = try request.query.bool("force") ?? false
        let operation = try await context.service.deleteVM(
            request.id, force: force, ifRevision: try revision(request, context))
        guard let operation else { return Response(status: 204) }
        return OperationOutput.accepted(operation)
    }

    private static func revision(_ request: Request, _ context: HandlerContext) throws -> UInt64? {
        try EntityTags.requiredRevision(request.headers) { try context.service.vm(request.id).revision }
    }

    static func labels(_ query: Query) throws -> [String: String] {
        var result: [String: String] = [:]
        for filter in query.all("label") {
            let sides = filter.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard sides.count == 2, !sides[0].isEmpty else {
                throw Problem(
                    .invalidParameter, "The query parameter 'label' has the value '\(filter)'; expected NAME=VALUE.",
                    field: "label", expected: "NAME=VALUE")
            }
            let (name, value) = (String(sides[0]), String(sides[1]))
            guard result[name] == nil || result[name] == value else {
                throw Problem(
                    .invalidParameter, "The query asks for two values of the label '\(name)'.", field: "label",
                    expected: "each label once")
            }
            result[name] = value
        }
        return result
    }

    private static func state(_ query: Query) throws -> VMState? {
        guard let text = try query.one("state") else { return nil }
        guard let state = VMState(rawValue: text) else {
            let expected = VMState.allCases.map(\.rawValue).joined(separator: ", ")
            throw Problem(
                .invalidParameter, "The query parameter 'state' has the value '\(text)', which is no state of a VM.",
                field: "state", expected: expected)
        }
        return state
    }
}
