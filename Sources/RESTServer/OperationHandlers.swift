import DeviceSources
import JSON
import LinuxSystem
import ManagementService
import PartitionManager

/// Changes that take longer than a request.
enum OperationHandlers {
    static let listQuery = ["vm", "pageSize", "pageToken"]
    /// Seconds: of `:wait` where the client says nothing, and at most.
    static let defaultWait = 30.0
    static let maximumWait = 300.0

    static func list(_ request: Request, _ context: HandlerContext) throws -> Response {
        let query = request.query
        let limit = try Paging.size(query)
        let (operations, more) = context.service.listOperations(
            vm: try query.one("vm"), after: try Paging.after(query), limit: limit)
        var object: JSONObject = ["operations": .array(operations.map(OperationOutput.json))]
        if more, let last = operations.last { object["nextPageToken"] = .string(Paging.token(after: last.id)) }
        return .json(.object(object))
    }

    static func get(_ request: Request, _ context: HandlerContext) throws -> Response {
        .json(OperationOutput.json(try context.service.operation(request.id)))
    }

    static func wait(_ request: Request, _ context: HandlerContext) async throws -> Response {
        let timeout = try request.query.seconds("timeout", upTo: maximumWait) ?? defaultWait
        return .json(OperationOutput.json(try await context.service.waitForOperation(request.id, timeout: timeout)))
    }
}

/// How the API shows an operation.
enum OperationOutput {
    static func json(_ operation: OperationResource) -> JSONValue {
        var object: JSONObject = ["id": .string(operation.id), "verb": .string(operation.verb.rawValue)]
        if !operation.vmID.isEmpty { object["vm"] = .string(operation.vmID) }
        if let device = operation.device { object[device.kind.rawValue] = .string(device.id) }
        object["image"] = operation.imageID.map(JSONValue.string)
        object["volume"] = operation.volumeID.map(JSONValue.string)
        object["status"] = .string(operation.status.rawValue)
        object["createdAt"] = .string(rfc3339(operation.createdAt))
        if let endedAt = operation.endedAt { object["endedAt"] = .string(rfc3339(endedAt)) }
        if let error = operation.error { object["error"] = Problem(error).json(instance: nil) }
        return .object(object)
    }

    /// 202 with where to ask for the rest.
    static func accepted(_ operation: OperationResource) -> Response {
        .json(json(operation), status: 202).with("Location", "/v1/operations/\(operation.id)")
    }
}
