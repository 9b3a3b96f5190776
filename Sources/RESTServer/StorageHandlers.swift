import BlockStorage
import JSON
import LinuxSystem
import ManagementService
import PartitionManager

/// What images and volumes have in common.
enum StorageHandlers {
    static let listQuery = ["pageSize", "pageToken", "label"]

    /// A page's members, with the token of the next where there is one.
    static func page(_ name: String, _ items: [JSONValue], next: String?) -> Response {
        var object: JSONObject = [name: .array(items)]
        if let next { object["nextPageToken"] = .string(Paging.token(after: next)) }
        return .json(.object(object))
    }

    /// A resource with its revision as entity tag; 304 where the client has it already.
    static func one(_ value: JSONValue, revision: UInt64, _ request: Request) throws -> Response {
        let isFresh = try EntityTags.isFresh(request.headers, revision: revision)
        return (isFresh ? Response(status: 304) : .json(value)).with("ETag", "\"\(revision)\"")
    }

    static func labels(_ labels: [String: String]) -> JSONValue {
        var object = JSONObject()
        for (name, value) in labels.sorted(by: { $0.key < $1.key }) { object[name] = .string(value) }
        return .object(object)
    }

    /// A new resource's labels.
    static func labels(_ fields: JSONFields) throws -> [String: String] {
        var result: [String: String] = [:]
        for (name, value) in try VMInput.labels(fields, allowsNull: false) ?? [:] { result[name] = value }
        return result
    }

    static func required(_ fields: JSONFields, _ name: String, _ expected: String) throws -> String {
        guard let text = try fields.string(name) else { throw VMInput.missing(fields.pointer(to: name), expected) }
        return text
    }
}

enum ImageHandlers {
    static let fields = ["id", "path", "format", "sha256", "labels"]
    static let patchFields = ["labels"]
    static let readOnlyFields = [
        "virtualSize", "virtualBytes", "fileBytes", "createdAt", "updatedAt", "revision",
    ]
    static let uploadQuery = ["format", "sha256", "label"]

    static func list(_ request: Request, _ context: HandlerContext) throws -> Response {
        let query = request.query
        let (images, more) = context.service.listImages(
            after: try Paging.after(query), limit: try Paging.size(query), labels: try VMHandlers.labels(query))
        return StorageHandlers.page("images", images.map(ImageOutput.json), next: more ? images.last?.id : nil)
    }

    static func get(_ request: Request, _ context: HandlerContext) throws -> Response {
        let image = try context.service.image(request.id)
        return try StorageHandlers.one(ImageOutput.json(image), revision: image.revision, request)
    }

    static func importPath(_ request: Request, _ context: HandlerContext) async throws -> Response {
        let body = try JSONBody.parse(request.body, maximumDepth: context.configuration.maximumJSONDepth)
        let image = try JSONFields(body, known: fields, readOnly: readOnlyFields)
        let wanted = ImageRequest(
            id: try StorageHandlers.required(image, "id", "a name for the image"),
            format: try image.word("format"), digest: try image.string("sha256")?.lowercased(),
            labels: try StorageHandlers.labels(image))
        let path = try StorageHandlers.required(
            image, "path", "the absolute path of a file on the host; PUT /v1/images/{id}/content takes an upload")
        return OperationOutput.accepted(try await context.service.importImage(wanted, path: path))
    }

    static func upload(_ request: Request, _ size: UInt64?, _ context: HandlerContext) throws -> any BodyReceiver {
        var wanted = ImageRequest(id: request.id, labels: try VMHandlers.labels(request.query))
        if let text = try request.query.one("format") {
            guard let format = DiskSource.Format(rawValue: text) else {
                let words = DiskSource.Format.allCases.map(\.rawValue).joined(separator: ", ")
                throw Problem(
                    .invalidParameter, "The query parameter 'format' has the value '\(text)'; expected \(words).",
                    field: "format", expected: words)
            }
            wanted.format = format
        }
        wanted.digest = try request.query.one("sha256")?.lowercased()
        if let coding = request.headers["content-encoding"], coding.lowercased() != "identity" {
            throw Problem(
                .unsupportedMediaType, "The body is said to be encoded as '\(coding)'; an image is taken as it is.",
                field: "Content-Encoding", expected: "no Content-Encoding")
        }
        if let range = request.headers["content-range"] {
            throw Problem(
                .malformedRequest, "The body is said to be a part ('\(range)'); an image comes in one piece.",
                field: "Content-Range", expected: "no Content-Range")
        }
        return UploadReceiver(try context.service.uploadImage(wanted, size: size))
    }

    static func update(_ request: Request, _ context: HandlerContext) async throws -> Response {
        let body = try JSONBody.parse(request.body, maximumDepth: context.configuration.maximumJSONDepth)
        let fields = try JSONFields(
            body, known: patchFields, readOnly: readOnlyFields + ["id", "path", "format", "sha256"])
        let image = try await context.service.updateImage(
            request.id, StoragePatch(labels: try VMInput.labels(fields, allowsNull: true)),
            ifRevision: try revision(request, context))
        return .json(ImageOutput.json(image)).with("ETag", "\"\(image.revision)\"")
    }

    static func delete(_ request: Request, _ context: HandlerContext) async throws -> Response {
        try await context.service.deleteImage(request.id, ifRevision: try revision(request, context))
        return Response(status: 204)
    }

    private static func revision(_ request: Request, _ context: HandlerContext) throws -> UInt64? {
        try EntityTags.requiredRevision(request.headers) { try context.service.image(request.id).revision }
    }
}

/// An image on its way, as the body of a request.
private final class UploadReceiver: BodyReceiver {
    private let image: any ImageReceiver

    init(_ image: any ImageReceiver) { self.image = image }

    func write(_ bytes: [UInt8]) async throws { try await image.write(bytes) }

    func finish() async throws -> Response {
        let image = try await image.finish()
        return Response.json(ImageOutput.json(image), status: 201).with("Location", "/v1/images/\(image.id)")
            .with("ETag", "\"\(image.revision)\"")
    }

    func cancel() { image.cancel() }
}

/// How the API shows an image.
enum ImageOutput {
    static func json(_ image: ImageResource) -> JSONValue {
        [
            "id": .string(image.id), "format": .string(image.format.rawValue),
            "virtualSize": .string(ByteSize.text(image.virtualSize)), "virtualBytes": JSONValue(image.virtualSize),
            "fileBytes": JSONValue(image.fileSize), "sha256": .string(image.digest),
            "labels": StorageHandlers.labels(image.labels), "createdAt": .string(rfc3339(image.createdAt)),
            "updatedAt": .string(rfc3339(image.updatedAt)), "revision": JSONValue(image.revision),
        ]
    }
}
