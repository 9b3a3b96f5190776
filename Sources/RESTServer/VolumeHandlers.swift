import BlockStorage
import JSON
import LinuxSystem
import ManagementService
import PartitionManager

enum VolumeHandlers {
    static let fields = ["id", "size", "image", "method", "labels"]
    static let patchFields = ["size", "labels"]
    static let readOnlyFields = ["format", "bytes", "bytesOnDisk", "vms", "createdAt", "updatedAt", "revision"]

    static func list(_ request: Request, _ context: HandlerContext) async throws -> Response {
        let query = request.query
        let (volumes, more) = await context.service.listVolumes(
            after: try Paging.after(query), limit: try Paging.size(query), labels: try VMHandlers.labels(query))
        return StorageHandlers.page(
            "volumes", volumes.map(VolumeOutput.json), next: more ? volumes.last?.volume.id : nil)
    }

    static func get(_ request: Request, _ context: HandlerContext) async throws -> Response {
        let volume = try await context.service.volume(request.id)
        return try StorageHandlers.one(VolumeOutput.json(volume), revision: volume.volume.revision, request)
    }

    static func create(_ request: Request, _ context: HandlerContext) async throws -> Response {
        let body = try JSONBody.parse(request.body, maximumDepth: context.configuration.maximumJSONDepth)
        let volume = try JSONFields(body, known: fields, readOnly: readOnlyFields)
        let wanted = VolumeRequest(
            id: try StorageHandlers.required(volume, "id", "a name for the volume"),
            size: try VMInput.byteSize(volume, "size"), image: try volume.string("image"),
            method: try volume.word("method") ?? .auto, labels: try StorageHandlers.labels(volume))
        return OperationOutput.accepted(try await context.service.createVolume(wanted))
    }

    static func update(_ request: Request, _ context: HandlerContext) async throws -> Response {
        let body = try JSONBody.parse(request.body, maximumDepth: context.configuration.maximumJSONDepth)
        let fields = try JSONFields(body, known: patchFields, readOnly: readOnlyFields + ["id", "image", "method"])
        let patch = StoragePatch(
            labels: try VMInput.labels(fields, allowsNull: true), size: try VMInput.byteSize(fields, "size"))
        let volume = try await context.service.updateVolume(
            request.id, patch, ifRevision: try await revision(request, context))
        return .json(VolumeOutput.json(volume)).with("ETag", "\"\(volume.volume.revision)\"")
    }

    static func delete(_ request: Request, _ context: HandlerContext) async throws -> Response {
        try await context.service.deleteVolume(request.id, ifRevision: try await revision(request, context))
        return Response(status: 204)
    }

    private static func revision(_ request: Request, _ context: HandlerContext) async throws -> UInt64? {
        guard request.headers["if-match"] != nil else { return nil }
        let now = try await context.service.volume(request.id).volume.revision
        return try EntityTags.requiredRevision(request.headers) { now }
    }
}

/// How the API shows a volume. Members that do not apply are left out.
enum VolumeOutput {
    static func json(_ status: VolumeStatus) -> JSONValue {
        let volume = status.volume
        var object: JSONObject = [
            "id": .string(volume.id), "format": .string(volume.format.rawValue),
            "size": .string(ByteSize.text(volume.size)), "bytes": JSONValue(volume.size),
        ]
        object["bytesOnDisk"] = status.bytesOnDisk.map { JSONValue($0) }
        object["image"] = volume.image.map(JSONValue.string)
        object["method"] = volume.method.map { .string($0.rawValue) }
        object["vms"] = .array(status.users.map(JSONValue.string))
        object["labels"] = StorageHandlers.labels(volume.labels)
        object["createdAt"] = .string(rfc3339(volume.createdAt))
        object["updatedAt"] = .string(rfc3339(volume.updatedAt))
        object["revision"] = JSONValue(volume.revision)
        return .object(object)
    }
}
