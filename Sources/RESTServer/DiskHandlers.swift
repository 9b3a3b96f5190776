import BlockStorage
import JSON
import ManagementService
import PartitionManager

/// A VM's disks one by one: attached and detached, also while it runs.
enum DiskHandlers {
    /// Seconds a guest may be given to eject a disk.
    static let maximumDetachTimeout = 86_400.0

    static func list(_ request: Request, _ context: HandlerContext) throws -> Response {
        let disks = try context.service.vm(request.id).specification.disks
        return .json(["disks": .array(disks.map(DiskOutput.json))])
    }

    static func get(_ request: Request, _ context: HandlerContext) throws -> Response {
        .json(DiskOutput.json(try context.service.disk(request.item, of: request.id)))
    }

    static func attach(_ request: Request, _ context: HandlerContext) async throws -> Response {
        let body = try JSONBody.parse(request.body, maximumDepth: context.configuration.maximumJSONDepth)
        let operation = try await context.service.attachDisk(try DiskInput.disk(body), to: request.id)
        return OperationOutput.accepted(operation)
    }

    static func update(_ request: Request, _ context: HandlerContext) async throws -> Response {
        let body = try JSONBody.parse(request.body, maximumDepth: context.configuration.maximumJSONDepth)
        let before = try context.service.disk(request.item, of: request.id).rateLimit
        let limit = try DiskInput.rateLimit(body, before: before)
        return .json(
            DiskOutput.json(try await context.service.limitDisk(request.item, of: request.id, limit)))
    }

    static func detach(_ request: Request, _ context: HandlerContext) async throws -> Response {
        let force = try request.query.bool("force") ?? false
        let timeout = try request.query.seconds("timeout", upTo: maximumDetachTimeout)
        return OperationOutput.accepted(
            try await context.service.detachDisk(request.item, of: request.id, force: force, timeout: timeout))
    }
}
