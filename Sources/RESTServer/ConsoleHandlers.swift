import JSON
import ManagementService
import PartitionManager

/// A VM's serial console: the kept log, input, and both live over a WebSocket.
enum ConsoleHandlers {
    /// Bytes of one answer, where the client says nothing and at most.
    static let defaultLimit: Int64 = 1 << 20
    static let maximumLimit: Int64 = 4 << 20

    static func read(_ request: Request, _ context: HandlerContext) async throws -> Response {
        let offset = try request.query.integer(
            "offset", in: Int64.min...Int64.max, said: "a whole number; a negative one counts from the end")
        let limit = try request.query.integer("limit", in: 1...maximumLimit, said: "1...\(maximumLimit)")
        if request.headers.words("upgrade").contains("websocket") {
            let accept = try WebSocketHandshake.accept(request)
            // A VM that is not there is told with a status, before the connection changes its nature.
            _ = try context.service.vm(request.id)
            let attachment = ConsoleAttachment(
                service: context.service, vmID: request.id, offset: offset,
                maximumMessage: context.configuration.maximumConsoleInput)
            return Response(status: 101, body: .webSocket(attachment))
                .with("Upgrade", "websocket").with("Sec-WebSocket-Accept", accept)
        }
        let chunk = try await context.service.readConsole(
            vm: request.id, offset: offset ?? 0, limit: Int(limit ?? defaultLimit))
        return Response(status: 200, contentType: "application/octet-stream", body: .bytes(chunk.bytes))
            .with("Console-Offset", String(chunk.nextOffset)).with("Console-Start", String(chunk.offset))
    }

    static func write(_ request: Request, _ context: HandlerContext) async throws -> Response {
        let count = try await context.service.writeConsole(vm: request.id, request.body)
        return .json(["written": JSONValue(count)])
    }
}
