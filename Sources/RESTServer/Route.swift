import ManagementService
import MetricsExposition

/// What a handler may use beside the request.
struct HandlerContext: Sendable {
    var service: any ManagementAPI
    var metrics: RequestMetrics
    var configuration: RESTConfiguration
}

/// How a route's handler runs. Handlers throw `Problem` or `ServiceError`.
enum Handler: Sendable {
    /// On the event loop: it reads memory and never waits.
    case immediate(@Sendable (Request, HandlerContext) throws -> Response)
    /// Off the event loop, which serves other connections meanwhile.
    case deferred(@Sendable (Request, HandlerContext) async throws -> Response)
    /// The body is too large to be kept: called when the header is there, on the event loop, for who takes the body
    /// piece by piece. Nothing of the body is in the request. `size` is the length that the client says, if it does.
    case upload(@Sendable (Request, _ size: UInt64?, HandlerContext) throws -> any BodyReceiver)
}

/// Takes the body of one request, one call at a time.
protocol BodyReceiver: AnyObject, Sendable {
    func write(_ bytes: [UInt8]) async throws
    /// The body is complete: the answer.
    func finish() async throws -> Response
    /// The client has gone, or an error is its answer. Does not wait; does nothing after the end.
    func cancel()
}

/// What a route does with a request's body.
enum BodyRule: Sendable {
    /// A body is read and not looked at.
    case none
    /// `application/json`.
    case json
    /// `application/merge-patch+json` or `application/json`.
    case mergePatch
    /// Any bytes.
    case bytes
    /// Any bytes, as many as the client sends.
    case stream

    var mediaTypes: [String]? {
        switch self {
        case .none, .bytes, .stream: nil
        case .json: ["application/json"]
        case .mergePatch: ["application/merge-patch+json", "application/json"]
        }
    }
}

/// One line of the API.
struct Route: Sendable {
    var method: String
    /// As in the OpenAPI document: `/v1/vms/{id}:start`.
    var template: String
    var operationID: String
    var query: [String]
    var body: BodyRule
    var handler: Handler
    private let segments: [String]
    private let verb: String?

    init(
        _ method: String, _ template: String, _ operationID: String, query: [String] = [], body: BodyRule = .none,
        _ handler: Handler
    ) {
        self.method = method
        self.template = template
        self.operationID = operationID
        self.query = query
        self.body = body
        self.handler = handler
        let parts = template.split(separator: ":", maxSplits: 1)
        segments = parts[0].dropFirst().split(separator: "/").map(String.init)
        verb = parts.count > 1 ? String(parts[1]) : nil
    }

    /// What the template's `{id}` and its other name, such as `{diskId}`, stand for; empty where there are none.
    struct Identifiers: Sendable {
        var id = ""
        var item = ""
    }

    /// The names' values when the target's path is this route's; nil otherwise.
    func match(_ target: RequestTarget) -> Identifiers? {
        guard target.verb == verb, target.segments.count == segments.count else { return nil }
        var names = Identifiers()
        for (wanted, given) in zip(segments, target.segments) {
            if wanted.hasPrefix("{") {
                guard !given.isEmpty else { return nil }
                if wanted == "{id}" { names.id = given } else { names.item = given }
            } else if wanted != given {
                return nil
            }
        }
        return names
    }
}

/// What becomes of a target and a method.
enum RouteMatch: Sendable {
    case route(Route, Route.Identifiers)
    /// `OPTIONS` on a path that exists.
    case options(template: String, allow: String)
    case wrongMethod(template: String, allow: String)
    case unknownPath
}

extension Route {
    /// Looks a target up in `table`. `HEAD` is served wherever `GET` is.
    static func find(_ method: String, _ target: RequestTarget, in table: [Route]) -> RouteMatch {
        let wanted = method == "HEAD" ? "GET" : method
        var methods: [String] = []
        var template = ""
        for route in table {
            guard let names = route.match(target) else { continue }
            if route.method == wanted { return .route(route, names) }
            methods.append(route.method)
            if route.method == "GET" { methods.append("HEAD") }
            template = route.template
        }
        guard !methods.isEmpty else { return .unknownPath }
        let allow = (methods + ["OPTIONS"]).joined(separator: ", ")
        return method == "OPTIONS"
            ? .options(template: template, allow: allow) : .wrongMethod(template: template, allow: allow)
    }
}
