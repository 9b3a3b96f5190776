import JSON
import ManagementService
import PartitionManager

/// A request that gets no other answer than what is wrong with it (RFC 9457).
struct Problem: Error, Sendable {
    var type: ProblemType
    /// What is wrong and what would be right.
    var detail: String
    /// A JSON pointer to the field at fault, or the name of the query parameter.
    var field: String?
    var expected: String?
    /// Everything that stands in the way, where that was looked for as a whole.
    var blockers: [ServiceError.Blocker] = []
    /// Header fields that the status asks for, such as `Allow`.
    var headers: [(name: String, value: String)] = []

    init(_ type: ProblemType, _ detail: String, field: String? = nil, expected: String? = nil) {
        self.type = type
        self.detail = detail
        self.field = field
        self.expected = expected
    }

    init(_ error: ServiceError) {
        self.init(ProblemType(error.kind), error.detail, field: error.field, expected: error.expected)
        blockers = error.blockers
    }

    /// Whatever a handler throws. Handlers throw the two types above; another one is this server's mistake.
    init(catching error: any Error) {
        switch error {
        case let problem as Problem: self = problem
        case let error as ServiceError: self = Problem(error)
        default: self = Problem(ProblemType(.internal), "The server failed in a way it did not foresee: \(error)")
        }
    }

    /// The members of problem+json. `instance` is the request's path.
    func json(instance: String?) -> JSONValue {
        var object: JSONObject = [
            "type": .string(type.uri), "title": .string(type.title), "status": JSONValue(type.status),
            "detail": .string(detail),
        ]
        if let field { object["field"] = .string(field) }
        if let expected { object["expected"] = .string(expected) }
        if !blockers.isEmpty {
            object["blockers"] = .array(
                blockers.map {
                    ["field": .string($0.field), "detail": .string($0.detail), "expected": .string($0.expected)]
                })
        }
        if let instance { object["instance"] = .string(instance) }
        return .object(object)
    }

    func response(instance: String) -> Response {
        var response = Response(
            status: type.status, contentType: "application/problem+json",
            body: .bytes(json(instance: instance).serialized() + Response.newline))
        response.headers += headers
        return response
    }
}
