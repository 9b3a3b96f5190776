import ManagementService
import PartitionManager

/// A kind of problem as a client sees it: a stable name, an HTTP status and a title. All of them stand in this file.
package struct ProblemType: Sendable, Hashable {
    /// The last part of `type`: `urn:hvroot:problem:NAME`.
    package var name: String
    package var status: Int
    package var title: String

    package var uri: String { "urn:hvroot:problem:\(name)" }

    private init(_ name: String, _ status: Int, _ title: String) {
        self.name = name
        self.status = status
        self.title = title
    }

    // What this front end finds by itself.
    static let notFoundRoute = ProblemType("not-found-route", 404, "There is no such path")
    static let methodNotAllowed = ProblemType("method-not-allowed", 405, "The path does not take this method")
    static let unsupportedMediaType = ProblemType("unsupported-media-type", 415, "The body's media type is not taken")
    static let payloadTooLarge = ProblemType("payload-too-large", 413, "The body is too large")
    static let headerTooLarge = ProblemType("header-too-large", 431, "The request's header is too large")
    static let malformedJSON = ProblemType("malformed-json", 400, "The body is not JSON")
    static let malformedRequest = ProblemType("malformed-request", 400, "The request cannot be read")
    static let invalidParameter = ProblemType("invalid-parameter", 400, "A query parameter is not allowed")
    static let forbiddenOrigin = ProblemType("forbidden-origin", 403, "The request comes from another site's page")
    static let upgradeRequired = ProblemType("upgrade-required", 426, "The WebSocket version is not spoken here")

    static let ofRequests = [
        notFoundRoute, methodNotAllowed, unsupportedMediaType, payloadTooLarge, headerTooLarge, malformedJSON,
        malformedRequest, invalidParameter, forbiddenOrigin, upgradeRequired,
    ]

    /// The service's kinds, each with its status.
    package init(_ kind: ServiceError.Kind) {
        let (status, title) =
            switch kind {
            case .invalidArgument: (400, "A field's value is not allowed")
            case .unknownField: (400, "A field is not known")
            case .invalidImage: (422, "An image cannot be used")
            case .notFound: (404, "There is no such resource")
            case .alreadyExists: (409, "The resource exists already")
            case .wrongState: (409, "The VM's state does not allow it")
            case .operationConflict: (409, "Another operation is under way")
            case .preconditionFailed: (412, "The resource has changed")
            case .insufficientResources: (503, "The host has too little for it")
            case .notImplemented: (501, "The server does not offer it")
            case .unavailable: (503, "The server cannot take it now")
            case .deadlineExceeded: (504, "It took too long")
            case .guestFailed: (502, "The guest failed")
            case .internal: (500, "The server made a mistake")
            }
        self.init(kind.rawValue, status, title)
    }

    /// Every type a client can meet.
    package static var all: [ProblemType] { ServiceError.Kind.allCases.map { ProblemType($0) } + ofRequests }
}
