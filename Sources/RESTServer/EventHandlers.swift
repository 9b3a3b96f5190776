import JSON
import LinuxSystem
import ManagementService
import PartitionManager

/// What happened and what happens.
enum EventHandlers {
    static let query = ["after", "limit", "vm"]

    /// Server-sent events; a plain list for a client that takes JSON only.
    static func get(_ request: Request, _ context: HandlerContext) throws -> Response {
        let after = try request.query.unsigned("after")
        let limit = try request.query.integer("limit", in: 1...1000, said: "1...1000")
        let vm = try request.query.one("vm")
        if request.headers["accept"].map(trimmed) == "application/json" {
            let last = context.service.lastEventSequence
            let events = context.service.events(after: after ?? 0, limit: Int(limit ?? 1000))
            return .json([
                "events": .array(events.filter { vm == nil || $0.vmID == vm }.map(EventOutput.json)),
                "lastSequence": JSONValue(events.last?.sequence ?? max(last, after ?? 0)),
            ])
        }
        if limit != nil {
            throw Problem(
                .invalidParameter, "A stream of events has no 'limit'; ask with 'Accept: application/json' for a list.",
                field: "limit")
        }
        // A browser that connects again says with the header where it was; that is newer than the URL's.
        let resumed = try lastEventID(request.headers)
        let stream = EventStream(
            service: context.service, after: resumed ?? after ?? context.service.lastEventSequence, vmID: vm,
            heartbeat: context.configuration.heartbeat)
        return Response(status: 200, contentType: "text/event-stream", body: .events(stream))
            .with("Cache-Control", "no-cache")
    }

    private static func lastEventID(_ headers: Headers) throws -> UInt64? {
        guard let text = headers["last-event-id"], !trimmed(text).isEmpty else { return nil }
        guard let sequence = UInt64(trimmed(text)) else {
            throw Problem(
                .malformedRequest, "The header field 'Last-Event-ID' has the value '\(text)', which no event had.",
                field: "Last-Event-ID", expected: "the id of an event")
        }
        return sequence
    }
}

/// How the API shows an event.
enum EventOutput {
    static func json(_ event: EventRecord) -> JSONValue {
        var object: JSONObject = [
            "sequence": JSONValue(event.sequence), "time": .string(rfc3339(event.time)),
            "type": .string(event.type),
        ]
        if !event.vmID.isEmpty { object["vm"] = .string(event.vmID) }
        for (name, value) in event.details.members where object[name] == nil { object[name] = value }
        return .object(object)
    }

    /// One message of an event stream. The JSON is on one line, so one `data` field holds it.
    static func message(_ event: EventRecord) -> [UInt8] {
        Array("id: \(event.sequence)\nevent: \(event.type)\ndata: ".utf8) + json(event).serialized()
            + Array("\n\n".utf8)
    }
}
