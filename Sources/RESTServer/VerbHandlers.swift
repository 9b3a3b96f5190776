import ManagementService
import PartitionManager

/// What can be done with a VM: each begins an operation and answers 202 with it.
enum VerbHandlers {
    /// Seconds a guest may be given to power off.
    static let maximumShutdownTimeout = 86_400.0

    static func start(_ request: Request, _ context: HandlerContext) async throws -> Response {
        try await begin(.start, request, context)
    }
    static func stop(_ request: Request, _ context: HandlerContext) async throws -> Response {
        try await begin(.stop, request, context)
    }
    static func shutdown(_ request: Request, _ context: HandlerContext) async throws -> Response {
        let timeout = try request.query.seconds("timeout", upTo: maximumShutdownTimeout)
        return try await begin(.shutdown, request, context, timeout: timeout)
    }
    static func pause(_ request: Request, _ context: HandlerContext) async throws -> Response {
        try await begin(.pause, request, context)
    }
    static func resume(_ request: Request, _ context: HandlerContext) async throws -> Response {
        try await begin(.resume, request, context)
    }
    static func reset(_ request: Request, _ context: HandlerContext) async throws -> Response {
        try await begin(.reset, request, context)
    }

    private static func begin(
        _ verb: OperationResource.Verb, _ request: Request, _ context: HandlerContext, timeout: Double? = nil
    ) async throws -> Response {
        try JSONBody.requireEmpty(request.body, maximumDepth: context.configuration.maximumJSONDepth)
        return OperationOutput.accepted(try await context.service.begin(verb, vm: request.id, timeout: timeout))
    }
}
